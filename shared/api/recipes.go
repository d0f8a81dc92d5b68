package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"oipnode/shared/nutrition"
	"oipnode/shared/oip/canon"
	"oipnode/shared/records"
)

// The members of a recipe's data that summarizeRecipe adds. A publisher may have sent
// members of these names; ours take their place.
const (
	summaryName           = "calculatedSummaryNutritionalInfo"
	summaryPerServingName = "calculatedSummaryNutritionalInfoPerServing"
)

// summarize adds to the recipes among the hits what their ingredients hold together
// (package nutrition). A recipe of which too little is known stays as it is. base is
// what the caller may read, ingredients' records included.
//
// Recipes are read twice, once for the DIDs of their ingredients and once for the sum,
// so that a page of long ones does not lie in memory in another form as well.
func (s *server) summarize(ctx context.Context, base records.All, hits []records.Stored) error {
	var dids []string
	seen := make(map[string]bool)
	for _, hit := range hits {
		_, data, err := split(hit)
		if err != nil {
			return err
		}
		recipe, ok := nutrition.ReadRecipe(data)
		if !ok {
			continue
		}
		for _, did := range recipe.DIDs() {
			if !seen[did] {
				seen[did] = true
				dids = append(dids, did)
			}
		}
		if len(dids) > maxReferences {
			return errTooLarge(nil)
		}
	}
	known := make(map[string]nutrition.Facts)
	err := s.targets(ctx, base, dids, func(target records.Stored) error {
		_, data, err := split(target)
		if err != nil {
			return err
		}
		if facts, ok := nutrition.ReadFacts(data); ok {
			known[target.DID] = facts
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, hit := range hits {
		parts, data, err := split(hit)
		if err != nil {
			return err
		}
		recipe, ok := nutrition.ReadRecipe(data)
		if !ok {
			continue
		}
		total, perServing, ok := recipe.Summarize(known)
		if !ok {
			continue
		}
		sum, err := encode(total)
		if err != nil {
			return err
		}
		part, err := encode(perServing)
		if err != nil {
			return err
		}
		hits[i].JSON = parts.with(data, member{summaryName, sum}, member{summaryPerServingName, part})
	}
	return nil
}

// storedParts are the two parts of a stored document.
type storedParts struct {
	Data json.RawMessage `json:"data"`
	OIP  json.RawMessage `json:"oip"`
}

// split reads the data of a document.
func split(doc records.Stored) (parts storedParts, data canon.Value, err error) {
	if err := json.Unmarshal(doc.JSON, &parts); err != nil {
		return parts, data, fmt.Errorf("api: %s: stored document: %w", doc.DID, err)
	}
	if data, err = canon.Parse(parts.Data); err != nil {
		return parts, data, fmt.Errorf("api: %s: stored data: %w", doc.DID, err)
	}
	return parts, data, nil
}

// with is the document with more members at the end of its data. Everything else is
// copied as it stands.
func (p storedParts) with(data canon.Value, added ...member) []byte {
	out := append(make([]byte, 0, len(p.Data)+len(p.OIP)+512), `{"data":{`...)
	start := len(out)
	write := func(name string, value []byte) {
		if len(out) > start {
			out = append(out, ',')
		}
		out = append(append(canon.AppendString(out, name), ':'), value...)
	}
	for name, value := range data.Members() {
		if !slices.ContainsFunc(added, func(m member) bool { return m.name == name }) {
			write(name, value.Raw())
		}
	}
	for _, m := range added {
		write(m.name, m.value)
	}
	out = append(append(out, `},"oip":`...), p.OIP...)
	return append(out, '}')
}
