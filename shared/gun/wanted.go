package gun

import (
	"context"
	"fmt"
	"slices"

	"oipnode/shared/oip"
	"oipnode/shared/records"
)

// knownTypes are types that are known without having seen them: of templates that the
// network has published, and of what its clients ask for. A type is asked for by its
// name, and a registry cannot be asked which it has.
var knownTypes = []string{
	"accessControl", "artworkFlags", "audio", "basic", "conversationSession", "exercise", "image", "mealPlan", "modelProvider",
	"music", "musicCredit", "musicDeal", "musicParty", "musicRelease", "musicTrack", "musicWork", "nutritionalInfo",
	"organization", "playlist", "post", "recipe", "text", "video", "workout", "workoutSchedule",
}

// types are the record types whose registry indexes are asked for: those of the
// configuration, or else all that can be known of: knownTypes, those of the
// templates in the index, and those of its records. Types that are not wanted are left
// out. They are sorted, so that each cycle goes on where the last one stopped.
func (c *cycle) types(ctx context.Context) ([]string, error) {
	all := slices.Clone(c.opt.Types)
	if c.opt.Types == nil {
		all = slices.Clone(knownTypes)
		for _, of := range []struct {
			kind oip.Kind
			by   records.Field
		}{{oip.KindRecord, records.FieldRecordTypeExact}, {oip.KindTemplate, records.FieldName}} {
			counts, err := c.opt.Records.Count(ctx, records.Is(records.FieldKind, string(of.kind)), of.by)
			if err != nil {
				return nil, fmt.Errorf("list the record types: %w", err)
			}
			for _, b := range counts.Buckets {
				if len(b.Value) <= oip.MaxTypeName {
					all = append(all, b.Value)
				}
			}
		}
	}
	all = slices.DeleteFunc(all, func(t string) bool { return t == "" || !c.opt.Wanted(t) })
	slices.Sort(all)
	return slices.Compact(all), nil
}
