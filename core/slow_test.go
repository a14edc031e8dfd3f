package core_test

import (
	"context"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// holdFor is the function that a trace must name.
func holdFor(d time.Duration) { <-time.After(d) }

// TestSlowTask: a step of a task that holds the loop is reported with the stack of the goroutine
// that does, wherever that is below the loop.
func TestSlowTask(t *testing.T) {
	const limit = time.Second
	for _, c := range []struct {
		name string
		main func(ctx context.Context) error
		want []string // in the stack
	}{
		{"the first step of main", func(ctx context.Context) error {
			holdFor(2 * limit)
			return nil
		}, []string{"core_test.holdFor", "core.(*task).run"}},
		{"a later step", func(ctx context.Context) error {
			err := core.Yield(ctx)
			holdFor(2 * limit)
			return err
		}, []string{"core_test.holdFor", "core.(*task).run"}},
		{"a task that a task has started", func(ctx context.Context) error {
			return core.Start(ctx, func(ctx context.Context) error {
				holdFor(2 * limit)
				return nil
			}).Wait(ctx)
		}, []string{"core_test.holdFor", "core.(*task).run"}},
		{"among others that wait", func(ctx context.Context) error {
			for range 3 {
				core.Start(ctx, forever)
			}
			err := core.Sleep(ctx, time.Minute)
			holdFor(2 * limit)
			return err
		}, []string{"core_test.holdFor", "core.(*task).run"}},
		{"a body of iter.Pull that waits", func(ctx context.Context) error {
			next, stop := iter.Pull(func(yield func(int) bool) {
				_ = yield(1)
				_ = core.Sleep(ctx, 2*limit) // its goroutine is none that a dispatcher knows
			})
			defer stop()
			next()
			_ = core.Yield(ctx)
			next()
			return nil
		}, []string{"core.Sleep", "core_test.TestSlowTask.func", "created by iter.Pull"}},
		{"one in the other", func(ctx context.Context) error {
			inner := func(yield func(int) bool) {
				yield(1)
				holdFor(2 * limit)
			}
			next, stop := iter.Pull(func(yield func(int) bool) {
				next, stop := iter.Pull(inner)
				defer stop()
				next()
				yield(1)
				next()
			})
			defer stop()
			next()
			next()
			return core.Yield(ctx)
		}, []string{"core_test.holdFor", "created by iter.Pull"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var got []dispatch.SlowCallback
				d, err := dispatch.New(dispatch.Config{
					SlowCallback: limit,
					OnSlow:       func(s dispatch.SlowCallback) { got = append(got, s) },
				})
				if err != nil {
					t.Fatal(err)
				}
				// Another loop, with the same trouble.
				other, stop := looping(t, dispatch.Config{SlowCallback: time.Hour})
				held := core.Start(core.On(t.Context(), other), func(context.Context) error {
					time.Sleep(10 * limit)
					return nil
				})
				synctest.Wait()
				wantErr(t, "RunOn", core.RunOn(t.Context(), d, c.main), nil)
				wantErr(t, "Close", d.Close(), nil)
				<-held.Done()
				wantErr(t, "Close", stop(), nil)
				if len(got) != 1 {
					t.Fatalf("%d reports: %v", len(got), got)
				}
				stack := string(got[0].Stack)
				for _, want := range c.want {
					if !strings.Contains(stack, want) {
						t.Errorf("%q is not in the stack\n%s", want, stack)
					}
				}
				if strings.Contains(stack, "\n\ngoroutine ") {
					t.Errorf("more than one stack\n%s", stack)
				}
			})
		})
	}
}

// TestSlowForgetsCoroutines: the watchdog knows a coroutine until its end, also after a Goexit.
func TestSlowForgetsCoroutines(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{MaxIdleCoroutines: -1})
	if err != nil {
		t.Fatal(err)
	}
	var l watchLoop
	core.WrapLoop(d, func(loop seam.Loop) seam.Loop { l.Loop = loop; return &l })
	wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
		for range 10 {
			if err := core.Start(ctx, func(ctx context.Context) error { return core.Yield(ctx) }).Wait(ctx); err != nil {
				return err
			}
		}
		wantErr(t, "Goexit", core.Start(ctx, goexit).Wait(ctx), core.ErrGoexit)
		return core.Steps(ctx, 3)
	}), nil)
	wantErr(t, "Close", d.Close(), nil)
	if l.joined < 12 || l.joined != l.left {
		t.Errorf("%d have joined, %d have left", l.joined, l.left)
	}
}

// watchLoop counts the coroutines that a watchdog would know.
type watchLoop struct {
	seam.Loop
	joined, left int
}

func (l *watchLoop) Watch() func() {
	l.joined++
	return func() { l.left++ }
}
