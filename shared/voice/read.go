package voice

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"oipnode/shared/state"
)

// readPage is the most events that one call of the store returns: at 256 KiB each they
// are 4 MiB.
const readPage = 16

// nobody is read and compared with the caller when there is no dialogue, so that the
// answer to one who has no right takes as long as the answer about nothing.
var nobody = state.Item{Value: []byte(fmt.Sprintf(
	`{"dialogueId":"%032d","status":"active","startTime":"2026-01-01T00:00:00Z","lastActivity":"2026-01-01T00:00:00Z",`+
		`"expiresAt":"2026-01-01T00:00:00Z","events":1,"owner":%q,"key":%q,"bytes":1,"limit":"2026-01-01T00:00:00Z"}`,
	0, hash("user", ""), hash("stream", "")))}

// row reads the row of a dialogue that the caller may see; everybody else, and a
// dialogue that expired by this process's clock, is ErrNotFound.
func (d *Dialogues) row(ctx context.Context, id string, may func(row) bool) (row, error) {
	if !validID(id) {
		return row{}, ErrNotFound
	}
	item, exists, err := state.GetOne(ctx, d.opt.State, dialogueKey(id))
	if err != nil {
		return row{}, err
	}
	if !exists {
		item = nobody
	}
	r := row{version: item.Version}
	if err := decode(item, &r); err != nil {
		return row{}, err
	}
	if allowed := may(r); !allowed || !exists || !d.alive(r) {
		return row{}, ErrNotFound
	}
	return r, nil
}

func (d *Dialogues) alive(r row) bool { return d.opt.Now().Before(r.ExpiresAt) }

// rows reads those of the dialogues that are active.
func (d *Dialogues) rows(ctx context.Context, ids []string) ([]row, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	keys := make([]state.Key, len(ids))
	for i, id := range ids {
		keys[i] = dialogueKey(id)
	}
	items, err := d.opt.State.Get(ctx, keys...)
	if err != nil {
		return nil, err
	}
	var live []row
	for _, item := range items {
		var r row
		if err := decode(item, &r); err != nil {
			return nil, err
		}
		if r.Status == Active && d.alive(r) {
			live = append(live, r)
		}
	}
	return live, nil
}

// Get returns a dialogue, or ErrNotFound.
func (d *Dialogues) Get(ctx context.Context, c Caller, id string) (Dialogue, error) {
	r, err := d.row(ctx, id, c.owns)
	if err != nil {
		return Dialogue{}, fmt.Errorf("read a dialogue: %w", err)
	}
	return r.Dialogue, nil
}

// List returns the caller's active dialogues, those that started first at the front:
// at most Options.MaxPerOwner for each of the caller's owners.
func (d *Dialogues) List(ctx context.Context, c Caller) ([]Dialogue, error) {
	all := []Dialogue{}
	for _, o := range c.Owners {
		l, err := d.readList(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("list dialogues: %w", err)
		}
		live, err := d.rows(ctx, l.Dialogues)
		if err != nil {
			return nil, fmt.Errorf("list dialogues: %w", err)
		}
		for _, r := range live {
			all = append(all, r.Dialogue)
		}
	}
	slices.SortFunc(all, func(a, b Dialogue) int {
		return cmp.Or(a.StartTime.Compare(b.StartTime), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// Page is a part of the events of a dialogue.
type Page struct {
	Dialogue Dialogue
	Events   []Event
	// More says that the dialogue has events behind these.
	More bool
}

// Events returns the events behind number after, at most limit of them (at least 1) and
// not many more than maxBytes of data, or ErrNotFound. There is at least one if there
// are any.
func (d *Dialogues) Events(ctx context.Context, c Caller, id string, after, limit, maxBytes int) (Page, error) {
	p, err := d.page(ctx, c.owns, id, after, limit, maxBytes)
	if err != nil {
		return Page{}, fmt.Errorf("read the events of a dialogue: %w", err)
	}
	return p, nil
}

func (d *Dialogues) page(ctx context.Context, may func(row) bool, id string, after, limit, maxBytes int) (Page, error) {
	r, err := d.row(ctx, id, may)
	if err != nil {
		return Page{}, err
	}
	p := Page{Dialogue: r.Dialogue, Events: []Event{}}
	for size := 0; after < r.Events && len(p.Events) < limit && size < maxBytes; {
		some, err := d.events(ctx, r, after, min(limit-len(p.Events), readPage))
		if err != nil {
			return Page{}, err
		}
		for _, e := range some {
			if size >= maxBytes {
				break
			}
			size += len(e.Data)
			after = e.Number
			p.Events = append(p.Events, e)
		}
	}
	p.More = after < r.Events
	if !d.alive(r) { // its last second came while its events were read
		return Page{}, ErrNotFound
	}
	return p, nil
}

// events returns the events behind number after that the row counts, at most limit of
// them. All of them were there before the row was read, so a gap is damage, unless the
// dialogue expired meanwhile and its events were removed.
func (d *Dialogues) events(ctx context.Context, r row, after, limit int) ([]Event, error) {
	want := min(limit, r.Events-after)
	items, err := d.opt.State.Range(ctx, dialoguePrefix+r.ID, eventID(after+1), eventID(r.Events+1), want)
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(items))
	for i, item := range items {
		var e Event
		if err := decode(item, &e); err != nil {
			return nil, err
		}
		if e.Number != after+1+i {
			break
		}
		events = append(events, e)
	}
	if len(events) == want {
		return events, nil
	}
	_, exists, err := state.GetOne(ctx, d.opt.State, dialogueKey(r.ID))
	switch {
	case err != nil:
		return nil, err
	case !exists:
		return nil, ErrNotFound
	}
	return nil, fmt.Errorf("%w: dialogue %s lacks event %d of %d", ErrCorrupt, r.ID, after+1+len(events), r.Events)
}
