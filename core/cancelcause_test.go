package core_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// A cancel with a cause reaches the task below at once, and tells it why, the first one that comes.
func TestWithCancelCause(t *testing.T) {
	for _, where := range []string{"task", "goroutine"} {
		for _, cause := range []error{errBoom, nil} {
			body := func(ctx context.Context) error {
				below, cancel := core.WithCancelCause(ctx)
				task := core.Start(below, func(ctx context.Context) error {
					err := forever(ctx)
					if got := context.Cause(ctx); got != cause && (cause != nil || got != context.Canceled) {
						t.Errorf("%s: the task is told %v", where, got)
					}
					return err
				})
				cancel(cause)
				cancel(errors.New("late"))
				if err := task.Wait(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("%s: %v", where, err)
				}
				if got := context.Cause(below); below.Err() != context.Canceled || got != cause && (cause != nil || got != context.Canceled) {
					t.Errorf("%s: %v, cause %v", where, below.Err(), got)
				}
				return ctx.Err()
			}
			if where == "task" {
				wantErr(t, "Run", core.Run(t.Context(), body), nil)
			} else {
				wantErr(t, "body", body(t.Context()), nil)
			}
		}
	}
}
