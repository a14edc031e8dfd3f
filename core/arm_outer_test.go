package core_test

import (
	"context"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// A cancel that comes behind a wait inside a wait ends the outer one.
func TestCancelBehindAWaitInsideAWait(t *testing.T) {
	for name, outer := range outers {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, ctx context.Context) {
				a, cancel := core.WithCancel(ctx)
				b, cancelB := core.WithCancel(ctx)
				defer cancelB()
				w := &waiting{Context: context.WithValue(a, ballastKey{}, 1)}
				w.wait = func() { // not the first call, when nothing is armed yet
					w.wait = func() { wantErr(t, "inner", core.Sleep(b, time.Millisecond), nil) }
				}
				task := core.Start(ctx, func(context.Context) error { return outer(w, core.NewFuture[int]()) })
				_ = core.Sleep(ctx, 2*time.Millisecond)
				cancel()
				_ = core.Steps(ctx, 4)
				if !task.Finished() {
					t.Error("the cancel was lost")
					task.Cancel()
				}
				wantErr(t, "outer", task.Wait(ctx), context.Canceled)
			})
		})
	}
}

// hooked is a ctx of somebody else's that counts what hangs on it, and whose Err may wait.
type hooked struct {
	waiting
	hooks int
}

func (h *hooked) Value(any) any { return nil } // so that package context does not find the one inside

func (h *hooked) AfterFunc(fn func()) func() bool {
	h.hooks++
	stop := context.AfterFunc(h.Context, fn)
	return func() bool { h.hooks--; return stop() }
}

// Waits inside each other leave nothing at the contexts of somebody else's that they had.
func TestWaitInsideAWaitLeavesNoHook(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		newHooked := func() *hooked {
			inner, cancel := context.WithCancel(context.Background())
			t.Cleanup(cancel)
			return &hooked{waiting: waiting{Context: inner}}
		}
		a, b, f := newHooked(), newHooked(), core.NewFuture[int]()
		a.wait = func() { // not the first call, when nothing is armed yet
			a.wait = func() {
				g := core.NewFuture[int]()
				core.Spawn(ctx, func(ctx context.Context) error {
					_ = core.Yield(ctx)
					equal(t, []int{a.hooks, b.hooks}, 1, 1)
					g.Complete(1)
					return nil
				})
				_, err := g.Await(b)
				wantErr(t, "inner", err, nil)
				equal(t, []int{a.hooks, b.hooks}, 1, 0)
			}
		}
		task := core.Start(ctx, func(context.Context) error { _, err := f.Await(a); return err })
		_ = core.Steps(ctx, 4)
		f.Complete(1)
		wantErr(t, "outer", task.Wait(ctx), nil)
		equal(t, []int{a.hooks, b.hooks}, 0, 0)
	})
}

// preempted is a loop on which something happens before a timer is armed.
type preempted struct {
	seam.Loop
	happens func()
}

func (p *preempted) Arm(t seam.TimedRunnable, when int64) bool {
	if p.happens != nil {
		p.happens()
	}
	return p.Loop.Arm(t, when)
}

// A ctx that ends while its timer is being armed leaves no timer behind.
func TestTimeoutCanceledWhileItIsMade(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	p := &preempted{}
	core.WrapLoop(d, func(loop seam.Loop) seam.Loop { p.Loop = loop; return p })
	err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
		above, cancel := core.WithCancel(ctx)
		before := d.Pending()
		p.happens = cancel
		below, cancelBelow := core.WithTimeout(above, time.Hour)
		p.happens = nil
		wantErr(t, "Err", below.Err(), context.Canceled)
		if n := d.Pending(); n != before {
			t.Errorf("%d pending, want %d", n, before)
		}
		cancelBelow()
		return nil
	})
	wantErr(t, "RunOn", err, nil)
}

// through is a hooked that shows the values of the ctx inside it, and has a channel of its own, without
// which package context would find that one.
type through struct {
	hooked
	done chan struct{}
}

func (c *through) Value(key any) any     { return c.Context.Value(key) }
func (c *through) Done() <-chan struct{} { return c.done }

// A ctx that was canceled leaves nothing at one of somebody else's above it.
func TestCancelLeavesNoHook(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		above := &through{hooked{waiting: waiting{Context: ctx}}, make(chan struct{})}
		for name, derive := range map[string]func() context.CancelFunc{
			"WithCancel":  func() context.CancelFunc { _, cancel := core.WithCancel(above); return cancel },
			"WithTimeout": func() context.CancelFunc { _, cancel := core.WithTimeout(above, time.Hour); return cancel },
		} {
			cancel := derive()
			if above.hooks != 1 {
				t.Errorf("%s: %d hooks", name, above.hooks)
			}
			cancel()
			if above.hooks != 0 {
				t.Errorf("%s, canceled: %d hooks", name, above.hooks)
			}
		}
	})
}
