package core_test

import (
	"context"
	"path"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// A main function was made where Run or RunOn was called, not in the loop that has begun it.
func TestTrackMain(t *testing.T) {
	track(t)
	_, file, line, _ := runtime.Caller(0)
	wantErr(t, "Run", core.Run(t.Context(), func(context.Context) error {
		all := core.PendingFutures()
		if len(all) != 1 || path.Base(all[0].Made.File) != path.Base(file) || all[0].Made.Line != line+1 {
			t.Errorf("pending: %v", all)
		}
		return nil
	}), nil)
}

// A sequence that is pulled waits in yield, wherever that is.
func TestTrackPulled(t *testing.T) {
	track(t)
	run(t, func(t *testing.T, ctx context.Context) {
		next, stop := core.Pull(ctx, func(yield func(int, error) bool) { _ = yield(1, nil) })
		defer stop()
		_, _, _ = next(ctx)
		all := core.PendingFutures()
		if w := all[len(all)-1].Waits; !strings.HasPrefix(w, "core.(*pull[...]).yield at ") || !strings.Contains(w, "TestTrackPulled") {
			t.Errorf("it waits in %q", w)
		}
	})
}
