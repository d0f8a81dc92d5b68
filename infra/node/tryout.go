package main

import (
	"context"
	"net/url"

	"oipnode/shared/access"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// suggestion is a URL that is worth a look.
type suggestion struct{ label, url string }

// suggest makes a short list of URLs out of what is in the index, as anybody may
// read it: each of them has an answer that is not empty.
func suggest(ctx context.Context, store records.Store, base string) ([]suggestion, error) {
	list := []suggestion{{"the console", base + "/"}}
	add := func(label, path string) { list = append(list, suggestion{label, base + path}) }
	public := records.All{
		access.Rule(access.Viewer{}),
		records.Is(records.FieldKind, string(oip.KindRecord)),
		records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")},
	}
	types, err := store.Count(ctx, public, records.FieldRecordTypeExact)
	if err != nil {
		return nil, err
	}
	if types.Total > 0 {
		add("what there is", "/api/records/recordTypes")
		add("the newest records", "/api/records?limit=5")
		favourite := favouriteType(types.Buckets)
		add("only of one type", "/api/records?recordType="+url.QueryEscape(favourite)+"&limit=5")
		newest, err := newestOf(ctx, store, public, favourite)
		if err != nil {
			return nil, err
		}
		add("one record", "/api/records?did="+newest) // a DID needs no escaping
	}
	tags, err := store.Count(ctx, public, records.FieldTag)
	if err != nil {
		return nil, err
	}
	if len(tags.Buckets) > 0 {
		add("by tag", "/api/records?tags="+url.QueryEscape(tags.Buckets[0].Value))
	}
	add("who publishes", "/api/creators")
	add("how records are made", "/api/templates")
	add("state of the index", "/api/health/keepdb")
	return list, nil
}

// favouriteType is recipe, if there are any, since they have the most to look at,
// else the most frequent type.
func favouriteType(types []records.Bucket) string {
	for _, b := range types {
		if b.Value == "recipe" {
			return b.Value
		}
	}
	return types[0].Value
}

// newestOf is the DID of the newest record of a type.
func newestOf(ctx context.Context, store records.Store, where records.All, recordType string) (string, error) {
	page, err := store.Search(ctx, records.Query{
		Where:        append(where[:len(where):len(where)], records.Is(records.FieldRecordTypeExact, recordType)),
		Sort:         []records.Sort{{Field: records.FieldHeight, Desc: true}},
		Limit:        1,
		EnvelopeOnly: true,
	})
	if err != nil || len(page.Hits) == 0 {
		return "", err
	}
	return page.Hits[0].DID, nil
}
