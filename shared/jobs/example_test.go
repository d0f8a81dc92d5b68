package jobs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"oipnode/shared/errs"
	"oipnode/shared/jobs"
	"oipnode/shared/jobs/local"
)

// Example sends two jobs and lets Work do them. The second fails for good, and is
// kept with what its sender may read of the reason.
func Example() {
	dir, err := os.MkdirTemp("", "jobs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	q, err := local.Open(filepath.Join(dir, "jobs.db"), local.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer q.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, body := range []string{"fetch a", "fetch b"} {
		if _, err := q.Send(ctx, []byte(body), 0); err != nil {
			fmt.Println(err)
			return
		}
	}
	left := 2
	err = jobs.Work(ctx, q, func(_ context.Context, j jobs.Job) error {
		if string(j.Body) == "fetch b" {
			return errs.E(errs.NotFound, "the source has no such file", nil)
		}
		return nil
	}, jobs.Options{Report: func(r jobs.Result) {
		fmt.Printf("%s: %s\n", r.Job.Body, r.Outcome)
		if left--; left == 0 {
			cancel()
		}
	}})
	dead, _ := q.Dead(context.Background(), "", 10)
	fmt.Println(err, dead[0].Reason)
	// Output:
	// fetch a: done
	// fetch b: buried
	// <nil> not_found: the source has no such file (attempt 1)
}
