package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"oipnode/shared/oip"
)

// document is what the tests look at of a document.
type document struct {
	Data struct {
		Basic struct {
			Name     string
			Date     int64
			TagItems []string
		}
		AccessControl struct {
			Level string `json:"access_level"`
		}
		Post            struct{ Recipe []string }
		Recipe          struct{ NutritionalInfo []string }
		NutritionalInfo struct{ Image []string }
	}
	OIP struct{ RecordType string }
}

func documents(t *testing.T, n int) (list []*oip.Document) {
	t.Helper()
	p, err := newPress()
	if err != nil {
		t.Fatal(err)
	}
	err = p.rounds(t.Context(), n, func(_ context.Context, round []*oip.Document) error {
		list = append(list, round...)
		return nil
	})
	if err != nil || int64(len(list)) != p.total(n) {
		t.Fatalf("%d documents of %d, %v", len(list), p.total(n), err)
	}
	return list
}

// TestRounds: the records are the same every time, whatever was made in parallel, and
// have what the queries ask for: types, tags, names more than once, private ones, and
// references three levels deep.
func TestRounds(t *testing.T) {
	const n = 3*roundSize + 500
	list, again := documents(t, n), documents(t, roundSize)
	known := make(map[string]document)
	types, names, tags := map[string]int{}, map[string]int{}, map[string]int{}
	private, undated := 0, 0
	for i, d := range list {
		if i < len(again) && (d.DID() != again[i].DID() || string(d.JSON()) != string(again[i].JSON())) {
			t.Fatalf("document %d is another one the second time", i)
		}
		var read document
		if err := json.Unmarshal(d.JSON(), &read); err != nil {
			t.Fatal(err)
		}
		if d.Kind() != oip.KindRecord {
			continue
		}
		known[d.DID()] = read
		types[read.OIP.RecordType]++
		names[read.Data.Basic.Name]++
		for _, tag := range read.Data.Basic.TagItems {
			tags[tag]++
		}
		if read.Data.AccessControl.Level == "private" {
			private++
		}
		if read.Data.Basic.Date == 0 {
			undated++
		}
	}
	if len(known) != n || len(types) != len(recordTypes) || types["post"] < n/5 || private < n/40 || private > n/10 || undated == 0 || undated > n/5 {
		t.Errorf("%d records, %d private, %d without a date, by type %v", len(known), private, undated, types)
	}
	if len(names) == n || len(names) < n/2 {
		t.Errorf("%d different names of %d", len(names), n)
	}
	if q := questions(); !slices.ContainsFunc(q, func(q question) bool { return strings.Contains(q.query, "tags="+tag(20)) }) || tags[tag(20)] == 0 || tags[tag(0)] <= tags[tag(20)] {
		t.Errorf("tags %v", tags)
	}
	deep := 0
	for _, post := range known {
		for _, recipe := range post.Data.Post.Recipe {
			for _, ingredient := range known[recipe].Data.Recipe.NutritionalInfo {
				for _, image := range known[ingredient].Data.NutritionalInfo.Image {
					if known[image].OIP.RecordType != "image" {
						t.Errorf("%s is no image", image)
					}
					deep++
				}
			}
		}
	}
	if deep == 0 {
		t.Error("no reference is three levels deep")
	}
}

func TestVocabulary(t *testing.T) {
	words := vocabulary()
	sorted := slices.Clone(words)
	slices.Sort(sorted)
	if len(slices.Compact(sorted)) != vocabularySize || !slices.Equal(words, vocabulary()) {
		t.Error("the words are not the same, each once")
	}
	tags := map[string]bool{}
	for i := range uint64(tagCount) {
		tags[tag(i)] = true
	}
	if len(tags) != tagCount {
		t.Errorf("%d tags of %d", len(tags), tagCount)
	}
}
