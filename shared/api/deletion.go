package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"oipnode/shared/access"
	"oipnode/shared/errs"
	"oipnode/shared/gun"
	"oipnode/shared/indexer"
	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// deletionAnswer is the answer to a deletion.
type deletionAnswer struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
	DID     string `json:"did"`
	Count   int    `json:"deletedCount"`
	// RecordStatus is the status that the record had.
	RecordStatus    string `json:"recordStatus"`
	PropagationNote string `json:"propagationNote"`
}

const (
	noteChain = "The record is gone from this node for good. It remains on Arweave; publish a delete message for it, so that other nodes delete it too."
	noteRelay = "The record is gone from this node for good. Other nodes learn of it from the deletion registry, which this node's GUN relay is told as soon as it can be reached."
	noteAlone = "The record is gone from this node for good. This node has no GUN relay, so other nodes learn of it only when it gets one."
)

// deleteRecord serves POST /api/records/deleteRecord: an owner removes a record from
// this node, for good. When it is answered, no answer shows the record any more.
func (s *server) deleteRecord(ctx context.Context, r *http.Request) (answer, error) {
	viewer := s.opt.Auth.Viewer(r)
	if !viewer.Authenticated {
		return answer{}, errs.E(errs.Unauthorized, "deleting a record needs a valid token", nil)
	}
	did, err := s.readDeletion(ctx, r)
	if err != nil {
		return answer{}, err
	}
	doc, env, err := s.own(ctx, viewer, did)
	if err != nil {
		return answer{}, err
	}
	a := deletionAnswer{Success: true, Message: "Record deleted successfully", DID: did, Count: 1, RecordStatus: env.RecordStatus}
	if strings.HasPrefix(did, "did:gun:") {
		a.PropagationNote = noteAlone
		if g := s.opt.GunSync; g != nil && g.Settings.Relay != "" {
			a.PropagationNote = noteRelay
		}
		err = gun.Delete(ctx, s.opt.State, s.opt.Records, gun.Deletion{DID: did, By: viewer.PublicKey}, s.opt.Now())
	} else {
		a.PropagationNote = noteChain
		err = indexer.Remove(ctx, s.opt.Records, s.opt.State, doc, viewer.PublicKey, s.opt.Now())
	}
	switch {
	case errors.Is(err, indexer.ErrNotRemovable), errors.Is(err, gun.ErrNotGun):
		return answer{}, errNotDeletable(doc.Kind, env, err)
	case err != nil:
		return answer{}, errState(err)
	}
	if err := s.outdated(ctx); err != nil {
		return answer{}, err
	}
	return reply(http.StatusOK, a)
}

// readDeletion reads the DID out of {"delete":{"did":"…"}}. Other members are ignored,
// as unknown parameters are.
func (s *server) readDeletion(ctx context.Context, r *http.Request) (string, error) {
	text, err := s.readBody(ctx, r)
	if err != nil {
		return "", err
	}
	var body struct {
		Delete struct {
			DID string `json:"did"`
		} `json:"delete"`
	}
	if text = bytes.TrimSpace(text); !bytes.HasPrefix(text, []byte("{")) || !utf8.Valid(text) || json.Unmarshal(text, &body) != nil {
		return "", invalid("body", `body must be a JSON object such as {"delete":{"did":"did:arweave:…"}}`)
	}
	if !oip.ValidDID(body.Delete.DID) {
		return "", invalid("delete.did", "delete.did must be the DID of a record, such as did:arweave:<id>")
	}
	return body.Delete.DID, nil
}

// own is a document that the viewer owns. Whether one is absent or hidden from the
// viewer is found out by one query and answered with one error, so nobody can tell them
// apart.
func (s *server) own(ctx context.Context, viewer access.Viewer, did string) (doc records.Stored, env oip.Envelope, err error) {
	organizations, err := s.organizations.Of(ctx, viewer)
	if err != nil {
		return doc, env, err
	}
	this := records.Is(records.FieldDID, did)
	page, err := s.opt.Records.Search(ctx, records.Query{
		Where: records.All{access.Rule(viewer, organizations...), this}, Limit: 1, EnvelopeOnly: true,
	})
	if err != nil {
		return doc, env, err
	}
	if len(page.Hits) == 0 {
		return doc, env, errs.E(errs.NotFound, "there is no record with this DID that you may read", nil)
	}
	owned, err := s.opt.Records.Search(ctx, records.Query{Where: records.All{access.Owned(viewer), this}})
	if err != nil {
		return doc, env, err
	}
	if owned.Total == 0 {
		return doc, env, errs.E(errs.Forbidden, "only its owner can delete a record", nil)
	}
	doc = page.Hits[0]
	env, err = oip.ParseEnvelope(doc.JSON)
	return doc, env, err
}

// errNotDeletable says what to do instead with a document that others need.
func errNotDeletable(kind oip.Kind, env oip.Envelope, cause error) error {
	message := "this cannot be deleted here"
	switch {
	case kind == oip.KindTemplate:
		message = "a template cannot be deleted here, since records are read with it: its creator can publish a deleteTemplate message"
	case kind == oip.KindCreator:
		message = "a registration cannot be deleted here, since its key verifies records: its creator can publish a delete message"
	case env.DeleteMessage:
		message = "a delete message cannot be deleted: it stays as the record of what was deleted"
	}
	return errs.E(errs.Forbidden, message, cause)
}
