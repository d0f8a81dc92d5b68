package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"oipnode/shared/oip"
	"oipnode/shared/openapi"
	"oipnode/shared/records"
)

// special is a filter that is about the records of one type: a list of items, each of
// which a record of that type has or has not (spec records-api section 2, "Type-specific
// filters"). A record gets <score>Score and <score>MatchedCount, and the records are
// ordered by the former unless sortBy is given.
type special struct {
	name       string
	recordType string
	score      string
	doc        string
	// modes are the values of the parameter that says whether one item is enough, the
	// first being the default; modeName is its name, empty if there is none.
	modeName string
	modes    []string
	// kind reads the items.
	kind func(dst *[]string) kind
	// conds makes a condition out of each item.
	conds func(ctx context.Context, s *server, readable records.All, items []string) (conds []records.Cond, warning string, err error)
	// ordered is the path of the list in which the order of the items counts too, as
	// conds' conditions know it; empty where it does not.
	ordered string
}

var (
	eitherFirst = []string{"OR", "AND"}
	allFirst    = []string{"AND", "OR"}
)

// specials is the table of these filters.
var specials = []special{
	{
		name: "exerciseNames", recordType: "workout", score: "exercise", modes: eitherFirst, kind: items(maxListed, 200), ordered: "workout.exercise",
		doc:   "only workouts with an exercise of one of these names, in any case; the score also tells whether they come in this order",
		conds: referenceNamed("workout.exercise"),
	},
	{
		name: "exerciseDIDs", recordType: "workout", score: "exercise", modes: eitherFirst, kind: didList, ordered: "workout.exercise",
		doc:   "only workouts with one of these exercises; the score also tells whether they come in this order",
		conds: each(func(did string) records.Cond { return records.Refers("workout.exercise", did) }),
	},
	{
		name: "ingredientNames", recordType: "recipe", score: "ingredient", modes: eitherFirst, kind: items(maxListed, 200), ordered: "recipe.ingredient",
		doc:   "only recipes with an ingredient of one of these names, in any case; the score also tells whether they come in this order",
		conds: referenceNamed("recipe.ingredient"),
	},
	{
		name: "equipmentRequired", recordType: "exercise", score: "equipment", modeName: "equipmentMatchMode", modes: allFirst, kind: items(maxPieces, maxEquipment),
		doc:   "only exercises with this equipment, by names or DIDs: one name contains the other, in any case",
		conds: equipment,
	},
	{
		name: "exerciseType", recordType: "exercise", score: "exerciseType", modeName: "exerciseTypeMatchMode", modes: eitherFirst, kind: items(maxListed, 200),
		doc:   "only exercises of these types, in any case; warmup, main and cooldown stand for Warm-Up, Main and Cool-Down",
		conds: each(exerciseType),
	},
	{
		name: "cuisine", recordType: "recipe", score: "cuisine", modeName: "cuisineMatchMode", modes: eitherFirst, kind: items(maxListed, records.MaxLike),
		doc: "only recipes of these cuisines: recipe.cuisine contains the text, in any case",
		conds: each(func(item string) records.Cond {
			return records.Like{Path: "recipe.cuisine", Text: item, Least: records.Contains}
		}),
	},
	{
		name: "model", recordType: "modelProvider", score: "model", modeName: "modelMatchMode", modes: eitherFirst, kind: items(maxListed, records.MaxLike),
		doc: "only providers of these models: modelProvider.supported_models contains the text, in any case",
		conds: each(func(item string) records.Cond {
			return records.Like{Path: "modelProvider.supported_models", Text: item, Least: records.Contains}
		}),
	},
}

// specialAsked is one of the filters as a request has it.
type specialAsked struct {
	items []string
	mode  string
}

// specialParams are the parameters of the table, which are read into asked.
func specialParams(asked *[]specialAsked) []param {
	*asked = make([]specialAsked, len(specials))
	var table []param
	for i, f := range specials {
		a := &(*asked)[i]
		a.mode = f.modes[0]
		table = append(table, param{f.name, f.kind(&a.items), fmt.Sprintf("%s; adds %sScore and %sMatchedCount", f.doc, f.score, f.score)})
		if f.modeName != "" {
			table = append(table, param{f.modeName, choice(&a.mode, f.modes...), fmt.Sprintf("whether one of the items of %s is enough, or all are needed", f.name)})
		}
	}
	return table
}

// special makes the conditions of the type-specific filters that the request has.
func (s *server) special(ctx context.Context, readable records.All, recordType string, asked []specialAsked) (conds []records.Cond, told scores, warnings []string, err error) {
	for i, a := range asked {
		f := specials[i]
		if len(a.items) == 0 {
			continue
		}
		if recordType != "" && !strings.EqualFold(recordType, f.recordType) {
			warnings = append(warnings, fmt.Sprintf("%s is about records of the type %s and was not applied", f.name, f.recordType))
			continue
		}
		found, warning, err := f.conds(ctx, s, readable, a.items)
		if err != nil {
			return nil, nil, nil, err
		}
		warnings = append(warnings, warning)
		conds = append(conds, records.Is(records.FieldRecordType, strings.ToLower(f.recordType)), combined(a.mode, found))
		// Names and DIDs of exercises have one score: that of the first that is asked for.
		if _, ok := told.named(f.score + "Score"); !ok {
			told = append(told, f.scoring(found))
		}
	}
	return conds, told, warnings, nil
}

// scoring is what a filter with these conditions tells of the records.
func (f special) scoring(found []records.Cond) scoring {
	s := scoring{names: []string{f.score + "Score"}, parts: one(found), first: true}
	if f.ordered != "" {
		s.places = newPlaces(f.score, found)
		return s
	}
	s.show = func(points int64) []member {
		return []member{{f.score + "Score", share(points, len(found))}, {f.score + "MatchedCount", number(points)}}
	}
	return s
}

// each makes the conditions of a filter of which every item stands for itself.
func each(cond func(item string) records.Cond) func(context.Context, *server, records.All, []string) ([]records.Cond, string, error) {
	return func(_ context.Context, _ *server, _ records.All, items []string) ([]records.Cond, string, error) {
		conds := make([]records.Cond, len(items))
		for i, item := range items {
			conds[i] = cond(item)
		}
		return conds, "", nil
	}
}

// referenceNamed makes the conditions of a filter whose items are names of the records to
// which a list refers.
func referenceNamed(path string) func(context.Context, *server, records.All, []string) ([]records.Cond, string, error) {
	return func(ctx context.Context, s *server, readable records.All, items []string) ([]records.Cond, string, error) {
		dids, warning, err := s.namesToDIDs(ctx, readable, items)
		if err != nil {
			return nil, "", err
		}
		conds := make([]records.Cond, len(items))
		for i, item := range items {
			conds[i] = records.Refers(path, dids[strings.ToLower(item)]...)
		}
		return conds, warning, nil
	}
}

const (
	// maxNamed is how many records are looked at to find those with certain names.
	maxNamed = 1000
	// namedPage is how many of them are read at once.
	namedPage = 200
)

// namesToDIDs finds the readable records that have one of the names, in any case: their
// DIDs, for each name in lower case.
func (s *server) namesToDIDs(ctx context.Context, readable records.All, names []string) (dids map[string][]string, warning string, err error) {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = strings.ToLower(name)
	}
	q := records.Query{
		Where: slices.Concat(readable, records.All{records.Is(records.FieldNameFolded, folded...), notDeletion()}),
		Limit: namedPage,
	}
	dids = make(map[string][]string)
	found := 0
	err = s.pages(ctx, q, func(page records.Page) (bool, error) {
		for _, hit := range page.Hits {
			// Read as the store reads it: beside name there may be a Name, which encoding/json
			// would take for the same.
			p, err := records.ProjectFor(hit.Kind, hit.JSON)
			if err != nil {
				return false, fmt.Errorf("api: %s: stored record: %w", hit.DID, err)
			}
			for _, name := range p.Text(records.FieldNameFolded) {
				dids[name] = append(dids[name], hit.DID)
			}
		}
		if found += len(page.Hits); found >= maxNamed && page.Next != "" {
			warning = fmt.Sprintf("more than %d records have these names; the first were considered", maxNamed)
			return false, nil
		}
		return true, nil
	})
	return dids, warning, err
}

const (
	// maxEquipment is the longest name of a piece of equipment in bytes. All of its parts
	// are asked for.
	maxEquipment = 64
	// maxPieces is how many pieces may be asked for: each is a query of its own, for the
	// records that have such a name.
	maxPieces = 20
)

// The paths of an exercise's equipment.
var equipmentPaths = []string{"exercise.equipmentRequired", "exercise.equipment"}

// equipment makes the conditions of equipmentRequired. A piece that is named there by its
// DID is known by the names of the readable records.
func equipment(ctx context.Context, s *server, readable records.All, items []string) (conds []records.Cond, warning string, err error) {
	for _, item := range items {
		var dids []string
		parts := partsOf(records.Fold(item))
		if oip.ValidDID(item) {
			dids = []string{item}
		} else {
			found, more, err := s.containingEither(ctx, readable, item, parts)
			if err != nil {
				return nil, "", err
			}
			dids = found
			if more {
				warning = fmt.Sprintf("more than %d records have such names; the first were considered", maxNamed)
			}
		}
		var some records.Any
		for _, path := range equipmentPaths {
			some = append(append(some, either(path, item, parts)...), records.Refers(path, dids...))
		}
		conds = append(conds, some)
	}
	return conds, warning, nil
}

// either holds when what is at the path contains the text, or is one of its parts, in any
// case.
func either(path, text string, parts []string) records.Any {
	some := records.Any{records.Like{Path: path, Text: text, Least: records.Contains}}
	for chunk := range slices.Chunk(parts, records.MaxTerms) {
		some = append(some, records.EqualFold(path, chunk...))
	}
	return some
}

// containingEither finds the readable records whose name contains the text or is one of
// its parts, in any case; more says that there are others.
func (s *server) containingEither(ctx context.Context, readable records.All, text string, parts []string) (dids []string, more bool, err error) {
	page, err := s.opt.Records.Search(ctx, records.Query{Where: slices.Concat(readable, records.All{either("basic.name", text, parts), notDeletion()}), Limit: maxNamed, RefsOnly: true})
	if err != nil {
		return nil, false, err
	}
	for _, hit := range page.Hits {
		dids = append(dids, hit.DID)
	}
	return dids, page.Next != "", nil
}

// partsOf are all different parts of a text, itself included.
func partsOf(text string) []string {
	letters := []rune(text)
	seen := make(map[string]bool)
	var parts []string
	for from := range letters {
		for to := from + 1; to <= len(letters); to++ {
			if part := string(letters[from:to]); !seen[part] {
				seen[part] = true
				parts = append(parts, part)
			}
		}
	}
	return parts
}

// exerciseTypes are the types that have a code besides their name.
var exerciseTypes = [][2]string{{"warmup", "Warm-Up"}, {"main", "Main"}, {"cooldown", "Cool-Down"}}

// exerciseType is the condition of a type, by its code or its name.
func exerciseType(item string) records.Cond {
	for _, pair := range exerciseTypes {
		if strings.EqualFold(item, pair[0]) || strings.EqualFold(item, pair[1]) {
			return records.EqualFold("exercise.exercise_type", pair[0], pair[1])
		}
	}
	return records.EqualFold("exercise.exercise_type", item)
}

// items takes a comma list of at most so many texts, each of at most so many bytes.
func items(number, most int) func(dst *[]string) kind {
	return func(dst *[]string) kind {
		k := shortList(dst, number)
		k.allowed += fmt.Sprintf(", each of at most %d bytes", most)
		k.schema = func() openapi.Schema {
			s := listSchema(number)
			s.Items.MaxLength = most
			return s
		}
		set := k.set
		k.set = func(s string) (any, bool) {
			shown, ok := set(s)
			return shown, ok && !slices.ContainsFunc(*dst, func(item string) bool { return len(records.Fold(item)) > most })
		}
		return k
	}
}

// didList takes a comma list of DIDs.
func didList(dst *[]string) kind {
	k := commaList(dst)
	k.allowed += ", each a DID such as did:arweave:<id>"
	k.schema = func() openapi.Schema {
		s := openapi.ListOf(didSchema(), maxListed)
		s.MinItems = 1
		return s
	}
	set := k.set
	k.set = func(s string) (any, bool) {
		shown, ok := set(s)
		return shown, ok && !slices.ContainsFunc(*dst, func(item string) bool { return !oip.ValidDID(item) })
	}
	return k
}
