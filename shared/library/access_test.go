package library_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"oipnode/shared/access"
	"oipnode/shared/library"
)

// given is a grant in the model: who has it, and whom it admits.
type given struct {
	owner  string
	level  library.Level
	record int // 0 for none
}

// admits says whom a grant admits: its owner, everybody, or the readers of a record.
func (g given) admits(key string, readers map[int][]string) bool {
	switch {
	case g.record == 0:
		return g.level == library.Public || g.owner == key
	case readers[g.record] == nil:
		return true
	}
	for _, r := range readers[g.record] {
		if r == key && key != "" {
			return true
		}
	}
	return false
}

// TestAccess gives random grants and asks, as everybody, for everything: each is shown a
// manifest exactly if some grant admits them, and then one of those that do.
func TestAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := []string{"", "a", "b", "c"}
	viewer := func(key string) access.Viewer {
		if key == "" {
			return nobody
		}
		return user(key)
	}
	// The files, and records of each: public, of a alone, and of a and b.
	readers := map[int][]string{2: {"a"}, 3: {"a", "b"}}
	var urls []string
	records := map[string]map[int]string{}
	for n := range 3 {
		url := w.source.file(fmt.Sprint("/file", n), "image/png", fmt.Sprint("content ", n))
		urls = append(urls, url)
		records[url] = map[int]string{
			1: w.publish(map[int]fields{image: {webUrl: url}}),
			2: w.publish(map[int]fields{image: {webUrl: url}, accessControl: restricted("private", "a")}),
			3: w.publish(map[int]fields{image: {webUrl: url}, accessControl: restricted("shared", "a", "b")}),
		}
	}
	random := rand.New(rand.NewPCG(7, 7))
	model := map[string][]given{}
	for step := range 40 {
		url := urls[random.IntN(len(urls))]
		g := given{owner: keys[1+random.IntN(3)], level: []library.Level{library.Private, library.Public}[random.IntN(2)]}
		q := library.Wanted{URL: url, Level: g.level}
		if g.record = random.IntN(4); g.record > 0 {
			q = library.Wanted{DID: records[url][g.record]}
			if !(given{record: g.record}).admits(g.owner, readers) {
				if _, err := w.Request(t.Context(), viewer(g.owner), q); !errors.Is(err, library.ErrNotFound) {
					t.Errorf("step %d: %s may fetch record %d: %v", step, g.owner, g.record, err)
				}
				continue
			}
		}
		id := w.fetched(viewer(g.owner), q)
		model[id] = append(model[id], g)
		for id, grants := range model {
			for _, key := range keys {
				w.compare(step, id, key, viewer(key), grants, readers, records)
			}
		}
		if t.Failed() {
			return
		}
	}
}

// compare asks for a medium as one of the viewers.
func (w *world) compare(step int, id, key string, v access.Viewer, grants []given, readers map[int][]string, records map[string]map[int]string) {
	w.Helper()
	admitted := false
	for _, g := range grants {
		admitted = admitted || g.admits(key, readers)
	}
	m, err := w.Find(context.Background(), v, id)
	switch {
	case admitted != (err == nil), !admitted && key == "" && !errors.Is(err, library.ErrUnauthorized), !admitted && key != "" && !errors.Is(err, library.ErrForbidden):
		w.Errorf("step %d: %q asks for a medium with %v: %v", step, key, grants, err)
		return
	case !admitted:
		return
	}
	// What is shown is one of the grants that admit, and nothing of the others.
	for _, g := range grants {
		level := string(g.level)
		switch g.record {
		case 1:
			level = "public"
		case 2:
			level = "private"
		case 3:
			level = "shared"
		}
		did := ""
		for _, of := range records {
			if g.record > 0 && of[g.record] == m.Record {
				did = m.Record
			}
		}
		if g.admits(key, readers) && level == m.AccessLevel && did == m.Record && (m.UserPublicKey == "" || m.UserPublicKey == g.owner) {
			if m.UserPublicKey == "" && (g.record == 0 || g.owner == key) {
				continue // the owner of a URL's grant is told
			}
			return
		}
	}
	w.Errorf("step %d: %q is shown %s, grants %v", step, key, encoded(m), grants)
}
