package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"oipnode/shared/oip"
)

// Data returns the exact bytes of a transaction: GET /raw/{id}, and where that
// route is missing GET /{id}. size is the length GraphQL told, -1 if unknown; a
// body of any other length is ErrMismatch. More than Options.MaxDataBytes is
// ErrTooLarge: at once if size says so, else when they have come.
//
// The bytes are not verified here. When they turn out to be wrong, or after
// ErrMismatch, another gateway (Pool.Others) may have the right ones.
func (g *Gateway) Data(ctx context.Context, id string, size int64) ([]byte, error) {
	if !oip.ValidID(id) || size < -1 {
		return nil, fmt.Errorf("%w: data of %q with size %d", ErrInvalid, excerpt([]byte(id)), size)
	}
	if size > g.opts.MaxDataBytes {
		e := g.fail("data", ErrTooLarge)
		e.Detail = fmt.Sprintf("%d bytes", size)
		return nil, e
	}
	data, err := g.get(ctx, size, "raw", id)
	var e *Error
	if errors.As(err, &e) {
		switch e.Status {
		case http.StatusNotFound, http.StatusBadRequest, http.StatusMethodNotAllowed:
			return g.get(ctx, size, id)
		}
	}
	return data, err
}

// get reads one path.
func (g *Gateway) get(ctx context.Context, size int64, path ...string) (data []byte, err error) {
	err = g.do(ctx, request{
		class: classData,
		op:    "data",
		build: func(ctx context.Context) (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, g.base.JoinPath(path...).String(), nil)
		},
		read: func(resp *http.Response) error {
			data, err = g.readData(resp, size)
			return err
		},
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}

// readData reads a body of exactly size bytes, or up to the limit for -1.
func (g *Gateway) readData(resp *http.Response, size int64) ([]byte, error) {
	limit, wrong := size, ErrMismatch
	if size < 0 {
		limit, wrong = g.opts.MaxDataBytes, ErrTooLarge
	}
	e := &Error{Gateway: g.name, Op: "data", Status: resp.StatusCode}
	if told := resp.ContentLength; told > limit || (size >= 0 && told >= 0 && told != size) {
		e.Err, e.Detail = wrong, fmt.Sprintf("%d bytes announced, %d expected", told, limit)
		return nil, e
	}
	data, over, err := readBounded(resp.Body, limit)
	switch {
	case over:
		e.Err, e.Detail = wrong, fmt.Sprintf("more than %d bytes", limit)
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && size >= 0 && int64(len(data)) != size:
		// Cut short: the connection ended before the announced length, or the
		// announced length was that of the cut.
		e.Err, e.Detail = ErrMismatch, fmt.Sprintf("%d bytes came", len(data))
	case err != nil:
		return nil, err
	default:
		return data, nil
	}
	return nil, e
}
