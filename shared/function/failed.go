package function

import (
	"context"
	"fmt"
	"log/slog"

	"oipnode/shared/errs"
)

// Failed logs what went wrong, in one line with its cause, and returns the error that
// the invocation ends with: it names the step and the kind of fault and nothing from
// inside, because whoever invokes a function sees it, and failure queues keep it.
func Failed(ctx context.Context, log *slog.Logger, step string, err error) error {
	log.ErrorContext(ctx, "failed", "step", step, "error", err)
	return fmt.Errorf("%s: %s; the log of this invocation tells more", step, errs.Public(err))
}
