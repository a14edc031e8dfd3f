package core_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// level makes a ctx below another, and says how to end it, how to let go of it, and what error and
// cause its end has.
type level struct {
	name       string
	derive     func(ctx context.Context, timeout time.Duration) (_ context.Context, end, release func())
	err, cause error
}

var levels = []level{
	{"context.WithCancelCause", func(ctx context.Context, _ time.Duration) (context.Context, func(), func()) {
		ctx, cancel := context.WithCancelCause(ctx)
		return ctx, func() { cancel(errBoom) }, func() { cancel(nil) }
	}, context.Canceled, errBoom},
	{"task", func(ctx context.Context, _ time.Duration) (context.Context, func(), func()) {
		var own context.Context
		task := core.Start(ctx, func(ctx context.Context) error { own = ctx; return core.Sleep(context.Background(), time.Hour) })
		return own, func() { task.CancelCause(errBoom) }, func() {}
	}, context.Canceled, errBoom},
	{"context.WithTimeoutCause", func(ctx context.Context, timeout time.Duration) (context.Context, func(), func()) {
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, errBoom)
		return ctx, func() { _ = core.Sleep(context.Background(), timeout) }, cancel
	}, context.DeadlineExceeded, errBoom},
	{"core.WithCancel", func(ctx context.Context, _ time.Duration) (context.Context, func(), func()) {
		ctx, cancel := core.WithCancel(ctx)
		return ctx, cancel, cancel
	}, context.Canceled, context.Canceled},
	{"core.WithTimeout", func(ctx context.Context, timeout time.Duration) (context.Context, func(), func()) {
		ctx, cancel := core.WithTimeout(ctx, timeout)
		return ctx, func() { _ = core.Sleep(context.Background(), timeout) }, cancel
	}, context.DeadlineExceeded, context.DeadlineExceeded},
}

// Contexts of the standard library and of this package in turn, each below the one before: the end
// of one reaches all below it, with its error and cause, and none above. Values go through, and
// a function of context.AfterFunc runs where the end has reached.
func TestContextsInTurn(t *testing.T) {
	depth := 2 * len(levels)
	for first := range levels {
		for end := range depth {
			run(t, func(t *testing.T, ctx context.Context) {
				at := func(i int) level { return levels[(first+i)%len(levels)] }
				chain, ends := make([]context.Context, depth), make([]func(), depth)
				heard := make([]bool, depth)
				for i := range depth {
					timeout := 1000 * time.Hour
					if i == end {
						timeout = time.Minute
					}
					below, stop, release := at(i).derive(ctx, timeout)
					defer release()
					ctx = context.WithValue(below, key{i}, i)
					chain[i], ends[i] = ctx, stop
					defer context.AfterFunc(ctx, func() { heard[i] = true })()
				}
				ends[end]()
				synctest.Wait()
				for i, ctx := range chain {
					var err, cause error
					if i >= end {
						err, cause = at(end).err, at(end).cause
					}
					if ctx.Err() != err || context.Cause(ctx) != cause || heard[i] != (i >= end) {
						t.Errorf("%s at %d ended: %s at %d has %v, cause %v, heard %t",
							at(end).name, end, at(i).name, i, ctx.Err(), context.Cause(ctx), heard[i])
					}
					for k := range chain {
						if v := ctx.Value(key{k}); (v == k) != (k <= i) {
							t.Errorf("%d: value %d is %v", i, k, v)
						}
					}
				}
			})
		}
	}
}

// Deriving a ctx takes no goroutine, from a ctx of this package as from one of the standard
// library's: neither below a task nor a task below.
func TestDerivingStartsNoGoroutine(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		tasks := 0
		before := runtime.NumGoroutine()
		for range 20 {
			for _, l := range levels {
				below, _, release := l.derive(ctx, 1000*time.Hour)
				defer release()
				if l.name == "task" {
					tasks++ // its coroutine
				}
				ctx = below
				ctx.Done()
			}
		}
		// A cleanup of something else may be running.
		if n := runtime.NumGoroutine() - before; n >= tasks+10 {
			t.Errorf("%d goroutines for %d tasks", n, tasks)
		}
	})
}
