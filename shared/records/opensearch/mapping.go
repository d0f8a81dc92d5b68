package opensearch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"oipnode/shared/records"
)

// mappingVersion is the version of what this package writes into an index. An index of
// another version goes on to be used as it is until Reindex.
const mappingVersion = 2

// distinctVersion is the first version with records.FieldDistinct.
const distinctVersion = 2

// door is the alias through which one index is written. A writer sends what it decided to
// the door of the index that it read from, so that sequence numbers never meet documents
// of another index: behind a move (Reindex) the door is gone, and the writer reads again.
func door(index string) string { return index + "-w" }

// The names of an index of a prefix p are p-v<mapping version>-<number>; p itself is the
// alias that is read, and p-w the one that is written.
func (s *Store) readAlias() string  { return s.opt.Prefix }
func (s *Store) writeAlias() string { return s.opt.Prefix + "-w" }
func (s *Store) indexName(version int, n int64) string {
	return fmt.Sprintf("%s-v%d-%06d", s.opt.Prefix, version, n)
}

// engineField is where a field of the projection lies in a document of the index.
func engineField(f records.Field) string { return "f." + string(f) }

// allFields are the fields of the projection.
var allFields = []records.Field{
	records.FieldDID, records.FieldKind, records.FieldRecordType, records.FieldRecordTypeExact, records.FieldCreatorHandle,
	records.FieldCreatorDID, records.FieldCreatorTx, records.FieldHeight, records.FieldIndexedAt, records.FieldDate, records.FieldName,
	records.FieldNameFolded, records.FieldVer, records.FieldStorage, records.FieldTemplateID, records.FieldTemplateName,
	records.FieldTag, records.FieldDeleteMessage, records.FieldHidden, records.FieldAccess, records.FieldOwner, records.FieldSharedWith,
	records.FieldSchedule, records.FieldDistinct, records.FieldNameWord, records.FieldDescriptionWord, records.FieldTagWord,
	records.FieldLeaf, records.FieldRef, records.FieldPath, records.FieldCut,
}

// engineKind is the engine's type of a field of the projection.
func engineKind(f records.Field) string {
	if f.Numeric() {
		return "long"
	}
	return "keyword"
}

// kept are the parts of a document that the engine keeps besides the index. All others
// follow from them, so they are indexed only: what searches, writes and a re-index read
// is no longer than the record itself.
var kept = []string{"k", "w", "d", "e", "f.ref"}

// meta is what an index says of itself, in its mapping. Only the holder of the writers'
// lease changes it.
type meta struct {
	// Version is that of the mapping; 0 means that the index is not of this program.
	Version int `json:"oipnode"`
	// Left are the templates that have no typed mapping, and why.
	Left map[string]string `json:"left,omitempty"`
	// Copy is set in an index that a Reindex made.
	Copy *origin `json:"copy,omitempty"`
}

// indexBody is the body with which an index is made.
func (s *Store) indexBody(index string, of *origin) ([]byte, error) {
	type object = map[string]any
	fields := object{"line": object{"type": "keyword", "doc_values": false, "norms": true}} // lineField
	for _, f := range allFields {
		field := object{"type": engineKind(f)}
		if !f.Listable() { // a condition only: no column of long keys
			// With norms, a byte of each document, the engine knows who has the field;
			// else it would add two terms to another field for each value, for Exists.
			field["doc_values"], field["norms"] = false, true
		}
		fields[string(f)] = field
	}
	body := object{
		"settings": object{
			"index.number_of_shards":                s.opt.Shards,
			"index.number_of_replicas":              s.opt.Replicas,
			"index.refresh_interval":                "1s",
			"index.max_result_window":               records.MaxWindow,
			"index.mapping.total_fields.limit":      s.opt.MaxFields + fixedFields,
			"index.mapping.depth.limit":             8,
			"index.mapping.ignore_malformed":        true,
			"index.query.default_field":             []string{"f.did"},
			"index.max_regex_length":                maxRegex,
			"index.number_of_routing_shards":        routingShards(s.opt.Shards),
			"index.mapping.coerce":                  false,
			"index.translog.durability":             "request",
			"index.mapping.field_name_length.limit": 200,
		},
		"mappings": object{
			"dynamic": false,
			"_meta":   meta{Version: mappingVersion, Copy: of},
			"_source": object{"includes": kept},
			"properties": object{
				"f": object{"dynamic": false, "properties": fields},
				"t": object{"dynamic": false, "type": "object"},
			},
		},
	}
	aliases := object{door(index): object{}}
	if of == nil { // the first one
		aliases[s.readAlias()], aliases[s.writeAlias()] = object{}, object{}
	}
	body["aliases"] = aliases
	return json.Marshal(body)
}

// fixedFields are the fields of a mapping without any template, with room for what the
// engine counts besides.
const fixedFields = 60

// routingShards lets an index be split later.
func routingShards(shards int) int { return shards * 64 }

// prepare finds out what answers, and which index it has for this prefix.
func (s *Store) prepare(ctx context.Context) error {
	if err := s.findEngine(ctx); err != nil {
		return err
	}
	for range 3 { // another process may make the index at the same moment
		found, err := s.findIndex(ctx)
		if err != nil {
			return err
		}
		if found {
			return s.welcome(ctx)
		}
		if s.opt.Existing {
			return ErrAbsent
		}
		body, err := s.indexBody(s.indexName(mappingVersion, 1), nil)
		if err != nil {
			return err
		}
		err = s.json(ctx, request{method: http.MethodPut, path: "/" + s.indexName(mappingVersion, 1), body: body}, nil)
		var f *failure
		if err != nil && (!errors.As(err, &f) || f.kind != alreadyExists) {
			return err
		}
	}
	return fmt.Errorf("%w: the index was made and cannot be found", ErrEngine)
}

// welcome tells the operator of an index of another version. Conditions on the fields
// that it lacks find nothing until Reindex; none of them is refused.
func (s *Store) welcome(ctx context.Context) error {
	index, has := s.typed.describe()
	if has.Version == mappingVersion {
		return nil
	}
	s.opt.Log.Warn("the index has another mapping version; re-index it, or some of its fields find nothing", "index", index,
		"version", has.Version, "want", mappingVersion)
	if s.opt.Existing || has.Version > mappingVersion {
		return nil
	}
	err := s.json(ctx, request{method: http.MethodPut, path: "/" + index + "/_settings", body: fmt.Appendf(nil, `{"index.max_regex_length":%d}`, maxRegex)}, nil)
	if errors.Is(err, ErrRefused) {
		return nil // only the strangest texts need it
	}
	return err
}

// alreadyExists is the kind of the answer to a second attempt to make an index.
const alreadyExists = "resource_already_exists_exception"

// findEngine asks who answers at the endpoint.
func (s *Store) findEngine(ctx context.Context) error {
	var info struct {
		Version struct{ Number, Distribution string }
	}
	if err := s.json(ctx, request{method: http.MethodGet, path: "/"}, &info); err != nil {
		var f *failure
		if errors.As(err, &f) && f.Unwrap() == nil {
			return fmt.Errorf("%w: %w", ErrEngine, err)
		}
		return err
	}
	major, err := strconv.Atoi(before(info.Version.Number, "."))
	if info.Version.Distribution != "opensearch" || err != nil || major < 2 {
		return fmt.Errorf("%w: the endpoint is of %q version %q; OpenSearch 2 or later is needed", ErrEngine, info.Version.Distribution, info.Version.Number)
	}
	s.version = info.Version.Number
	return nil
}

func before(s, sep string) string {
	head, _, _ := strings.Cut(s, sep)
	return head
}

// found is what the engine tells of an index.
type found struct {
	Aliases  map[string]struct{}
	Mappings struct {
		Meta       meta `json:"_meta"`
		Properties struct {
			T struct {
				Properties map[string]typedTemplate `json:"properties"`
			} `json:"t"`
		}
	}
}

// findIndex reads the index behind the alias that is written.
func (s *Store) findIndex(ctx context.Context) (bool, error) {
	indexes, err := s.describe(ctx, s.writeAlias())
	if err != nil || len(indexes) == 0 {
		return false, err
	}
	if len(indexes) != 1 {
		return false, fmt.Errorf("%w: the alias %s names %d indexes: %v", ErrEngine, s.writeAlias(), len(indexes), slices.Sorted(maps.Keys(indexes)))
	}
	for name, ix := range indexes {
		if ix.Mappings.Meta.Version == 0 {
			return false, fmt.Errorf("%w: the index %s was not made by this program", ErrEngine, name)
		}
		s.typed.load(name, ix)
	}
	return true, nil
}

// readMeta reads what the index that is written says of itself now: other processes
// may have changed it, or the index.
func (s *Store) readMeta(ctx context.Context) (meta, error) {
	var answer map[string]struct {
		Mappings struct {
			Meta meta `json:"_meta"`
		}
	}
	err := s.json(ctx, request{method: http.MethodGet, path: "/" + s.writeAlias() + "/_mapping?filter_path=*.mappings._meta"}, &answer)
	for _, ix := range answer {
		return ix.Mappings.Meta, err
	}
	return meta{}, err
}

// detail is what an operator should know of the index; empty when all is well.
func (m meta) detail() string {
	var parts []string
	if m.Version != mappingVersion {
		parts = append(parts, fmt.Sprintf("the index has mapping version %d, this program writes %d: re-index it, or some of its fields find nothing", m.Version, mappingVersion))
	}
	if len(m.Left) > 0 {
		names, more := slices.Sorted(maps.Keys(m.Left)), ""
		if len(names) > 5 {
			names, more = names[:5], ", …"
		}
		parts = append(parts, fmt.Sprintf("%d templates are indexed by their envelope only: %s%s", len(m.Left), strings.Join(names, ", "), more))
	}
	return strings.Join(parts, "; ")
}

// describe reads the indexes of a name, an alias or a pattern; none is no error.
func (s *Store) describe(ctx context.Context, name string) (map[string]found, error) {
	status, text, err := s.send(ctx, request{method: http.MethodGet, path: "/" + name, allow: []int{http.StatusNotFound}})
	if err != nil || status == http.StatusNotFound {
		return nil, err
	}
	var indexes map[string]found
	if err := json.Unmarshal(text, &indexes); err != nil {
		return nil, fmt.Errorf("%w: GET /%s: %w", ErrEngine, name, err)
	}
	return indexes, nil
}
