package maintenance

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"oipnode/shared/epoch"
	"oipnode/shared/errs"
	"oipnode/shared/gun"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// operator stands for the key of an owner in the tombstone of what an operator removes.
const operator = "operator"

// Removed is what the task delete answers.
type Removed struct {
	DID     string `json:"did"`
	Deleted bool   `json:"deleted"`
	// Storage is where the record came from, and remains.
	Storage string `json:"storage"`
}

// remove removes a record from this node for good, as its owner could (indexer.Remove,
// gun.Delete).
func (m Maintenance) remove(ctx context.Context, did string) (Removed, error) {
	docs, err := m.Records.Get(ctx, []string{did}, true)
	if err != nil {
		return Removed{}, err
	}
	if len(docs) == 0 {
		return Removed{}, errs.E(errs.NotFound, "no record with this DID is indexed", nil)
	}
	env, err := oip.ParseEnvelope(docs[0].JSON)
	if err != nil {
		return Removed{}, err
	}
	if strings.HasPrefix(did, "did:gun:") {
		err = gun.Delete(ctx, m.State, m.Records, gun.Deletion{DID: did, By: operator}, m.Now())
	} else {
		err = indexer.Remove(ctx, m.Records, m.State, docs[0], operator, m.Now())
	}
	if errors.Is(err, indexer.ErrNotRemovable) || errors.Is(err, gun.ErrNotGun) {
		err = errs.E(errs.Forbidden, "templates, registrations and delete messages cannot be removed: others need them", err)
	}
	if err == nil { // answers that show it are kept no more
		err = m.State.Commit(ctx, epoch.Op())
	}
	return Removed{DID: did, Deleted: err == nil, Storage: env.Storage}, err
}

// retry makes entries of the ledger due.
func (m Maintenance) retry(ctx context.Context, reason string) (r indexer.Retried, err error) {
	ix, err := m.Indexer()
	if err != nil {
		return r, err
	}
	err = m.turn(ctx, func() (err error) {
		r, err = ix.Retry(ctx, reason)
		return err
	})
	return r, err
}

// Rejected is a page of rejections.
type Rejected struct {
	Rejected []indexer.Rejection `json:"rejected"`
	// Next is the position behind them; empty when there are no more.
	Next string `json:"next,omitempty"`
}

// Shown is what the ledger knows of one transaction.
type Shown struct {
	ID string `json:"id"`
	indexer.Entry
}

// shownRejections is the size of a page when none is asked for.
const shownRejections = 50

// rejected lists rejections, or shows what is known of one transaction.
func (m Maintenance) rejected(ctx context.Context, q Request) (any, error) {
	if q.ID != "" {
		id := transaction(q.ID)
		e, ok, err := indexer.ReadEntry(ctx, m.State, id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errs.E(errs.NotFound, "the ledger has no entry of this transaction: it is indexed, or not known", nil)
		}
		return Shown{id, e}, nil
	}
	limit := int(q.Limit)
	if limit == 0 {
		limit = shownRejections
	}
	list, err := indexer.Rejections(ctx, m.State, q.After, limit)
	if err != nil {
		return nil, err
	}
	r := Rejected{Rejected: append([]indexer.Rejection{}, list...)}
	if n := len(list); n > 0 {
		more, err := indexer.Rejections(ctx, m.State, list[n-1].Cursor(), 1)
		if err != nil {
			return nil, err
		}
		if len(more) > 0 {
			r.Next = list[n-1].Cursor()
		}
	}
	return r, nil
}

// Exported is what the task export answers.
type Exported struct {
	// Records are the documents, when nobody took them one by one.
	Records []json.RawMessage `json:"records,omitempty"`
	Count   int64             `json:"count"`
	// Next goes on behind them; empty at the end.
	Next string `json:"nextCursor,omitempty"`
}

const (
	// exportPage is how many documents are read at a time.
	exportPage = 100
	// maxExport is the most bytes of documents in one answer: Lambda takes six megabytes.
	maxExport = 4 << 20
)

// export reads documents in the order of their DIDs, whoever may read them. Each is told
// as it is read; a document that is there all the time is exported once. Without anybody
// to tell, one page is the answer.
func (m Maintenance) export(ctx context.Context, q Request) (e Exported, err error) {
	query := records.Query{Sort: []records.Sort{{Field: records.FieldDID}}, Limit: exportPage, After: records.Cursor(q.Cursor)}
	if q.Type != "" {
		query.Where = records.Is(records.FieldRecordType, strings.ToLower(q.Type))
	}
	if q.Limit > 0 {
		query.Limit = int(q.Limit)
	}
	most := query.Limit
	for {
		page, err := m.Records.Search(ctx, query)
		switch {
		case errors.Is(err, records.ErrInvalid) && query.Limit > 1: // too many bytes
			query.Limit = max(query.Limit/4, 1)
			continue
		case errors.Is(err, records.ErrCursor):
			return e, errs.E(errs.Invalid, "cursor is none of this export", err)
		case err != nil:
			return e, err
		}
		size := 0
		for _, hit := range page.Hits {
			size += len(hit.JSON)
		}
		if m.Emit == nil && size > maxExport && len(page.Hits) > 1 {
			query.Limit = max(len(page.Hits)/4, 1)
			continue
		}
		for _, hit := range page.Hits {
			if err := m.emit(hit.JSON); err != nil {
				return e, err
			}
			if m.Emit == nil {
				e.Records = append(e.Records, hit.JSON)
			}
		}
		e.Count += int64(len(page.Hits))
		e.Next = string(page.Next)
		if m.Emit == nil || page.Next == "" || q.Limit > 0 && e.Count >= q.Limit {
			return e, nil
		}
		query.After, query.Limit = page.Next, most
		if left := q.Limit - e.Count; q.Limit > 0 {
			query.Limit = int(min(left, int64(most)))
		}
	}
}

// Minted is what the task token answers.
type Minted struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// token mints a token with the node's key. Neither is logged by anybody here.
func (m Maintenance) token(ctx context.Context, q Request) (Minted, error) {
	secret, err := m.Secret(ctx)
	if err != nil {
		return Minted{}, err
	}
	if len(secret) == 0 {
		return Minted{}, errs.E(errs.Invalid, "this node has no key for tokens: set JWT_SECRET, or on AWS JwtSecretParameter", nil)
	}
	life := time.Hour
	if q.Minutes > 0 {
		life = time.Duration(q.Minutes) * time.Minute
	}
	expires := m.Now().Add(life).Truncate(time.Second)
	claims := jwt.MapClaims{"exp": expires.Unix(), "iat": m.Now().Unix()}
	for name, value := range map[string]string{"userId": q.UserID, "email": q.Email, "publicKey": q.PublicKey} {
		if value != "" {
			claims[name] = value
		}
	}
	if q.Admin {
		claims["isAdmin"] = true
	}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		return Minted{}, err
	}
	return Minted{text, expires.UTC()}, nil
}
