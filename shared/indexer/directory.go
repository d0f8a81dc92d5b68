package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"oipnode/shared/oip"
	"oipnode/shared/oip/rsapss"
	"oipnode/shared/state"
)

// Bounds of what a cycle keeps in memory of creators and templates.
const (
	maxKeys          = 2000    // public keys, about 2 KB each
	maxCreators      = 2000    // current registrations, about 1 KB each
	maxTemplates     = 500     // parsed templates
	maxTemplateBytes = 8 << 20 // and their bytes
)

// directory answers what verifying and expanding need to know: keys by address
// and templates by id. It is a bounded cache over the stores, made anew for each
// cycle, so that it never outlives the lease.
type directory struct {
	c        *cycle
	keys     *lru.Cache[string, *rsapss.PublicKey]
	creators *lru.Cache[string, creatorState]
	reading  sync.Mutex // held from a read of a creator to its place in the cache

	mu        sync.Mutex
	templates *lru.Cache[string, *knownTemplate]
	bytes     int
}

// knownTemplate is a template and what its document's envelope says.
type knownTemplate struct {
	*oip.Template
	deleted bool // its creator has deleted it
}

func newDirectory(c *cycle) *directory {
	d := &directory{c: c}
	d.keys, _ = lru.New[string, *rsapss.PublicKey](maxKeys)
	d.creators, _ = lru.New[string, creatorState](maxCreators)
	d.templates, _ = lru.NewWithEvict(maxTemplates, func(_ string, t *knownTemplate) { d.bytes -= t.Size() })
	return d
}

// Key implements oip.Keys. It knows what was loaded or learnt before.
func (d *directory) Key(address string) (*rsapss.PublicKey, bool) { return d.keys.Get(address) }

// loadKey reads a creator's key from the state store, if it is not known yet.
func (d *directory) loadKey(ctx context.Context, address string) error {
	if d.keys.Contains(address) || !oip.ValidID(address) {
		return nil
	}
	cr, ok, err := d.creator(ctx, address)
	if err != nil || !ok {
		return err
	}
	key, err := rsapss.ParseModulus(cr.Modulus)
	if err != nil {
		return fmt.Errorf("stored key of %s: %w", address, err)
	}
	d.keys.Add(address, key)
	return nil
}

// learn remembers a verified registration's key or a verified template for the
// transactions behind it, which may be judged before it is written.
func (d *directory) learn(v oip.Verified) {
	switch v.Subject() {
	case oip.SubjectRegistration:
		d.keys.Add(v.Creator(), v.Key())
	case oip.SubjectTemplate:
		d.remember(&knownTemplate{Template: v.Template()})
	}
}

// creatorState is what the state store keeps of a creator: its current
// registration, the one with the greatest (height, id).
type creatorState struct {
	Tx      string `json:"tx"`
	Order   string `json:"order"`
	Handle  string `json:"handle"`
	Modulus string `json:"modulus"`

	version uint64
}

// ref is what documents say of the creator.
func (cr creatorState) ref(address string) oip.CreatorRef {
	return oip.CreatorRef{CreatorHandle: cr.Handle, DIDAddress: oip.DID(address), DIDTx: oip.DID(cr.Tx), PublicKey: cr.Modulus}
}

// creator returns the current registration of an address. This cycle is the only
// writer, so what was read once stays right until it changes it (forget).
func (d *directory) creator(ctx context.Context, address string) (creatorState, bool, error) {
	if cr, ok := d.creators.Get(address); ok {
		return cr, true, nil
	}
	d.reading.Lock()
	defer d.reading.Unlock()
	item, ok, err := state.GetOne(ctx, d.c.opt.State, creatorKey(address))
	if err != nil || !ok {
		return creatorState{}, false, err
	}
	cr, err := parseCreator(item)
	if err != nil {
		return creatorState{}, false, err
	}
	d.creators.Add(address, cr)
	return cr, true, nil
}

// prefetch reads the creators that creator would read one by one, and other items with
// them, in as few calls as their limit allows. It returns those of the others that are
// there.
func (d *directory) prefetch(ctx context.Context, addresses []string, also []state.Key) (found []state.Item, err error) {
	d.reading.Lock()
	defer d.reading.Unlock()
	keys := slices.Clone(also)
	slices.Sort(addresses)
	for _, address := range slices.Compact(addresses) {
		if !d.creators.Contains(address) {
			keys = append(keys, creatorKey(address))
		}
	}
	for part := range chunks(keys, state.MaxGet) {
		items, err := d.c.opt.State.Get(ctx, part...)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if item.Space != spaceCreator {
				found = append(found, item)
				continue
			}
			cr, err := parseCreator(item)
			if err != nil {
				return nil, err
			}
			d.creators.Add(item.ID, cr)
		}
	}
	return found, nil
}

func parseCreator(item state.Item) (creatorState, error) {
	cr := creatorState{version: item.Version}
	if err := json.Unmarshal(item.Value, &cr); err != nil {
		return cr, fmt.Errorf("state of creator %s: %w", item.ID, err)
	}
	return cr, nil
}

// changeCreator runs a Commit that changes an address's current registration. No
// reader can put what it read before the Commit into the cache behind it.
func (d *directory) changeCreator(address string, commit func() error) error {
	d.reading.Lock()
	defer d.reading.Unlock()
	defer d.forget(address)
	return commit()
}

// forget makes creator read an address again.
func (d *directory) forget(address string) { d.creators.Remove(address) }

func (d *directory) cached(id string) (*knownTemplate, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.templates.Get(id)
}

// remember puts a template into the cache, unless it is there: what is there may
// know better whether it is deleted. It returns what the cache holds.
func (d *directory) remember(t *knownTemplate) *knownTemplate {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.templates.Get(t.ID); ok {
		return known
	}
	d.put(t)
	return t
}

// replace puts a template into the cache in place of what is there.
func (d *directory) replace(t *knownTemplate) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.put(t)
}

// put keeps the cache within its bytes. The caller holds the lock.
func (d *directory) put(t *knownTemplate) {
	d.templates.Remove(t.ID)
	d.templates.Add(t.ID, t)
	for d.bytes += t.Size(); d.bytes > maxTemplateBytes && d.templates.Len() > 1; {
		d.templates.RemoveOldest()
	}
}

// setDeleted notes that a template was deleted, or is not any more.
func (d *directory) setDeleted(id string, deleted bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t, ok := d.templates.Get(id); ok {
		d.templates.Remove(id)
		d.put(&knownTemplate{Template: t.Template, deleted: deleted})
	}
}

// template finds a template in the cache or in the record store; nil if it is
// not known.
func (d *directory) template(ctx context.Context, id string) (*knownTemplate, error) {
	if t, ok := d.cached(id); ok {
		return t, nil
	}
	stored, err := d.c.opt.Records.Get(ctx, []string{oip.DID(id)}, false)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	if len(stored) == 0 || stored[0].Kind != oip.KindTemplate {
		return nil, nil
	}
	parsed, err := oip.ParseStoredTemplate(stored[0].JSON)
	if err != nil {
		return nil, err
	}
	env, err := oip.ParseEnvelope(stored[0].JSON)
	if err != nil {
		return nil, err
	}
	t := &knownTemplate{Template: parsed}
	creator, _ := oip.TxID(env.Creator.DIDAddress)
	if t.deleted, err = d.c.hasTomb(ctx, oip.DID(id), creator, true); err != nil {
		return nil, err
	}
	return d.remember(t), nil
}

// recent is a bounded set of names; the oldest go first.
type recent struct{ cache *lru.Cache[string, bool] }

func newRecent(size int) *recent {
	cache, _ := lru.New[string, bool](size)
	return &recent{cache}
}

func (r *recent) has(name string) bool { return r.cache.Contains(name) }
func (r *recent) add(name string)      { r.cache.Add(name, true) }
