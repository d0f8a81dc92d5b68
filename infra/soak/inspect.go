package main

import (
	"context"
	"errors"
	"path/filepath"

	"oipnode/shared/jobs/local"
	"oipnode/shared/library"
	"oipnode/shared/media"
	"oipnode/shared/media/files"
	"oipnode/shared/state/bolt"
)

// inspectState opens the state file of the node that has ended. With swept, the node had
// the time to remove all that had expired when it was left alone, and nothing of it may
// be there; no reader sees such a row meanwhile.
func inspectState(ctx context.Context, path string, water *pond, swept bool, r *result) {
	store, err := bolt.Open(path, bolt.Options{})
	if err != nil {
		r.say("The state file is whole", false, "%v", err)
		return
	}
	if water != nil {
		water.saySync(ctx, store, r)
	}
	if swept {
		// They come in the order of their expiry.
		expired, err := store.Sweep(ctx, bolt.MaxSweep)
		left := 0
		for _, row := range expired {
			if row.Expires.Before(r.quiet) {
				left++
			}
		}
		r.say("No row that expired is left over in the state file", err == nil && left == 0, "%d rows that had expired when the node was left alone, %s", left, orElse(err, "no error"))
	}
	err = errors.Join(store.Verify(ctx), store.Close())
	r.say("The state file is whole", err == nil, "%s", orElse(err, "every row was read"))
}

// inspectMedia opens the queue and the files of the node that has ended: every fetch must
// have come to an end, and no half file may be there.
func inspectMedia(ctx context.Context, dir string, r *result) {
	queue, err := local.Open(filepath.Join(dir, "jobs.db"), local.Options{})
	if err != nil {
		r.say("Every media job has ended", false, "%v", err)
		return
	}
	left, err := queue.Stats(ctx)
	err = errors.Join(err, queue.Verify(ctx), queue.Close())
	r.say("Every media job has ended", err == nil && left.Waiting+left.Running+left.Dead == 0,
		"%d wait, %d run, %d are dead letters, %s", left.Waiting, left.Running, left.Dead, orElse(err, "no error"))

	store, err := files.Open(filepath.Join(dir, "media"), files.Options{})
	if err != nil {
		r.say("No half file is left", false, "%v", err)
		return
	}
	whole, err := store.List(ctx, library.Kind, "", media.MaxList)
	for _, o := range whole {
		err = errors.Join(err, media.Verify(ctx, store, o.Name))
	}
	halves, swept := store.Sweep(ctx, 0)
	err = errors.Join(err, swept)
	r.say("No half file is left", err == nil && halves == 0, "%d files were read and are what their names say, %d halves, %s", len(whole), halves, orElse(err, "no error"))
}
