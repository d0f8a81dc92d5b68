package library_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// press publishes records as the pipeline stores them: signed, verified, expanded.
type press struct {
	signer    *oiptest.Signer
	templates []*oip.Template
}

// The templates of the press, and positions of some of their fields.
const (
	basic = iota
	image
	video
	post
	accessControl

	webUrl, arweaveAddress, filename, contentType = 0, 1, 2, 3
)

var published = sync.OnceValue(func() *press {
	p := &press{signer: oiptest.NewSigner("library", 2048)}
	file := `"webUrl":"string","index_webUrl":0,"arweaveAddress":"string","index_arweaveAddress":1,"filename":"string","index_filename":2,"contentType":"string","index_contentType":3`
	for _, t := range [][2]string{
		{"basic", `{"name":"string","index_name":0}`},
		{"image", `{` + file + `}`},
		{"video", `{` + file + `,"thumbnails":"repeated dref","index_thumbnails":4}`},
		{"post", `{"webUrl":"string","index_webUrl":0,"featuredImage":"dref","index_featuredImage":1,"imageItems":"repeated dref","index_imageItems":2}`},
		{"accessControl", `{"access_level":"string","index_access_level":0,"owner_public_key":"string","index_owner_public_key":1,"shared_with":"repeated string","index_shared_with":2}`},
	} {
		p.templates = append(p.templates, p.signer.Verified(p.signer.Template(t[0], []byte(t[1]))).Template())
	}
	return p
})

// fields are the values of one template, by their index.
type fields = map[int]any

// publish stores a record, given by template, and returns its DID.
func (w *world) publish(parts map[int]fields) string {
	w.Helper()
	p := published()
	var objects []oiptest.Object
	for t := range p.templates {
		if values, ok := parts[t]; ok {
			objects = append(objects, oiptest.Object{Template: p.templates[t].ID, Values: values})
		}
	}
	tx := p.signer.Record("media", objects...)
	tx.Height = 1000
	doc, err := oip.Expand(p.signer.Verified(tx), oip.Setting{
		Creator: p.signer.Ref("writer", oip.Transaction{ID: tx.ID}), OwnHandle: "writer", IndexedAt: time.Unix(1.7e9, 0),
		Templates: oiptest.Templates(p.templates...),
	})
	if err != nil {
		w.Fatal(err)
	}
	w.write(records.Op{Put: &doc, Fence: 1})
	return doc.DID()
}

func (w *world) write(op records.Op) {
	w.Helper()
	results, err := w.records.Write(context.Background(), []records.Op{op})
	if err != nil || results[0].Status != records.OK {
		w.Fatalf("%+v, %v", results, err)
	}
}

// restricted is the access rule of a record.
func restricted(level, owner string, readers ...any) fields {
	f := fields{0: level, 1: owner}
	if len(readers) > 0 {
		f[2] = readers
	}
	return f
}

// transactionID is an id that no gateway has, unless a test serves it.
func transactionID(t testing.TB, n int) string {
	t.Helper()
	id := fmt.Sprintf("%043d", n)
	if !oip.ValidID(id) {
		t.Fatal(id)
	}
	return id
}
