package main

import (
	"cmp"
	"slices"

	"oipnode/infra/sample"
	"oipnode/shared/gatewaysim"
	"oipnode/shared/oip"
	"oipnode/shared/oip/oiptest"
)

// foundingHeight is where the first creator registered: long before the range, at
// the height of the network's own first registration.
const foundingHeight = 1463761

// write publishes everything and returns the chain, ascending by (height, id).
// newKey is called once for each creator.
func write(c content, newKey func(handle string) (*oiptest.Signer, error)) ([]gatewaysim.Item, sample.Manifest, error) {
	b := &book{signers: map[string]*oiptest.Signer{}, templates: map[string]schema{}, known: map[string]publication{}}
	for _, p := range c.People.Creators {
		signer, err := newKey(p.Handle)
		if err != nil {
			return nil, sample.Manifest{}, err
		}
		b.signers[p.Handle] = signer
	}
	var m sample.Manifest
	b.found(c, &m)
	b.kitchen(c)
	b.gym(c, &m)
	b.press(c)
	b.oddities(c, &m)
	slices.SortFunc(b.items, func(x, y gatewaysim.Item) int {
		return cmp.Or(cmp.Compare(x.Height, y.Height), cmp.Compare(x.ID, y.ID))
	})
	return b.items, m, b.err
}

// found publishes what everything else needs: the first creator under the old
// version, the templates, the other creators, the organization.
func (b *book) found(c content, m *sample.Manifest) {
	for i, p := range c.People.Creators {
		switch {
		case i == 0:
			m.Bootstrap = b.foundingRegistration(p).id
			for j, t := range c.Templates {
				if !t.Later {
					b.define(p.Handle, sample.FirstHeight+int64(j/6), t)
				}
			}
		case p.Handle != "noor": // who registers late
			b.register(p, gatewaysim.Item{Height: heightAt(0.002 * float64(i))})
		}
	}
	o := c.People.Organization
	height := heightAt(0.009)
	admins := []string{b.signers["mara"].Modulus, b.signers["kofi"].Modulus}
	identity := basic(o.Name, o.Description, height)
	identity.fields["webUrl"] = o.WebURL
	b.record("mara", oip.TypeOrganization, o.Handle, height, identity, part{"organization", map[string]any{
		"org_handle": o.Handle, "org_public_key": b.signers["mara"].Modulus,
		"admin_public_keys": admins, "membership_policy": 0,
	}})
	for i, p := range c.People.Providers {
		height := slot(0.3, 0.6, i, len(c.People.Providers), p.Name)
		b.record("tobias", "modelProvider", p.Name, height, basic(p.Name, p.Description, height, "models"),
			part{"modelProvider", map[string]any{
				"provider_type": p.Type, "api_endpoint": p.Endpoint, "supported_models": p.Models, "default_model": p.Models[0],
			}})
	}
}

// foundingRegistration is in the form of the first creators: an older version, and
// the template's name in place of its id, for there was no template yet.
func (b *book) foundingRegistration(p person) publication {
	s := b.signers[p.Handle]
	tags := s.Tags(oip.TypeRegistration)
	for i := range tags {
		if tags[i].Name == "Ver" {
			tags[i].Value = "0.7.2"
		}
	}
	objects := []oiptest.Object{{Template: oip.TypeRegistration, Values: map[int]any{0: s.Address, 1: s.Modulus, 2: p.Handle, 3: p.Surname}}}
	return b.append(s.WithTags(tags, b.data(objects)), gatewaysim.Item{Height: foundingHeight})
}

// register publishes the registration of a creator at a place.
func (b *book) register(p person, place gatewaysim.Item) publication {
	s := b.signers[p.Handle]
	tx := b.sign(s, oip.TypeRegistration,
		part{oip.TypeRegistration, map[string]any{
			"address": s.Address, "publicKey": s.Modulus, "handle": p.Handle, "surname": p.Surname,
			"description": p.Description, "youtube": p.YouTube, "x": p.X, "instagram": p.Instagram,
		}},
		basic(p.Name, p.Description, place.Height))
	return b.append(tx, place)
}
