package storetest

import (
	"fmt"
	"sync"
	"time"

	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// The definitions of the templates that the press uses: parts of the published
// ones, with the field names that package records reads.
const (
	basicTemplate = `{"name":"string","index_name":0,"description":"string","index_description":1,"date":"long","index_date":2,
		"tagItems":"repeated string","index_tagItems":3}`
	accessTemplate = `{"access_level":"enum","access_levelValues":[{"code":"public","name":"Public Access"},
		{"code":"private","name":"Private Access"},{"code":"shared","name":"Shared Access"},
		{"code":"organization","name":"Organization Access"}],"index_access_level":0,
		"owner_public_key":"string","index_owner_public_key":1,"shared_with":"repeated string","index_shared_with":4,
		"created_by":"string","index_created_by":8}`
	sessionTemplate  = `{"is_private":"bool","index_is_private":0,"owner_pubkey":"string","index_owner_pubkey":1}`
	scheduleTemplate = `{"scheduled_date":"long","index_scheduled_date":0}`
	mealTemplate     = `{"meal_date":"long","index_meal_date":0}`
	// shapeTemplate is our own. A field of a type that nobody knows, as any, keeps
	// whatever is published under it.
	shapeTemplate = `{"text":"string","index_text":0,"texts":"repeated string","index_texts":1,"number":"double","index_number":2,
		"flag":"bool","index_flag":3,"ref":"dref","index_ref":4,"refs":"repeated dref","index_refs":5,"any":"anything","index_any":6}`
)

// The fields of shapeTemplate by their index.
const (
	shapeText = iota
	shapeTexts
	shapeNumber
	shapeFlag
	shapeRef
	shapeRefs
	shapeAny
)

// article is a record to be published. Fields that are nil are not published.
type article struct {
	signer     int // 0 to 2
	recordType string
	name       any
	note       any // keeps articles apart that are otherwise the same
	date       any
	tags       any
	access     map[int]any
	session    map[int]any
	scheduled  any
	meal       any
	height     int64
	handle     string    // unique handle of the creator; "signer<n>" by default
	indexedAt  time.Time // one fixed moment by default
}

// press publishes records.
type press struct {
	signers                []*oiptest.Signer
	registrations          []oip.Transaction
	basic, access, session *oip.Template
	schedule, meal, shape  *oip.Template
	templates              sync.Map // of all, by id
}

// newPress makes the one press of the process: its keys and templates are the
// same each time.
var newPress = sync.OnceValue(func() *press {
	p := &press{}
	for i := range 3 {
		s := oiptest.NewSigner(fmt.Sprintf("storetest %d", i), 2048)
		p.signers = append(p.signers, s)
		p.registrations = append(p.registrations, s.Registration(fmt.Sprintf("signer%d", i), ""))
	}
	p.basic = p.template("basic", basicTemplate)
	p.access = p.template("accessControl", accessTemplate)
	p.session = p.template("conversationSession", sessionTemplate)
	p.schedule = p.template("workoutSchedule", scheduleTemplate)
	p.meal = p.template("mealPlan", mealTemplate)
	p.shape = p.template("shape", shapeTemplate)
	return p
})

// template publishes a template, with which expand expands from then on.
func (p *press) template(name, definition string) *oip.Template {
	t := p.signers[0].Verified(p.signers[0].Template(name, []byte(definition))).Template()
	p.templates.Store(t.ID, t)
	return t
}

// shaped publishes a record of the template shape.
func (p *press) shaped(values map[int]any) *oip.Document {
	return p.expand(article{}, p.signers[0].Record("shape", oiptest.Object{Template: p.shape.ID, Values: values}))
}

// transaction signs an article.
func (p *press) transaction(a article) oip.Transaction {
	basic := oiptest.Object{Template: p.basic.ID, Values: map[int]any{}}
	for i, v := range []any{a.name, a.note, a.date, a.tags} {
		if v != nil {
			basic.Values[i] = v
		}
	}
	objects := []oiptest.Object{basic}
	if a.access != nil {
		objects = append(objects, oiptest.Object{Template: p.access.ID, Values: a.access})
	}
	if a.session != nil {
		objects = append(objects, oiptest.Object{Template: p.session.ID, Values: a.session})
	}
	if a.scheduled != nil {
		objects = append(objects, oiptest.Object{Template: p.schedule.ID, Values: map[int]any{0: a.scheduled}})
	}
	if a.meal != nil {
		objects = append(objects, oiptest.Object{Template: p.meal.ID, Values: map[int]any{0: a.meal}})
	}
	if a.recordType == "" {
		a.recordType = "post"
	}
	return p.signers[a.signer].Record(a.recordType, objects...)
}

// document publishes an article and makes its document.
func (p *press) document(a article) *oip.Document { return p.expand(a, p.transaction(a)) }

// expand makes the document of a signed transaction; of the article only what
// is not in the transaction counts.
func (p *press) expand(a article, tx oip.Transaction) *oip.Document {
	tx.Height = a.height
	if a.handle == "" {
		a.handle = fmt.Sprintf("signer%d", a.signer)
	}
	if a.indexedAt.IsZero() {
		a.indexedAt = time.UnixMilli(1700000000123)
	}
	signer := p.signers[a.signer]
	doc, err := oip.Expand(signer.Verified(tx), oip.Setting{
		Creator:   signer.Ref(a.handle, p.registrations[a.signer]),
		OwnHandle: a.handle,
		IndexedAt: a.indexedAt,
		Templates: func(id string) *oip.Template {
			if t, ok := p.templates.Load(id); ok {
				return t.(*oip.Template)
			}
			return nil
		},
	})
	if err != nil {
		panic(fmt.Sprintf("storetest: expand: %v", err))
	}
	return &doc
}
