package main

import (
	"bytes"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
)

// The heights of what is out of the ordinary, as shares of the range. The late
// bundle lies in the blocks that every cycle reads again, so that it is found as
// soon as it can be seen.
const (
	withdrawnAt = 0.45
	forgedAt    = 0.52
	tamperedAt  = 0.58
	waitsAt     = 0.93
	lateHeight  = sample.Tip - 7
)

// oddities publishes what an index node must get right although it is rare.
func (b *book) oddities(c content, m *sample.Manifest) {
	b.restricted(c, m)
	b.conversation(c, m)
	b.deletions(c, m)
	b.lies(c, m)
	b.latecomer(c, m)
}

// Levels of the accessControl template's list.
const (
	private = 1 + iota
	shared
	members
)

// restricted publishes records that not everybody may read.
func (b *book) restricted(c content, m *sample.Manifest) {
	organization, _ := b.find(oip.TypeOrganization, c.People.Organization.Handle)
	for i, r := range c.Later.Restricted {
		access := map[string]any{"access_level": r.Level, "owner_public_key": b.signers[r.By].Modulus}
		group := &m.Private
		switch r.Level {
		case shared:
			group = &m.Shared
			var keys []string
			for _, handle := range r.With {
				keys = append(keys, b.signers[handle].Modulus)
			}
			access["shared_with"] = keys
		case members:
			group = &m.Members
			access["shared_with"] = organization
		}
		height := slot(0.1, 0.8, i, len(c.Later.Restricted), r.Name)
		p := b.record(r.By, "post", r.Name, height, basic(r.Name, r.Description, height),
			part{"post", map[string]any{"bylineWriter": r.By}}, part{"accessControl", access})
		*group = append(*group, p.id)
	}
}

// conversation publishes a private conversation in the older form, a flag.
func (b *book) conversation(c content, m *sample.Manifest) {
	s := c.Later.Session
	height := heightAt(0.66)
	var roles []string
	for i := range s.Messages {
		roles = append(roles, [2]string{"user", "assistant"}[i%2])
	}
	p := b.record(s.By, "conversationSession", s.Name, height, basic(s.Name, "", height),
		part{"conversationSession", map[string]any{
			"session_id": slug(s.Name), "messages": s.Messages, "message_roles": roles, "message_count": len(s.Messages),
			"model_name": s.Model, "start_timestamp": written(height), "is_private": true, "owner_pubkey": b.signers[s.By].Modulus,
		}})
	m.Private = append(m.Private, p.id)
}

// deletions publishes a post and its deletion, and a deletion of somebody else's
// post, which has no effect.
func (b *book) deletions(c content, m *sample.Manifest) {
	w := c.Later.Withdrawn
	p := b.post(c.Media, w, heightAt(withdrawnAt))
	m.Deleted = p.id
	m.Deletion = b.append(b.signers[w.By].Delete(p.did()), gatewaysim.Item{Height: p.height + 40, Bundled: true}).id

	target, height := b.find("post", c.Later.Unauthorized.Target)
	m.Kept, _ = oip.TxID(target[0])
	m.NoAuthority = b.append(b.signers[c.Later.Unauthorized.By].Delete(target[0]), gatewaysim.Item{Height: height + 300, Bundled: true}).id
}

// lies publishes two posts that must be rejected: one signed by somebody else than
// it says, and one that was changed after it was signed.
func (b *book) lies(c content, m *sample.Manifest) {
	f := c.Later.Forged
	height := heightAt(forgedAt)
	forger := *b.signers[f.By]
	forger.Address = b.signers[f.As].Address
	tx := b.sign(&forger, "post", basic(f.Name, f.Description, height))
	m.Forged = b.append(tx, gatewaysim.Item{Height: height, Bundled: true}).id

	t := c.Later.Tampered
	height = heightAt(tamperedAt)
	tx = b.sign(b.signers[t.By], "post", basic(t.Name, t.Description, height))
	tx.Data = bytes.Replace(tx.Data, []byte(t.Description), []byte(t.Changed), 1)
	m.Tampered = b.append(tx, gatewaysim.Item{Height: height, Bundled: true}).id
}

// latecomer publishes a post of a creator whose registration becomes visible only
// with the late bundle, and the other posts in that bundle.
func (b *book) latecomer(c content, m *sample.Manifest) {
	first := c.Later.Noor[0]
	m.Waits = b.post(c.Media, first, heightAt(waitsAt)).id
	for _, p := range c.People.Creators {
		if p.Handle == first.By {
			m.Late = append(m.Late, b.register(p, gatewaysim.Item{Height: lateHeight, Bundled: true, VisibleAt: 1}).id)
		}
	}
	inBundle := len(b.items)
	for _, p := range c.Later.Noor[1:] {
		b.post(c.Media, p, lateHeight)
	}
	for i := range b.items[inBundle:] {
		it := &b.items[inBundle+i]
		it.Height, it.VisibleAt = lateHeight, 1
		m.Late = append(m.Late, it.ID)
	}
}
