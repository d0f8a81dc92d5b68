package local

import "oipnode/shared/snapshot"

// Snapshot begins a copy of the file.
func (q *Queue) Snapshot() (*snapshot.Snapshot, error) { return snapshot.Of(q.db) }
