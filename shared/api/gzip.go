package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"oipnode/shared/library"
)

const (
	// minGzip is the smallest body that is compressed, in bytes: less fits into one packet.
	minGzip = 1 << 10
	// gzipTag is what the tag of an answer ends with when it is compressed. It is another
	// sequence of bytes than the plain one, and so must have another strong tag (RFC 9110
	// section 8.8.3).
	gzipTag = "-gzip"
)

// packer compresses answers. It has a writer for each processor, made when it is first
// needed, so that its memory is bounded whatever comes at a time: more of them would be
// no faster. Whoever finds none free waits for one.
type packer struct{ free chan *gzip.Writer }

func newPacker() *packer {
	p := &packer{make(chan *gzip.Writer, runtime.GOMAXPROCS(0))}
	for range cap(p.free) {
		p.free <- nil
	}
	return p
}

// pack returns the body compressed. It is nil when that is not worth it, which is the
// same for the same body always, and when the context ends before a writer is free.
//
// What is not a quarter smaller is not worth it: API Gateway takes compressed bodies in
// base64, which is a third longer, and no answer may become too large by being packed.
func (p *packer) pack(ctx context.Context, body []byte) []byte {
	if p == nil || len(body) < minGzip {
		return nil
	}
	var z *gzip.Writer
	select {
	case z = <-p.free:
	case <-ctx.Done():
		return nil
	}
	var out bytes.Buffer
	out.Grow(len(body) / 4)
	if z == nil {
		z, _ = gzip.NewWriterLevel(&out, gzip.BestSpeed) // fails for unknown levels only
	} else {
		z.Reset(&out)
	}
	_, err := z.Write(body)
	if closeErr := z.Close(); err == nil {
		err = closeErr
	}
	z.Reset(io.Discard) // the buffer is the answer's
	p.free <- z
	if err != nil || 4*out.Len() > 3*len(body) { // a buffer takes everything
		return nil
	}
	return out.Bytes()
}

// packedOf is the compressed form of a kept answer, which is kept as well. What is kept
// begins with the tag of the body that it was made of, and is that tag alone when
// compressing it is not worth it.
func (s *server) packedOf(ctx context.Context, key string, kept []byte, keep bool) []byte {
	tag, body := kept[:tagBytes], kept[tagBytes:]
	if packed, ok := s.answers.Get(key + gzipTag); ok && bytes.HasPrefix(packed, tag) {
		if len(packed) == tagBytes {
			return nil
		}
		return packed[tagBytes:]
	}
	packed := s.packer.pack(ctx, body)
	if keep && ctx.Err() == nil && len(body) >= minGzip {
		s.answers.Put(key+gzipTag, append(append(make([]byte, 0, tagBytes+len(packed)), tag...), packed...))
	}
	return packed
}

// acceptsGzip reports whether a client names gzip among what it understands, and likes
// it no less than the plain text (RFC 9110 section 12.5.3).
func acceptsGzip(h http.Header) bool {
	zipped, plain := 0.0, 0.0
	for _, value := range h.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			coding, parameters, _ := strings.Cut(part, ";")
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip", "x-gzip":
				zipped = quality(parameters)
			case "identity":
				plain = quality(parameters)
			}
		}
	}
	return zipped > 0 && zipped >= plain
}

// quality is the weight among the parameters of a coding: 1 without one, 0 for what is
// no weight.
func quality(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		q, err := strconv.ParseFloat(value, 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

// held is the tag, with its quotes, of a form of the answer that the caller says it has
// already, and that it can read; empty when it has none.
func held(r *http.Request, tag string, zipped bool) string {
	match := r.Header.Get("If-None-Match")
	if match == "" {
		return ""
	}
	if packed := `"` + tag + gzipTag + `"`; zipped && library.MatchesTag(match, packed) {
		return packed
	}
	if plain := `"` + tag + `"`; library.MatchesTag(match, plain) {
		return plain
	}
	return ""
}
