package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

const (
	// edition changes with whatever the records are made of; those of another one are
	// not used.
	edition = 2
	// signers is how many creators publish, keyBits the size of their keys.
	signers = 8
	keyBits = 4096
	// roundSize is how many records are made at a time. They refer to those of earlier
	// rounds only, so that they can be signed in parallel.
	roundSize = 1500
	// startHeight is the first block; so many records come with each block.
	startHeight = 1_500_000
	perBlock    = 5
)

// The record types, by how many of a hundred records they are, and what each refers to
// how often. A post leads to a recipe, that to an ingredient, that to an image: three
// levels deep.
var recordTypes = []struct {
	name  string
	share int
	refs  []references
}{
	{name: "image", share: 24},
	{name: "text", share: 10},
	{name: "nutritionalInfo", share: 12, refs: []references{{"image", 1, 1}}},
	{name: "exercise", share: 10, refs: []references{{"image", 1, 1}}},
	{name: "recipe", share: 8, refs: []references{{"nutritionalInfo", 3, 9}, {"image", 1, 1}}},
	{name: "workout", share: 6, refs: []references{{"exercise", 3, 8}, {"image", 0, 1}}},
	{name: "post", share: 30, refs: []references{{"image", 0, 2}, {"recipe", 0, 1}, {"workout", 0, 1}, {"text", 0, 1}}},
}

// references are from least to most references to records of one type.
type references struct {
	to          string
	least, most int
}

// definitions are the templates, by name: basic of every record, one for each type with
// its references, and the access of some.
func definitions() [][2]string {
	list := [][2]string{
		{"basic", `{"name":"string","index_name":0,"description":"string","index_description":1,"date":"long","index_date":2,"language":"string","index_language":3,"tagItems":"repeated string","index_tagItems":4}`},
		{"accessControl", `{"access_level":"string","index_access_level":0,"owner_public_key":"string","index_owner_public_key":1}`},
	}
	for _, t := range recordTypes {
		list = append(list, [2]string{t.name, `{"source":"string","index_source":0,"size":"long","index_size":1,"image":"repeated dref","index_image":2,"nutritionalInfo":"repeated dref","index_nutritionalInfo":3,` +
			`"exercise":"repeated dref","index_exercise":4,"recipe":"repeated dref","index_recipe":5,"workout":"repeated dref","index_workout":6,"text":"repeated dref","index_text":7}`})
	}
	return list
}

// fieldOf is the index of the field that refers to a type.
var fieldOf = map[string]int{"image": 2, "nutritionalInfo": 3, "exercise": 4, "recipe": 5, "workout": 6, "text": 7}

// press makes the records, in their order on the chain. The same number always gives the
// same records.
type press struct {
	words   []string
	signers []*oiptest.Signer
	// registrations are the signers', in their order.
	registrations []oip.Transaction
	templates     map[string]*oip.Template // by id
	ids           map[string]string        // of the templates, by name
	// known are the DIDs of the rounds before, by type.
	known map[string][]string
	// first are the templates and registrations, which come before the records.
	first []*oip.Document
}

func newPress() (*press, error) {
	p := &press{words: vocabulary(), templates: map[string]*oip.Template{}, ids: map[string]string{}, known: map[string][]string{}}
	for i := range signers {
		s := oiptest.NewSigner(fmt.Sprint("benchapi ", i), keyBits)
		p.signers, p.registrations = append(p.signers, s), append(p.registrations, s.Registration(handle(i), "Writer"))
	}
	for _, d := range definitions() {
		tx := p.signers[0].Template(d[0], []byte(d[1]))
		p.ids[d[0]], p.templates[tx.ID] = tx.ID, p.signers[0].Verified(tx).Template()
		if err := p.begin(0, tx, ""); err != nil {
			return nil, err
		}
	}
	for i, tx := range p.registrations {
		if err := p.begin(i, tx, handle(i)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func handle(signer int) string { return fmt.Sprintf("writer%d", signer) }

func (p *press) begin(signer int, tx oip.Transaction, own string) error {
	doc, err := p.expand(signer, tx, startHeight, own)
	p.first = append(p.first, doc)
	return err
}

// expand verifies a transaction and makes its document.
func (p *press) expand(signer int, tx oip.Transaction, height int64, own string) (*oip.Document, error) {
	s := p.signers[signer]
	tx.Height = height
	doc, err := oip.Expand(s.Verified(tx), oip.Setting{
		Creator: s.Ref(handle(signer), p.registrations[signer]), OwnHandle: own, IndexedAt: published(height).Add(time.Hour),
		Templates: func(id string) *oip.Template { return p.templates[id] },
	})
	if err != nil {
		return nil, fmt.Errorf("make a record: %w", err)
	}
	return &doc, nil
}

// published is when a block came.
func published(height int64) time.Time {
	return time.Unix(1_600_000_000+(height-startHeight)*130, 0)
}

// made is a document and its record type, empty for what is no record.
type made struct {
	document   *oip.Document
	recordType string
}

// rounds makes n records and hands them to write, roundSize at a time, while it makes
// the next ones.
func (p *press) rounds(ctx context.Context, n int, write func(context.Context, []*oip.Document) error) error {
	g, ctx := errgroup.WithContext(ctx)
	batches := make(chan []*oip.Document, 1)
	g.Go(func() error {
		for documents := range batches {
			if err := write(ctx, documents); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		defer close(batches)
		documents := p.first
		for from := 0; ; from += roundSize {
			select {
			case batches <- documents:
			case <-ctx.Done():
				return ctx.Err()
			}
			if from >= n {
				return nil
			}
			var err error
			if documents, err = p.round(from, min(from+roundSize, n)); err != nil {
				return err
			}
		}
	})
	return g.Wait()
}

// round makes the records from one number to another.
func (p *press) round(from, to int) ([]*oip.Document, error) {
	list := make([]made, to-from)
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for at := range list {
		g.Go(func() (err error) {
			list[at], err = p.record(from + at)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	documents := make([]*oip.Document, len(list))
	for at, m := range list {
		documents[at] = m.document
		p.known[m.recordType] = append(p.known[m.recordType], m.document.DID())
	}
	return documents, nil
}

// record makes record i.
func (p *press) record(i int) (made, error) {
	w := newWriter(p.words, i)
	height := startHeight + 1 + int64(i/perBlock)
	signer := min(w.IntN(signers), w.IntN(signers)) // some publish more than others
	basic := map[int]any{0: w.name(), 1: w.text(10 + w.IntN(90)), 3: "en"}
	// Most are dated when they were published, others at some earlier time, few not.
	switch date := published(height); {
	case w.IntN(10) < 7:
		basic[2] = date.Unix()
	case w.IntN(10) < 9:
		basic[2] = date.Unix() - w.Int64N(300_000_000)
	}
	if tags := w.tagItems(); len(tags) > 0 {
		basic[4] = tags
	}
	kind := 0
	for at := w.IntN(100); at >= recordTypes[kind].share; kind++ {
		at -= recordTypes[kind].share
	}
	t := recordTypes[kind]
	own := map[int]any{0: "https://media.example.org/" + w.text(1) + fmt.Sprint(i), 1: w.Int64N(5_000_000)}
	for _, r := range t.refs {
		if dids := p.pick(w, r); len(dids) > 0 {
			own[fieldOf[r.to]] = dids
		}
	}
	objects := []oiptest.Object{{Template: p.ids["basic"], Values: basic}, {Template: p.ids[t.name], Values: own}}
	if w.IntN(20) == 0 {
		objects = append(objects, oiptest.Object{Template: p.ids["accessControl"], Values: map[int]any{0: "private", 1: p.signers[signer].Modulus}})
	}
	tx := p.signers[signer].Record(t.name, objects...)
	doc, err := p.expand(signer, tx, height, "")
	return made{doc, t.name}, err
}

// pick chooses records to refer to, the older ones more often.
func (p *press) pick(w *writer, r references) []string {
	known := p.known[r.to]
	if len(known) == 0 {
		return nil
	}
	var dids []string
	for range r.least + w.IntN(r.most-r.least+1) {
		u := w.Float64()
		dids = append(dids, known[int(u*u*float64(len(known)))])
	}
	return dids
}

// total is how many documents there are with so many records.
func (p *press) total(records int) int64 { return int64(records + len(p.first)) }
