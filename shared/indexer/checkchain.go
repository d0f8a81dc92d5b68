package indexer

import (
	"context"
	"fmt"

	"oipnode/shared/gateway"
	"oipnode/shared/oip"
	"oipnode/shared/records"
	"oipnode/shared/state"
)

// chain is the first pass: what the chain has must be known.
func (k *checker) chain(ctx context.Context) error {
	size := int64(firstWindow)
	for k.now.Next <= k.now.To {
		if err := k.enough(ctx); err != nil {
			return err
		}
		to := min(k.now.Next+size-1, k.now.To)
		found := 0
		err := k.patiently(ctx, func() error {
			found = 0
			scan := gateway.Scan{Min: k.now.Next, Max: to, Tags: oipTags, IDsOnly: true}
			return k.gw.Walk(ctx, scan, func(nodes []gateway.Node, through int64) error {
				found += len(nodes)
				if err := k.enough(ctx); err != nil {
					return err
				}
				if err := k.known(ctx, nodes); err != nil {
					return err
				}
				if through < k.now.Next { // a block of more than a page
					return nil
				}
				k.now.Next = through + 1
				return k.save(ctx)
			})
		})
		if err != nil {
			return err
		}
		if found == 0 {
			if err := k.trust(ctx); err != nil {
				return err
			}
		}
		k.now.Next = to + 1
		if err := k.save(ctx); err != nil {
			return err
		}
		size = adapt(size, found)
	}
	return nil
}

// known finds out which transactions of a page are neither indexed nor settled
// otherwise, and which of those that are indexed a search does not find.
func (k *checker) known(ctx context.Context, nodes []gateway.Node) error {
	heads, err := k.heads(ctx, nodes)
	if err != nil {
		return err
	}
	var absent, indexed []string
	for _, n := range nodes {
		if did := oip.DID(n.ID); heads[did].DID != "" {
			indexed = append(indexed, did)
		} else {
			absent = append(absent, n.ID)
		}
	}
	settled, err := k.settled(ctx, absent)
	if err != nil {
		return err
	}
	hidden, err := k.unsearchable(ctx, indexed)
	if err != nil {
		return err
	}
	var faults []Finding
	var again []gateway.Node
	for _, n := range nodes {
		did := oip.DID(n.ID)
		f := Finding{DID: did, Height: n.Height}
		switch {
		case hidden[did]:
			f.Fault = FaultUnsearchable
		case heads[did].DID == "" && !settled[n.ID]:
			f.Fault = FaultMissing
		default:
			continue
		}
		faults, again = append(faults, f), append(again, n)
	}
	if err := k.found(ctx, faults...); err != nil {
		return err
	}
	k.now.Listed += int64(len(nodes))
	if !k.request.Repair || len(again) == 0 {
		return nil
	}
	return k.again(ctx, again)
}

// settled reports which of the transactions have an entry, or the mark of a removal that
// the next cycle makes one of.
func (k *checker) settled(ctx context.Context, ids []string) (map[string]bool, error) {
	entries, err := k.entriesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	settled := make(map[string]bool, len(entries))
	var marks []state.Key
	for _, id := range ids {
		if settled[id] = entries[id] != nil; !settled[id] {
			marks = append(marks, removalKey(id))
		}
	}
	for part := range chunks(marks, state.MaxGet) {
		items, err := k.opt.State.Get(ctx, part...)
		if err != nil {
			return nil, fmt.Errorf("read removals: %w", err)
		}
		for _, item := range items {
			settled[item.ID] = true
		}
	}
	return settled, nil
}

// unsearchable reports which of the documents that are there no search finds.
func (k *checker) unsearchable(ctx context.Context, dids []string) (map[string]bool, error) {
	lost := make(map[string]bool)
	for part := range chunks(dids, records.MaxLimit) {
		page, err := k.opt.Records.Search(ctx, records.Query{
			Where: records.Is(records.FieldDID, part...), Limit: records.MaxLimit, EnvelopeOnly: true,
		})
		if err != nil {
			return nil, fmt.Errorf("find documents: %w", err)
		}
		if page.Total == int64(len(part)) {
			continue
		}
		for _, did := range part {
			lost[did] = true
		}
		for _, hit := range page.Hits {
			delete(lost, hit.DID)
		}
	}
	return lost, nil
}

// again sends transactions through the pipeline as if they had just been found, until
// what came of them is durable, and counts them as repaired.
func (k *checker) again(ctx context.Context, nodes []gateway.Node) error {
	nodes, err := k.withTags(ctx, nodes)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if err := k.pipe.submit(n); err != nil {
			return err
		}
	}
	if err := k.pipe.flush(); err != nil {
		return err
	}
	k.taken = 0 // a check has no number of transactions at which it ends
	k.now.Repaired += int64(len(nodes))
	return nil
}
