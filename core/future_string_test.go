package core_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// Futures and tasks can be printed while others wait for them, and finish them.
func TestFutureIsPrintedAnywhere(t *testing.T) {
	wantErr(t, "Run", core.Run(t.Context(), func(ctx context.Context) error {
		for range 20 {
			own := core.NewFuture[[]string]()
			made := core.Async(ctx, func(ctx context.Context) (string, error) { return "v", core.Steps(ctx, 5) })
			task := core.Start(ctx, func(ctx context.Context) error {
				_, err := own.Await(ctx)
				return err
			})
			stop, ended := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(ended)
				for {
					for _, what := range []any{own, made, task} {
						_ = fmt.Sprintf("%v %+v", what, what)
					}
					select {
					case <-stop:
						return
					default:
						runtime.Gosched() // where there is one thread, others run now
					}
				}
			}()
			own.OnCancel(func() {})
			own.Done()
			_ = core.Steps(ctx, 3)
			own.Complete([]string{"a"})
			wantErr(t, "AllFinished", core.AllFinished[core.Waitable](ctx, own, made, task), nil)
			close(stop)
			if _, _, err := core.Receive(ctx, ended); err != nil {
				return err
			}
		}
		return nil
	}), nil)
}

func TestFutureString(t *testing.T) {
	canceled := core.NewFuture[int]()
	canceled.Cancel()
	task := core.Start(t.Context(), func(context.Context) error { return nil })
	wantErr(t, "Wait", task.Wait(t.Context()), nil)
	var none *core.Future[int]
	for want, what := range map[string]any{
		"core.Future(pending)":   core.NewFuture[string](),
		"core.Future(completed)": core.Completed(1),
		"core.Future(failed)":    core.Failed[int](errors.New("boom")),
		"core.Future(canceled)":  canceled,
		"core.Task(completed)":   task,
		"<nil>":                  none,
	} {
		if got := fmt.Sprint(what); got != want {
			t.Errorf("it prints as %q, want %q", got, want)
		}
	}
}
