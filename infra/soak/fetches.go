package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	// fetchWorkers is how many fetches may be under way.
	fetchWorkers = 12
	// fetchUsers is how many users ask for them; each may have only so many at a time.
	fetchUsers = 8
	// fetchTime is how long a fetch may take, what waits before it included.
	fetchTime = 3 * time.Minute
	// looked is how many bytes of a medium are read again.
	looked = 64 << 10
)

// fetcher has files fetched into the node, waits for each, and reads a part of it.
type fetcher struct {
	url    string
	client *http.Client
	shelf  *shelf
	// tokens are the users'.
	tokens []string
}

// tokensOf are tokens of the users, which last longer than any run.
func tokensOf(secret string, users int) ([]string, error) {
	var tokens []string
	for i := range users {
		claims := jwt.MapClaims{"userId": fmt.Sprintf("user-%d", i), "exp": time.Now().Add(7 * 24 * time.Hour).Unix()}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, token)
	}
	return tokens, nil
}

// mediaJob is a fetch as its owner sees it.
type mediaJob struct {
	JobID, Status, Reason, MediaID string
	Bytes                          int64
}

// do has file i fetched.
func (f *fetcher) do(ctx context.Context, i int, _ time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	token := f.tokens[i%len(f.tokens)]
	body, err := json.Marshal(map[string]string{"url": f.shelf.url(i)})
	if err != nil {
		return err
	}
	var job mediaJob
	if err := f.ask(ctx, http.MethodPost, "/api/media/fetch", token, body, http.StatusAccepted, &job); err != nil {
		return err
	}
	for job.Status != "done" {
		if job.Status == "failed" {
			return fmt.Errorf("fetch of file %d: failed: %s", i%shelfFiles, job.Reason)
		}
		if !pause(ctx, 200*time.Millisecond) {
			return fmt.Errorf("fetch of file %d: still %s %s: %w", i%shelfFiles, job.Status, job.Reason, ctx.Err())
		}
		if err := f.ask(ctx, http.MethodGet, "/api/media/jobs/"+job.JobID, token, nil, http.StatusOK, &job); err != nil {
			return err
		}
	}
	if job.Bytes != f.shelf.size(i) {
		return fmt.Errorf("fetch of file %d: %d bytes, want %d", i%shelfFiles, job.Bytes, f.shelf.size(i))
	}
	return f.look(ctx, i, job.MediaID, token)
}

func (f *fetcher) ask(ctx context.Context, method, path, token string, body []byte, want int, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, f.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if body == nil {
		r.Body, r.ContentLength = nil, 0
	}
	r.Header.Set("Authorization", "Bearer "+token)
	got, err := answer(f.client, r, want)
	if err != nil {
		return err
	}
	return json.Unmarshal(got, into)
}

// look reads a part out of the middle of a medium, which must be that of the file.
func (f *fetcher) look(ctx context.Context, i int, id, token string) error {
	from := f.shelf.size(i) / 2
	want := make([]byte, looked)
	file := f.shelf.open(i)
	if _, err := file.Seek(from, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.ReadFull(file, want); err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"/api/media/"+id, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", from, from+looked-1))
	got, err := answer(f.client, r, http.StatusPartialContent)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("a medium holds something else than its source")
	}
	return nil
}
