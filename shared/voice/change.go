package voice

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"oipnode/shared/state"
)

// list is the row of an owner: the dialogues that were started and not ended. Those
// that expired stay in it until the next Start, which is why it never tells by itself
// whether there is a dialogue. It expires when the youngest of them must have ended.
type list struct {
	Dialogues []string `json:"dialogues"`

	version uint64
}

func (d *Dialogues) readList(ctx context.Context, o Owner) (l list, err error) {
	item, ok, err := state.GetOne(ctx, d.opt.State, ownerKey(o))
	if err != nil || !ok {
		return list{}, err
	}
	l.version = item.Version
	return l, decode(item, &l)
}

// write makes the operation that stores a value under a key, if it still has the
// version (0: is still absent).
func write(k state.Key, v any, version uint64, until time.Time) (state.Op, error) {
	// Not json.Marshal: it would write other bytes for the data of an event, and up to
	// six times as many.
	var value bytes.Buffer
	enc := json.NewEncoder(&value)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return state.Op{}, fmt.Errorf("voice: encode %q: %w", k.ID, err)
	}
	if version == 0 {
		return state.Create(k, value.Bytes()).Until(until), nil
	}
	return state.Update(k, value.Bytes(), version).Until(until), nil
}

// Started is a new dialogue.
type Started struct {
	Dialogue
	// StreamKey is told this once: see Caller.
	StreamKey string `json:"streamKey"`
}

// Start begins a dialogue of that owner, which must not be the zero Owner. It returns
// ErrTooMany when the owner has Options.MaxPerOwner of them.
func (d *Dialogues) Start(ctx context.Context, o Owner) (Started, error) {
	if o == "" {
		return Started{}, fmt.Errorf("%w: a dialogue without an owner", ErrNotFound)
	}
	now := d.opt.Now().UTC()
	s := Started{Dialogue: Dialogue{ID: random(), Status: Active, StartTime: now, LastActivity: now}, StreamKey: random()}
	r := row{Dialogue: s.Dialogue, Owner: o, Key: hash("stream", s.StreamKey), Limit: ceil(now.Add(d.opt.MaxLife))}
	r.ExpiresAt = d.expiry(r, now)
	err := d.change(ctx, func() error {
		l, err := d.readList(ctx, o)
		if err != nil {
			return err
		}
		live, err := d.rows(ctx, l.Dialogues)
		if err != nil {
			return err
		}
		if len(live) >= d.opt.MaxPerOwner {
			return fmt.Errorf("%w: %d", ErrTooMany, len(live))
		}
		l.Dialogues = l.Dialogues[:0]
		for _, other := range live {
			l.Dialogues = append(l.Dialogues, other.ID)
		}
		l.Dialogues = append(l.Dialogues, r.ID)
		putRow, err := write(dialogueKey(r.ID), r, 0, r.ExpiresAt)
		if err != nil {
			return err
		}
		putList, err := write(ownerKey(o), l, l.version, r.Limit)
		if err != nil {
			return err
		}
		return d.opt.State.Commit(ctx, putRow, putList)
	})
	if err != nil {
		return Started{}, fmt.Errorf("start a dialogue: %w", err)
	}
	s.Dialogue = r.Dialogue
	return s, nil
}

// expiry is when a dialogue expires that was active now.
func (d *Dialogues) expiry(r row, now time.Time) time.Time {
	if end := ceil(now.Add(d.opt.Timeout)); end.Before(r.Limit) {
		return end
	}
	return r.Limit
}

// Append adds an event, which is durable when it returns, and gives the dialogue its
// full time again. It returns the event with its number and the dialogue after it;
// ErrNotFound, ErrEnded, ErrFull or ErrBusy; a *FieldError for an event that no
// dialogue takes, and a *NumberError for a number that is not the next one. After any
// other error the event may or may not be there: an append with a number can be
// repeated.
func (d *Dialogues) Append(ctx context.Context, c Caller, id string, e NewEvent) (Event, Dialogue, error) {
	if err := d.check(e); err != nil {
		return Event{}, Dialogue{}, err
	}
	var added Event
	var r row
	err := d.change(ctx, func() (err error) {
		if r, err = d.row(ctx, id, c.owns); err != nil {
			return err
		}
		if e.Number > 0 && e.Number != r.Events+1 {
			added, err = d.again(ctx, r, e)
			return err
		}
		switch {
		case r.Status == Ended:
			return ErrEnded
		case r.Events >= d.opt.MaxEvents:
			return fmt.Errorf("%w: it has %d events", ErrFull, r.Events)
		case r.Bytes+int64(len(e.Data)) > d.opt.MaxBytes:
			return fmt.Errorf("%w: it has %d bytes", ErrFull, r.Bytes)
		}
		now := d.opt.Now().UTC()
		r.LastActivity, r.ExpiresAt = now, d.expiry(r, now)
		ops, err := r.add(e.Event, e.Data, now)
		if err != nil {
			return err
		}
		added = Event{r.Events, e.Event, now, e.Data}
		return d.opt.State.Commit(ctx, ops...)
	})
	if err != nil {
		return Event{}, Dialogue{}, fmt.Errorf("append to a dialogue: %w", err)
	}
	d.hub.wake(id)
	return added, r.Dialogue, nil
}

// add counts an event into the row and makes the operations that write the two.
func (r *row) add(event string, data json.RawMessage, at time.Time) ([]state.Op, error) {
	r.Events++
	r.Bytes += int64(len(data))
	putRow, err := write(dialogueKey(r.ID), r, r.version, r.ExpiresAt)
	if err != nil {
		return nil, err
	}
	putEvent, err := write(eventKey(r.ID, r.Events), Event{r.Events, event, at, data}, 0, r.Limit)
	if err != nil {
		return nil, err
	}
	return []state.Op{putRow, putEvent}, nil
}

// NumberError is returned for an append with a number that is not the next one and
// not that of the same event. Its text is for the caller.
type NumberError struct{ Number, Next int }

func (e *NumberError) Error() string {
	return fmt.Sprintf("number is %d and the next event of this dialogue is %d", e.Number, e.Next)
}

// again finds the event that an append with a number wrote before.
func (d *Dialogues) again(ctx context.Context, r row, e NewEvent) (Event, error) {
	wrong := &NumberError{e.Number, r.Events + 1}
	if e.Number > r.Events {
		return Event{}, wrong
	}
	there, err := d.events(ctx, r, e.Number-1, 1)
	if err != nil {
		return Event{}, err
	}
	if there[0].Event != e.Event || !bytes.Equal(there[0].Data, e.Data) {
		return Event{}, wrong
	}
	return there[0], nil
}

// endData is the data of the event that End appends.
var endData = json.RawMessage(`{"status":"ended"}`)

// End ends a dialogue: it appends the event "done", after which streams end and no
// append succeeds. The dialogue can be read for Options.EndedLife more. Ending it again
// within that time changes nothing.
func (d *Dialogues) End(ctx context.Context, c Caller, id string) (Dialogue, error) {
	var r row
	err := d.change(ctx, func() (err error) {
		if r, err = d.row(ctx, id, c.owns); err != nil || r.Status == Ended {
			return err
		}
		now := d.opt.Now().UTC()
		r.Status, r.LastActivity = Ended, now
		if end := ceil(now.Add(d.opt.EndedLife)); end.Before(r.Limit) {
			r.ExpiresAt = end
		}
		ops, err := r.add(done, endData, now)
		if err != nil {
			return err
		}
		l, err := d.readList(ctx, r.Owner)
		if err != nil {
			return err
		}
		if i := slices.Index(l.Dialogues, id); i >= 0 {
			l.Dialogues = slices.Delete(l.Dialogues, i, i+1)
			putList, err := write(ownerKey(r.Owner), l, l.version, ceil(now.Add(d.opt.MaxLife)))
			if err != nil {
				return err
			}
			ops = append(ops, putList)
		}
		return d.opt.State.Commit(ctx, ops...)
	})
	if err != nil {
		return Dialogue{}, fmt.Errorf("end a dialogue: %w", err)
	}
	d.hub.wake(id)
	return r.Dialogue, nil
}
