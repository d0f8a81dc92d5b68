package bolt

import "oipnode/shared/snapshot"

// Snapshot begins a copy of the file.
func (s *Store) Snapshot() (*snapshot.Snapshot, error) { return snapshot.Of(s.db) }
