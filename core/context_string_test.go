package core_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// plainContext has no String.
type plainContext struct{ context.Context }

// A ctx can be printed while tasks below it come and go.
func TestContextIsPrintedAnywhere(t *testing.T) {
	wantErr(t, "Run", core.Run(context.Background(), func(ctx context.Context) error {
		timeout, cancel := core.WithTimeout(ctx, time.Hour)
		defer cancel()
		at, _ := timeout.Deadline()
		short, stop := core.WithCancel(ctx)
		defer stop()
		var plain context.Context
		plained := core.Start(plainContext{ctx}, func(ctx context.Context) error {
			plain = ctx
			return core.Sleep(ctx, time.Hour)
		})
		defer plained.Cancel()
		names := map[context.Context]string{
			ctx:                        "context.Background.core.Task",
			timeout:                    "context.Background.core.WithDeadline(" + at.String() + ")",
			short:                      "context.Background.core.WithCancel",
			core.Shield(ctx):           "context.Background.core.Shield",
			context.WithoutCancel(ctx): "context.Background.core.Task.WithoutCancel",
		}
		names[plain] = "core_test.plainContext.core.Task"
		printed := make(chan struct{})
		go func() {
			defer close(printed)
			for range 100 {
				for ctx, name := range names {
					if got := fmt.Sprint(ctx); got != name {
						t.Errorf("it prints as %q, want %q", got, name)
					}
				}
			}
		}()
		for range 100 {
			for ctx := range names {
				wantErr(t, "Wait", core.Start(ctx, core.Yield).Wait(ctx), nil)
			}
		}
		_, _, err := core.Receive(ctx, printed)
		return err
	}), nil)
}
