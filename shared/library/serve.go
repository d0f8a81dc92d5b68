package library

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/media"
)

const (
	// chunk is how many bytes are in memory of an answer, and what must be taken by its
	// reader within Options.WriteTimeout.
	chunk = 64 << 10
	// statTime bounds what is asked of the media store before the first byte.
	statTime = 20 * time.Second
)

// Serve answers GET or HEAD with the bytes of a medium that Find returned. Where the
// media store has signed URLs, GET is redirected to one; else the bytes are sent, the
// range of them that was asked for. It returns an error only when nothing was written
// yet: ErrLost, ErrBusy, ErrClosed, an errs.Unsatisfiable, or what the store said.
//
// The id of a medium is its ETag, since it is its content. What a browser would run is
// offered for saving, and whatever is shown has a sandbox of its own.
func (l *Library) Serve(w http.ResponseWriter, r *http.Request, m Manifest) error {
	ctx, cancel := context.WithTimeout(r.Context(), statTime)
	defer cancel()
	name := Kind + "/" + m.MediaID
	o, err := l.opt.Media.Stat(ctx, name)
	if errors.Is(err, media.ErrNotFound) {
		return fmt.Errorf("serve %s: %w", m.MediaID, ErrLost)
	}
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	h, tag := w.Header(), `"`+m.MediaID+`"`
	h.Set("ETag", tag)
	h.Set("Cache-Control", cacheControl(m))
	if match := r.Header.Get("If-Match"); match != "" && !MatchesTag(match, tag) {
		w.WriteHeader(http.StatusPreconditionFailed)
		return nil
	}
	if none := r.Header.Get("If-None-Match"); none != "" && MatchesTag(none, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if r.Method != http.MethodHead {
		link := media.Link{Life: l.opt.LinkLife, Type: m.MimeType, Disposition: disposition(m.OriginalName, m.MimeType)}
		switch url, err := l.opt.Media.URL(ctx, name, link); {
		case err == nil:
			redirect(w, url)
			return nil
		case !errors.Is(err, media.ErrNoURL):
			return fmt.Errorf("serve: %w", err)
		}
	}
	return l.answer(w, r, m, o)
}

// redirect sends the reader to a signed URL, which nobody may keep.
func redirect(w http.ResponseWriter, url string) {
	h := w.Header()
	h.Del("ETag")
	h.Set("Cache-Control", "no-store")
	h.Set("Location", url)
	w.WriteHeader(http.StatusFound)
}

// cacheControl: who may read a medium can change, so it is asked for each time, which
// the ETag makes cheap. Only what everybody may read is for shared caches.
func cacheControl(m Manifest) string {
	if m.AccessLevel == string(Public) {
		return "no-cache"
	}
	return "private, no-cache"
}

// MatchesTag reports whether one of a list of entity tags, as If-Match and If-None-Match
// have them, is the given strong one, with its quotes. A weak one of the same name is the
// same content here.
func MatchesTag(list, tag string) bool {
	for text := range strings.SplitSeq(list, ",") {
		text = strings.TrimSpace(text)
		if text == "*" || strings.TrimPrefix(text, "W/") == tag {
			return true
		}
	}
	return false
}

// errRange is the error for a range of which there is nothing.
func errRange(size int64) error {
	return errs.E(errs.Unsatisfiable, fmt.Sprintf("Range must ask for bytes of this file, which has %d", size), nil)
}

// answer sends the bytes, or to HEAD what would come before them.
func (l *Library) answer(w http.ResponseWriter, r *http.Request, m Manifest, o media.Object) error {
	h, asked := w.Header(), r.Header.Get("Range")
	// A Range that depends on another version is not meant for this one (RFC 9110
	// section 13.1.5); there are no dates here, so one never matches.
	if condition := r.Header.Get("If-Range"); condition != "" && condition != h.Get("ETag") {
		asked = ""
	}
	h.Set("Accept-Ranges", "bytes")
	part, ok := parseRange(asked, o.Size)
	if !ok {
		h.Set("Content-Range", fmt.Sprintf("bytes */%d", o.Size))
		return errRange(o.Size)
	}
	var body io.ReadCloser = http.NoBody
	if r.Method != http.MethodHead {
		release, err := l.slot()
		if err != nil {
			return err
		}
		defer release()
		from, err := l.opt.Media.Open(r.Context(), o.Name, media.Range{Offset: part.offset, Length: part.length, Version: o.Version})
		if errors.Is(err, media.ErrNotFound) {
			return fmt.Errorf("serve %s: %w", m.MediaID, ErrLost)
		}
		if err != nil {
			return fmt.Errorf("serve: %w", err)
		}
		body = from
	}
	defer func() { _ = body.Close() }()
	h.Set("Content-Type", m.MimeType)
	h.Set("Content-Disposition", disposition(m.OriginalName, m.MimeType))
	h.Set("Content-Length", strconv.FormatInt(part.length, 10))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'")
	status := http.StatusOK
	if part.partial {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", part.offset, part.offset+part.length-1, o.Size))
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		l.stream(w, r, body, part.length)
	}
	return nil
}

// slot is the right to send one answer.
func (l *Library) slot() (release func(), err error) {
	select {
	case <-l.closed:
		return nil, ErrClosed
	default:
	}
	select {
	case l.streams <- struct{}{}:
		return func() { <-l.streams }, nil
	default:
		return nil, fmt.Errorf("%w: %d answers are being sent", ErrBusy, cap(l.streams))
	}
}

// stream sends a body of that length. The server's own time for an answer is not enough
// for a long one, so each chunk has a time of its own. A body that cannot be sent whole
// breaks the connection off, so that nobody takes it for a whole one.
func (l *Library) stream(w http.ResponseWriter, r *http.Request, body io.Reader, length int64) {
	control := http.NewResponseController(w)
	buffer := make([]byte, min(chunk, max(length, 1)))
	for length > 0 {
		select {
		case <-l.closed:
			panic(http.ErrAbortHandler)
		default:
		}
		n, err := io.ReadFull(body, buffer[:min(int64(len(buffer)), length)])
		if err != nil {
			if r.Context().Err() == nil {
				l.opt.Log.ErrorContext(r.Context(), "a medium could not be read to its end", "path", r.URL.Path, "error", err)
			}
			panic(http.ErrAbortHandler)
		}
		// A writer without deadlines, as behind a gateway, has none to set.
		_ = control.SetWriteDeadline(time.Now().Add(l.opt.WriteTimeout))
		if _, err := w.Write(buffer[:n]); err != nil {
			panic(http.ErrAbortHandler)
		}
		length -= int64(n)
	}
}
