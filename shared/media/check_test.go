package media_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"path"
	"strings"
	"testing"
	"time"

	"oipnode/shared/media"
)

// FuzzName: what is accepted as a name stays in its folder, is its own cleaned path,
// has exactly one slash and no capital.
func FuzzName(f *testing.F) {
	for _, seed := range []string{"kind/leaf", "k/ll", "../x", "kind/..", "kind/a..b", "kind/le/af", "a/b", "kind/\x00\x00", "K/LL", "kind/aa.", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := media.CheckName(name)
		if err != nil {
			if !errors.Is(err, media.ErrInvalid) || len(err.Error()) > 2000 {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		kind, leaf, _ := strings.Cut(name, "/")
		if path.Clean(name) != name || path.Join("root", name) != "root/"+name || strings.ToLower(name) != name ||
			strings.Contains(leaf, "/") || media.CheckKind(kind) != nil || len(leaf) < 2 || strings.Trim(leaf, "._-") != leaf {
			t.Errorf("%q is accepted", name)
		}
		if sum, ok := media.ContentSum(name); ok && media.ContentName(kind, sum) != name {
			t.Errorf("%q is not the name of its content", name)
		}
	})
}

func TestContentSum(t *testing.T) {
	sum := sha256.Sum256([]byte("x"))
	name := media.ContentName("content", sum)
	if err := media.CheckName(name); err != nil {
		t.Error(err)
	}
	if got, ok := media.ContentSum(name); !ok || got != sum {
		t.Errorf("%s has the sum %x, %v", name, got, ok)
	}
	for _, bad := range []string{"", "content", name + "0", name[:len(name)-1], strings.ToUpper(name), "content/" + strings.Repeat("g", 64)} {
		if _, ok := media.ContentSum(bad); ok {
			t.Errorf("%q has a sum", bad)
		}
	}
}

// TestMessages: an error names what is wrong and what is allowed, in bounded length.
func TestMessages(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	body := bytes.NewReader(nil)
	for _, c := range []struct {
		err  error
		want []string
	}{
		{media.CheckName("leaf"), []string{`"leaf"`, "kind/leaf"}},
		{media.CheckName("kind/" + long), []string{"1048576", "2 to 128"}},
		{media.CheckName("kind/le/af"), []string{`'/'`, "character 3", "a to z"}},
		{media.CheckKind(""), []string{"0 characters", "1 to 32"}},
		{media.CheckKind("a_b"), []string{`'_'`, "character 2", "a to z"}},
		{last(media.CheckUpload(media.Upload{Name: "kind/leaf"})), []string{"no body"}},
		{last(media.CheckUpload(media.Upload{Name: "kind/leaf", Body: body, Limit: -5})), []string{"-5", "1 to 52428800000"}},
		{last(media.CheckUpload(media.Upload{Name: "kind", Body: body, ByContent: true, IfAbsent: true})), []string{"IfAbsent"}},
		{last(media.CheckUpload(media.Upload{Name: "kind/" + strings.Repeat("0", 64), Body: body})), []string{"ByContent"}},
		{media.CheckOpen("kind/leaf", media.Range{Offset: -1}), []string{"from -1", "negative"}},
		{media.CheckOpen("kind/leaf", media.Range{Version: long}), []string{"version"}},
		{media.CheckLink("kind/leaf", media.Link{Life: time.Hour + 1}), []string{"1h0m0.000000001s", "1s to 1h"}},
		{media.CheckLink("kind/leaf", media.Link{Life: time.Minute, Type: "\n"}), []string{"type", "printable"}},
		{media.CheckLink("kind/leaf", media.Link{Life: time.Minute, Disposition: long}), []string{"disposition", "512"}},
		{last(media.CheckList("kind", "other/leaf", 1)), []string{`"kind"`, `"other/leaf"`}},
		{last(media.CheckList("kind", "", 0)), []string{"limit 0", "at least 1"}},
	} {
		if !errors.Is(c.err, media.ErrInvalid) || len(c.err.Error()) > 1000 {
			t.Errorf("%.200v, want %v", c.err, c.want)
			continue
		}
		for _, part := range c.want {
			if !strings.Contains(c.err.Error(), part) {
				t.Errorf("%q does not say %q", c.err, part)
			}
		}
	}
}

func last[T any](_ T, err error) error { return err }

func TestWithin(t *testing.T) {
	const most = 1<<63 - 1
	for _, c := range []struct {
		r    media.Range
		size int64
		want int64
		err  error
	}{
		{media.Range{}, 0, 0, nil},
		{media.Range{}, 10, 10, nil},
		{media.Range{Length: 3}, 10, 3, nil},
		{media.Range{Offset: 9, Length: 3}, 10, 1, nil},
		{media.Range{Offset: 1, Length: most}, most, most - 1, nil},
		{media.Range{Offset: 10}, 10, 0, media.ErrRange},
		{media.Range{Offset: 1}, 0, 0, media.ErrRange},
		{media.Range{Offset: most, Length: most}, 10, 0, media.ErrRange},
	} {
		if got, err := c.r.Within(c.size); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%+v within %d: %d, %v, want %d, %v", c.r, c.size, got, err, c.want, c.err)
		}
	}
}
