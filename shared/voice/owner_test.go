package voice

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"oipnode/shared/access"
	"oipnode/shared/state"
)

// TestOthers: whoever is not the owner gets the same answer as for nothing, after the
// same calls of the store.
func TestOthers(t *testing.T) {
	w := newWorld(t)
	s := w.start()
	w.say(s.ID, "a")
	count := &counting{Store: w.store}
	d := w.over(count)
	ctx := t.Context()
	secret, err := SecretOwner("0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	strangers := map[string]Caller{"anonymous": {}, "no owner": by(""), "another": by(bob), "a secret": by(secret, bob),
		"the owner's hash": by(hash("user", string(ann))), "no key": {StreamKey: strings.Repeat("0", 32)}}
	calls := map[string]func(Caller, string) error{
		"Get":    func(c Caller, id string) error { _, err := d.Get(ctx, c, id); return err },
		"Append": func(c Caller, id string) error { _, _, err := d.Append(ctx, c, id, spoken("x")); return err },
		"Events": func(c Caller, id string) error { _, err := d.Events(ctx, c, id, 0, 10, 1000); return err },
		"End":    func(c Caller, id string) error { _, err := d.End(ctx, c, id); return err },
		"Open":   func(c Caller, id string) error { _, err := d.Open(ctx, c, id, 0); return err },
	}
	absent := strings.Repeat("0", 32)
	for name, call := range calls {
		for who, c := range strangers {
			count.calls = ""
			foreign := call(c, s.ID)
			made := count.calls
			count.calls = ""
			nothing := call(c, absent)
			if !errors.Is(foreign, ErrNotFound) || !errors.Is(nothing, ErrNotFound) || foreign.Error() != nothing.Error() || made != count.calls || made != "get " {
				t.Errorf("%s by %s: %v after %q, of nothing %v after %q", name, who, foreign, made, nothing, count.calls)
			}
		}
	}
	for _, id := range []string{"", "x", absent[1:], absent + "0", strings.ToUpper(s.ID), s.ID[:31] + "/", "../" + s.ID} {
		if _, err := w.Get(ctx, by(ann), id); !errors.Is(err, ErrNotFound) {
			t.Errorf("id %q: %v", id, err)
		}
	}
	if all, err := w.List(ctx, by(bob)); err != nil || len(all) != 0 {
		t.Errorf("another's list: %+v, %v", all, err)
	}
	if got := texts(w.heard(s.ID)); got != `"a" ` {
		t.Errorf("events %s", got)
	}
}

// counting notes the calls of a store.
type counting struct {
	state.Store
	calls string
}

func (c *counting) Get(ctx context.Context, keys ...state.Key) ([]state.Item, error) {
	c.calls += "get "
	return c.Store.Get(ctx, keys...)
}

func (c *counting) Range(ctx context.Context, space, from, to string, limit int) ([]state.Item, error) {
	c.calls += "range "
	return c.Store.Range(ctx, space, from, to, limit)
}

func (c *counting) Commit(ctx context.Context, ops ...state.Op) error {
	c.calls += fmt.Sprint("commit", len(ops), " ")
	return c.Store.Commit(ctx, ops...)
}

// TestStreamKey: the key opens the stream of its dialogue, and nothing else.
func TestStreamKey(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s, other := w.start(), w.start()
	c := Caller{StreamKey: s.StreamKey}
	stream, err := w.Open(ctx, c, s.ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.say(s.ID, "a")
	if events, err := stream.Next(ctx, 0); err != nil || texts(events) != `"a" ` {
		t.Errorf("the key's stream: %+v, %v", events, err)
	}
	stream.Close()
	if _, err := w.Open(ctx, c, other.ID, 0); !errors.Is(err, ErrNotFound) {
		t.Errorf("another dialogue: %v", err)
	}
	if _, err := w.Get(ctx, c, s.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get with the key: %v", err)
	}
	if _, _, err := w.Append(ctx, c, s.ID, spoken("b")); !errors.Is(err, ErrNotFound) {
		t.Errorf("Append with the key: %v", err)
	}
	if _, err := w.End(ctx, c, s.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("End with the key: %v", err)
	}
}

// TestNoSecrets: what is stored holds neither a secret, nor a key, nor a user's name.
func TestNoSecrets(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const secret = "a-secret-of-the-test"
	o, err := SecretOwner(secret)
	if err != nil {
		t.Fatal(err)
	}
	s, err := w.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Append(ctx, by(o), s.ID, spoken("a")); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, space := range []string{dialogueKey(s.ID).Space, ownerKey(o).Space} {
		err := state.Each(ctx, w.store, space, "", "", 10, func(item state.Item) error {
			seen++
			if all := item.Space + item.ID + string(item.Value); strings.Contains(all, secret) || strings.Contains(all, s.StreamKey) {
				t.Errorf("stored: %s", all)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen != 3 {
		t.Errorf("%d rows, want 3", seen)
	}
}

func TestOwners(t *testing.T) {
	seen := map[Owner]string{}
	for name, v := range map[string]access.Viewer{
		"user":  {Authenticated: true, UserID: "x", PublicKey: "k", Email: "e"},
		"key":   {Authenticated: true, PublicKey: "x", Email: "e"},
		"email": {Authenticated: true, Email: "x"},
	} {
		o := OwnerOf(v)
		if before, twice := seen[o]; o == "" || twice {
			t.Errorf("%s has the owner %q, as %s", name, o, before)
		}
		seen[o] = name
	}
	for name, v := range map[string]access.Viewer{"anonymous": {}, "not authenticated": {UserID: "x"}, "nameless": {Authenticated: true, Admin: true}} {
		if o := OwnerOf(v); o != "" {
			t.Errorf("%s owns as %q", name, o)
		}
	}
	for secret, good := range map[string]bool{strings.Repeat("a", 16): true, strings.Repeat("~", 200): true, "": false, strings.Repeat("a", 15): false,
		strings.Repeat("a", 201): false, "0123456789 abcdef": false, "0123456789abcdefé": false, "0123456789abcdef\x7f": false} {
		o, err := SecretOwner(secret)
		var bad *FieldError
		if good != (err == nil) || good == (o == "") || !good && (!errors.As(err, &bad) || bad.Field != "secret" || secret != "" && strings.Contains(err.Error(), secret)) {
			t.Errorf("secret %q: %q, %v", secret, o, err)
		}
	}
}
