package embedded

import (
	"context"

	"oipnode/shared/snapshot"
)

// DocumentsFile is the name of the file in a store's folder that is all of it: a folder
// with a copy of that file is a store, whose index Open builds.
const DocumentsFile = documentsFile

// Snapshot begins a copy of the documents file. The index needs none.
func (s *Store) Snapshot(ctx context.Context) (*snapshot.Snapshot, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	return snapshot.Of(s.db)
}
