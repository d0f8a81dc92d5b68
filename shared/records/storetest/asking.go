package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
	"oipnode/shared/records"
)

// fill puts documents of every kind, with and without each field.
func fill(s *subject) {
	p := newPress()
	var docs []*oip.Document
	for i := range 24 {
		a := article{signer: i % 3, recordType: []string{"post", "Recipe", "image"}[i%3], note: i,
			indexedAt: time.UnixMilli(1700000000000 + int64(i/2))}
		if i%4 != 0 {
			a.name = []string{"Alpha", "alpha", "Beta", "", "Gamma"}[i%5]
		}
		if i%3 != 0 {
			a.date = 1000 * (i / 4)
		}
		if i%2 == 0 {
			a.tags = []string{"even", fmt.Sprintf("mod%d", i%5), "Ünïcode"}
		}
		if i%5 != 0 {
			a.height = int64(100 + i/3)
		}
		if i%6 == 1 {
			a.scheduled = 86400 * (i % 4)
		}
		if i%6 == 5 {
			a.meal = fmt.Sprint(86400 * (i % 5)) // a text of a number is read as one
		}
		if i%7 == 0 {
			a.access = map[int]any{0: i / 7, 1: "owner" + fmt.Sprint(i), 4: []string{"reader", "did:arweave:org"}}
		}
		docs = append(docs, p.document(a))
	}
	deletion := p.expand(article{}, p.signers[0].Delete(docs[0].DID()))
	template := p.expand(article{}, p.signers[0].Template("basic", []byte(basicTemplate)))
	registration := p.expand(article{handle: "signer04"}, p.registrations[0])
	organization := p.expand(article{signer: 1, handle: "guild7"}, p.signers[1].Record("organization",
		oiptest.Object{Template: p.basic.ID, Values: map[int]any{0: "Guild"}},
		oiptest.Object{Template: p.access.ID, Values: map[int]any{0: "guild"}}))
	s.put(append(docs, deletion, template, registration, organization)...)
}

// testConditions asks every condition, alone and nested; nothing may be found
// that the model does not find, nor the other way round.
func testConditions(t *testing.T, s *subject) {
	fill(s)
	post := records.Is(records.FieldRecordType, "post")
	tagged := records.Exists{Field: records.FieldTag}
	early := records.Between{Field: records.FieldHeight, Min: 0, Max: 103}
	nested := records.Cond(post)
	for range records.MaxDepth - 1 {
		nested = records.Not{Cond: nested}
	}
	conditions := []records.Cond{
		nil, records.All{}, records.Any{}, records.Not{Cond: records.All{}}, records.Not{Cond: records.Any{}},
		records.All{records.Any{}, post}, records.Any{records.All{}, post}, records.All{records.All{}, records.All{}},
		post, records.Not{Cond: post}, records.Not{Cond: records.Not{Cond: post}}, nested,
		records.Term{Field: records.FieldRecordType}, records.Not{Cond: records.Term{Field: records.FieldRecordType}},
		records.Is(records.FieldRecordType, "post", "image", "nothing", "post"),
		records.All{post, tagged, early}, records.Any{post, tagged, early},
		records.All{early, records.Not{Cond: tagged}, records.Any{post, records.Is(records.FieldTag, "mod1")}},
		records.Any{records.All{post, records.Not{Cond: early}}, records.All{tagged, early}},
		records.Not{Cond: records.Any{post, early, records.Not{Cond: tagged}}},
		records.All{records.Is(records.FieldTag, "even"), records.Is(records.FieldTag, "mod2")},
		records.Is(records.FieldDeleteMessage, "true"), records.Not{Cond: records.Is(records.FieldDeleteMessage, "true")},
		records.Is(records.FieldHidden, "true"), records.Is(records.FieldStorage, "arweave"), records.Is(records.FieldStorage, "gun"),
		records.Is(records.FieldVer, "0.8.0"), records.Is(records.FieldTemplateName, "accesscontrol"),
		records.Is(records.FieldTemplateID, newPress().access.ID), records.Is(records.FieldCreatorDID, oip.DID(newPress().signers[1].Address)),
		records.Is(records.FieldKind, string(oip.KindTemplate), string(oip.KindCreator)), records.Is(records.FieldKind, string(oip.KindOrganization)),
		records.Is(records.FieldOwner, newPress().signers[2].Modulus), records.Is(records.FieldSharedWith, "reader"),
	}
	for _, f := range everyField() {
		conditions = append(conditions, records.Exists{Field: f}, records.Not{Cond: records.Exists{Field: f}})
	}
	for _, where := range conditions {
		s.check(records.Query{Where: where})
	}
	for where, atLeast := range map[*records.Cond]int64{&conditions[8]: 3, &conditions[9]: 3, &conditions[16]: 9} {
		if total := s.page(records.Query{Where: *where}).Total; total < atLeast {
			t.Errorf("%+v found %d documents, so the case proves nothing", *where, total)
		}
	}
}

// everyField lists the fields.
func everyField() []records.Field {
	return []records.Field{
		records.FieldDID, records.FieldKind, records.FieldRecordType, records.FieldRecordTypeExact, records.FieldCreatorHandle,
		records.FieldCreatorDID, records.FieldCreatorTx, records.FieldHeight, records.FieldIndexedAt, records.FieldDate,
		records.FieldName, records.FieldNameFolded, records.FieldVer, records.FieldStorage, records.FieldTemplateID,
		records.FieldTemplateName, records.FieldTag, records.FieldDeleteMessage, records.FieldHidden, records.FieldAccess,
		records.FieldOwner, records.FieldSharedWith, records.FieldSchedule, records.FieldDistinct, records.FieldNameWord,
		records.FieldDescriptionWord, records.FieldTagWord, records.FieldLeaf, records.FieldRef, records.FieldPath, records.FieldCut,
	}
}

// testExactTerms stores texts that a query language, an analyzer or a
// normalisation could confuse, and asks for each: it is found alone.
func testExactTerms(t *testing.T, s *subject) {
	values := []string{
		"a", "A", "aa", "a a", " a", "a ", "a*", "*", "?", "a?", "a.*", "/a/", "\"a\"", "'a'", "\\", "a\\", "\\a", "a:b", "did:arweave:x",
		"+a", "-a", "a && b", "a || b", "!a", "(a)", "{a}", "[a TO b]", "a^2", "a~1", "~", "a/b", "a,b", "a;b", "<a>", "&amp;", "%41", "a\u0000b",
		"null", "true", "1", "01", "1.0", "\u00e9", "e\u0301", "\u212b", "\u00c5", "\ufb01", "fi", "\u0130", "i\u0307", "ß", "SS", "ss",
		"\U0001f600", "\uffff", "\U0010ffff", "\u200b", "a\u200b", "\n", "a\tb", "\u2028", "the", "_id", "_has", "a\x1fb",
	}
	p := newPress()
	var docs []*oip.Document
	for _, v := range values {
		docs = append(docs, p.document(article{name: v, tags: []string{v, "all"}}))
	}
	s.put(docs...)
	for i, v := range values {
		for _, f := range []records.Field{records.FieldName, records.FieldTag} {
			got := dids(s.page(records.Query{Where: records.Is(f, v), Limit: 10}))
			if len(got) != 1 || got[0] != docs[i].DID() {
				t.Errorf("%s = %q found %v, want only %s", f, v, got, docs[i].DID())
			}
		}
	}
	for _, v := range []string{"", "b", "al", "ALL", "all ", "a\u0000", "e", "\xff", "a\xffb"} {
		if total := s.page(records.Query{Where: records.Is(records.FieldTag, v)}).Total; total != 0 {
			t.Errorf("tag %q found %d documents, want none", v, total)
		}
	}
	s.check(records.Query{Where: records.Is(records.FieldTag, values...), Sort: []records.Sort{{Field: records.FieldName}}})
	s.check(records.Query{Sort: []records.Sort{{Field: records.FieldTag, Desc: true}}})
}

// testLongTerms stores values around the limit of what is indexed verbatim, as
// long as engines' own limits and longer; all are told apart.
func testLongTerms(t *testing.T, s *subject) {
	p := newPress()
	var values []string
	for _, n := range []int{records.MaxKeyBytes - 1, records.MaxKeyBytes, records.MaxKeyBytes + 1, 2048, 32766, 32767, 70000} {
		values = append(values, strings.Repeat("k", n), strings.Repeat("k", n-1)+"x", strings.Repeat("k", n-4)+"\U0001f600")
	}
	var docs []*oip.Document
	for _, v := range values {
		docs = append(docs, p.document(article{name: v, tags: []string{v}, access: map[int]any{0: 1, 1: v}}))
	}
	s.put(docs...)
	for i, v := range values {
		for _, f := range []records.Field{records.FieldName, records.FieldTag, records.FieldOwner} {
			got := dids(s.page(records.Query{Where: records.Is(f, v), Limit: 10}))
			if len(got) != 1 || got[0] != docs[i].DID() {
				t.Errorf("%s of %d bytes found %v, want only %s", f, len(v), got, docs[i].DID())
			}
		}
	}
	for _, desc := range []bool{false, true} {
		s.check(records.Query{Sort: []records.Sort{{Field: records.FieldName, Desc: desc}}, Limit: 4})
	}
}

func testFoldedTerms(t *testing.T, s *subject) {
	p := newPress()
	var docs []*oip.Document
	for _, name := range []string{"Straße", "STRASSE", "ÄPFEL", "äpfel", "\u0130stanbul", "ΣΊΣΥΦΟΣ"} {
		docs = append(docs, p.document(article{recordType: "PoSt", name: name}))
	}
	s.put(docs...)
	for _, name := range []string{"straße", "strasse", "äpfel", strings.ToLower("\u0130stanbul"), strings.ToLower("ΣΊΣΥΦΟΣ"), "ÄPFEL"} {
		s.check(records.Query{Where: records.Is(records.FieldNameFolded, name)})
	}
	if total := s.page(records.Query{Where: records.Is(records.FieldNameFolded, "äpfel")}).Total; total != 2 {
		t.Errorf("the folded name found %d documents, want 2", total)
	}
	for _, where := range []records.Cond{records.Is(records.FieldRecordType, "post"), records.Is(records.FieldRecordTypeExact, "PoSt"),
		records.Is(records.FieldRecordType, "PoSt"), records.Is(records.FieldRecordTypeExact, "post")} {
		s.check(records.Query{Where: where})
	}
}

// testRanges asks for numbers at the bounds of ranges, and at those of what is exact.
func testRanges(t *testing.T, s *subject) {
	const exact = 1 << 53
	p := newPress()
	dates := []any{0, -1, 1, 99, 100, 101, 1000, int64(exact), int64(-exact), int64(exact - 1), int64(1 - exact),
		"17", int64(exact + 1), int64(math.MaxInt64), "never", nil}
	var docs []*oip.Document
	for i, d := range dates {
		docs = append(docs, p.document(article{note: i, date: d, height: int64(i % 4)}))
	}
	s.put(docs...)
	bounds := []int64{math.MinInt64, -exact - 1, -exact, 1 - exact, -1, 0, 1, 2, 17, 99, 100, 101, 102, 1000, exact - 1, exact, exact + 1, math.MaxInt64}
	for _, low := range bounds {
		for _, high := range bounds {
			s.check(records.Query{Where: records.Between{Field: records.FieldDate, Min: low, Max: high}})
		}
	}
	s.check(records.Query{Where: records.All{records.Between{Field: records.FieldDate, Min: -5, Max: 5000}, records.Between{Field: records.FieldHeight, Min: 2, Max: 3}}})
	s.check(records.Query{Where: records.Not{Cond: records.Between{Field: records.FieldDate, Min: -5, Max: 5000}}})
	got := s.page(records.Query{Where: records.Between{Field: records.FieldDate, Min: exact, Max: exact}}).Total
	if got != 1 {
		t.Errorf("2^53 found %d documents, want 1", got)
	}
}

// testAccess asks as the access rule asks (spec records-api section 3).
func testAccess(t *testing.T, s *subject) {
	p := newPress()
	owner, reader, stranger := "owner-key", "reader-key", "stranger-key"
	restricted := func(level any, with ...string) map[int]any {
		m := map[int]any{1: owner, 4: with}
		if level != nil {
			m[0] = level
		}
		return m
	}
	docs := map[string]*oip.Document{
		"open":      p.document(article{name: "open"}),
		"public":    p.document(article{name: "public", access: restricted(0)}),
		"private":   p.document(article{name: "private", access: restricted(1, reader)}),
		"shared":    p.document(article{name: "shared", access: restricted(2, reader)}),
		"coded":     p.document(article{name: "coded", access: restricted("shared", reader)}),
		"unheard":   p.document(article{name: "unheard", access: restricted("members", reader)}),
		"outside":   p.document(article{name: "outside", access: restricted(77, reader)}),
		"session":   p.document(article{name: "session", session: map[int]any{0: true, 1: owner}}),
		"opened":    p.document(article{name: "opened", session: map[int]any{0: false}}),
		"levelless": p.document(article{name: "levelless", access: restricted(nil)}),
	}
	for _, d := range docs {
		s.put(d)
	}
	rule := func(keys ...string) records.Cond {
		return records.Any{
			records.Is(records.FieldAccess, records.AccessPublic),
			records.Is(records.FieldOwner, keys...),
			records.All{records.Is(records.FieldAccess, records.AccessShared), records.Is(records.FieldSharedWith, keys...)},
		}
	}
	everyone := []string{"open", "public", "opened", "levelless"}
	for _, c := range []struct {
		key  string
		more []string
	}{
		{stranger, nil},
		{reader, []string{"shared", "coded"}},
		{owner, []string{"private", "shared", "coded", "unheard", "outside", "session"}},
		{p.signers[0].Modulus, []string{"private", "shared", "coded", "unheard", "outside", "session"}},
	} {
		want := map[string]bool{}
		for _, name := range append(c.more, everyone...) {
			want[docs[name].DID()] = true
		}
		page := s.page(records.Query{Where: rule(c.key), Limit: 100})
		for _, did := range dids(page) {
			if !want[did] {
				t.Errorf("%.20s sees %s", c.key, s.model[did].json)
			}
			delete(want, did)
		}
		for did := range want {
			t.Errorf("%.20s does not see %s", c.key, s.model[did].json)
		}
	}
}

// points are n parts of a score that hold for every document.
func points(n int, each int64) []records.Scored {
	return slices.Repeat([]records.Scored{{Where: records.All{}, Points: each}}, n)
}

func testQueryLimits(t *testing.T, s *subject) {
	s.put(newPress().document(article{name: "one"}))
	ctx := context.Background()
	deep := records.Cond(records.All{})
	for range records.MaxDepth {
		deep = records.Not{Cond: deep}
	}
	conditions := map[string]records.Cond{
		"too deep":                              deep,
		"too many":                              make(records.All, records.MaxNodes),
		"too many terms":                        records.Is(records.FieldTag, make([]string, records.MaxTerms+1)...),
		"an unknown field":                      records.Is("nonsense", "x"),
		"an unknown existence":                  records.Exists{Field: "data.basic.name"},
		"a term of a number":                    records.Is(records.FieldHeight, "1"),
		"a range of a text":                     records.Between{Field: records.FieldName, Min: 0, Max: 1},
		"a hole":                                records.All{nil},
		"a negated hole":                        records.Not{},
		"a range of a score":                    records.Between{Field: records.FieldScore, Min: 0, Max: 1},
		"a term of a score":                     records.Is(records.FieldScore, "1"),
		"an existing score":                     records.Exists{Field: records.FieldScore},
		"an empty prefix":                       records.Prefix{Field: records.FieldRef},
		"a long prefix":                         records.Prefix{Field: records.FieldRef, Text: strings.Repeat("d", 513)},
		"a prefix of a name":                    records.Prefix{Field: records.FieldName, Text: "d"},
		"no word":                               records.Near{Field: records.FieldNameWord},
		"two words":                             records.Near{Field: records.FieldNameWord, Word: "two words"},
		"a word in upper case":                  records.Near{Field: records.FieldNameWord, Word: "Word"},
		"a word with a sign":                    records.Near{Field: records.FieldNameWord, Word: "word!"},
		"a long word":                           records.Near{Field: records.FieldNameWord, Word: strings.Repeat("w", records.MaxWord+1)},
		"a word near a name":                    records.Near{Field: records.FieldName, Word: "word"},
		"likeness to nothing":                   records.Like{Path: "basic.name", Least: records.Contains},
		"a long likeness":                       records.Like{Path: "basic.name", Text: strings.Repeat("x", records.MaxLike+1), Least: records.Contains},
		"a likeness that is long in lower case": records.Like{Path: "basic.name", Text: strings.Repeat("Ⱥ", records.MaxLike/3+1), Least: records.Contains},
		"a long path":                           records.Like{Path: strings.Repeat("p", records.MaxPath+1), Text: "x", Least: records.Contains},
		"an unknown closeness":                  records.Like{Path: "basic.name", Text: "x", Least: records.Same + 1},
		"a negative closeness":                  records.Like{Path: "basic.name", Text: "x", Least: -1},
	}
	for name, where := range conditions {
		if _, err := s.Search(ctx, records.Query{Where: where, Limit: 1}); !errors.Is(err, records.ErrInvalid) {
			t.Errorf("Search with %s = %v, want ErrInvalid", name, err)
		}
		if _, err := s.Count(ctx, where, ""); !errors.Is(err, records.ErrInvalid) {
			t.Errorf("Count with %s = %v, want ErrInvalid", name, err)
		}
	}
	for name, q := range map[string]records.Query{
		"a negative limit":        {Limit: -1},
		"a limit over the page":   {Limit: records.MaxLimit + 1},
		"a negative offset":       {Offset: -1, Limit: 1},
		"an offset over the end":  {Offset: records.MaxWindow, Limit: 1},
		"an offset that wraps":    {Offset: math.MaxInt, Limit: 1},
		"an offset and a cursor":  {Offset: 1, Limit: 1, After: "x"},
		"an unknown sort":         {Sort: []records.Sort{{Field: "score"}}, Limit: 1},
		"a sort by owner":         {Sort: []records.Sort{{Field: records.FieldOwner}}, Limit: 1},
		"too many levels of sort": {Sort: make([]records.Sort, records.MaxSort+1), Limit: 1},
		"a sort by leaf":          {Sort: []records.Sort{{Field: records.FieldLeaf}}, Limit: 1},
		"a count of numbers":      {CountBy: records.FieldHeight, Limit: 1},
		"a count of scores":       {CountBy: records.FieldScore, Score: points(1, 1), Limit: 1},
		"a count of words":        {CountBy: records.FieldNameWord, Limit: 1},
		"two kinds of hits":       {EnvelopeOnly: true, RefsOnly: true, Limit: 1},
		"no points":               {Score: points(1, 0), Limit: 1},
		"negative points":         {Score: points(1, -1), Limit: 1},
		"too many points":         {Score: points(1, records.MaxPoints+1), Limit: 1},
		"too many points in all":  {Score: points(2, records.MaxPoints/2+1), Limit: 1},
		"too many parts":          {Score: points(records.MaxScored+1, 1), Limit: 1},
		"points for nothing":      {Score: []records.Scored{{Points: 1}}, Limit: 1},
		"points for nonsense":     {Score: []records.Scored{{Where: records.Is("nonsense", "x"), Points: 1}}, Limit: 1},
	} {
		if _, err := s.Search(ctx, q); !errors.Is(err, records.ErrInvalid) {
			t.Errorf("Search with %s = %v, want ErrInvalid", name, err)
		}
	}
	for _, by := range []records.Field{"nonsense", records.FieldHeight, records.FieldOwner, records.FieldSharedWith} {
		if _, err := s.Count(ctx, nil, by); !errors.Is(err, records.ErrInvalid) {
			t.Errorf("Count by %s = %v, want ErrInvalid", by, err)
		}
	}
	terms := make([]string, records.MaxTerms)
	for i := range terms {
		terms[i] = fmt.Sprint(i)
	}
	terms[0] = "one"
	s.check(records.Query{Where: records.Is(records.FieldName, terms...)})
	s.check(records.Query{Limit: records.MaxLimit, Offset: 0})
	s.check(records.Query{Score: points(records.MaxScored, records.MaxPoints/records.MaxScored), Sort: []records.Sort{{Field: records.FieldScore}}})
	s.check(records.Query{Where: records.Any{records.Prefix{Field: records.FieldRef, Text: strings.Repeat("d", 512)},
		records.Near{Field: records.FieldNameWord, Word: strings.Repeat("w", records.MaxWord)},
		records.Like{Path: strings.Repeat("p", records.MaxPath), Text: strings.Repeat("x", records.MaxLike), Least: records.Same}}})
	if page := s.page(records.Query{Offset: records.MaxWindow - 1, Limit: 1}); page.Total != 1 || len(page.Hits) != 0 || page.Next != "" {
		t.Errorf("a page behind the end = %+v", page)
	}
}
