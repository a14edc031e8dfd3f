package proptest_test

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// parked is closed when the task that calls it has begun to wait.
func parked(ctx context.Context) <-chan struct{} {
	ch := make(chan struct{})
	core.DispatcherOf(ctx).CallSoon(func() { close(ch) })
	return ch
}

// A goroutine that is not simulated fails the case, by name: never does it make a false deadlock.
func TestGoroutines(t *testing.T) {
	for name, c := range map[string]struct {
		want []string
		prop func(p *proptest.P)
	}{
		"that completes a future": {
			[]string{"has taken part, with core.Future.Complete", "Complete at outside_test.go:"},
			does(func(ctx context.Context, _ *proptest.P) error {
				f := core.NewFuture[int]()
				waits := parked(ctx)
				go func() { <-waits; f.Complete(1) }()
				_, err := f.Await(ctx)
				return err
			}),
		},
		"that starts a task": {
			[]string{"has taken part, with core.Start at outside_test.go:"},
			does(func(ctx context.Context, _ *proptest.P) error {
				ended := core.NewFuture[int]()
				waits := parked(ctx)
				go func() {
					<-waits
					core.Start(ctx, func(context.Context) error { ended.Complete(1); return nil })
				}()
				_, err := ended.Await(ctx)
				return err
			}),
		},
		"that starts a task of the case": {
			[]string{"has taken part, with core.Start"},
			does(func(ctx context.Context, p *proptest.P) error {
				ended := core.NewFuture[int]()
				waits := parked(ctx)
				go func() {
					<-waits
					core.Start(p.Context(), func(context.Context) error { ended.Complete(1); return nil })
				}()
				_, err := ended.Await(ctx)
				return err
			}),
		},
		"that sends on a channel, one day": {
			[]string{"by a goroutine that is not simulated", "TestGoroutines.", "started at outside_test.go:"},
			does(func(ctx context.Context, p *proptest.P) error {
				ch, never := make(chan int), make(chan int)
				p.Cleanup(func() { close(never) })
				go func() {
					select {
					case ch <- <-never:
					default:
					}
				}()
				_, _, err := core.Receive(ctx, ch)
				return err
			}),
		},
		"of a goroutine": {
			[]string{"by a goroutine that is not simulated", "started at outside_test.go:"},
			does(func(ctx context.Context, p *proptest.P) error {
				never := make(chan int)
				p.Cleanup(func() { close(never) })
				go func() {
					go func() { <-never }()
					<-never
				}()
				return new(event.AsyncEvent).Wait(ctx)
			}),
		},
		"of the property function": {[]string{"by a goroutine that is not simulated", "started at outside_test.go:"}, func(p *proptest.P) {
			never := make(chan int)
			p.Cleanup(func() { close(never) })
			go func() { <-never }()
			p.Go("w", func(ctx context.Context) error { return new(event.AsyncEvent).Wait(ctx) })
		}},
		"that runs a method": {
			[]string{"has taken part, with core.Future.Complete at outside_test.go:"},
			does(func(ctx context.Context, _ *proptest.P) error {
				f := core.NewFuture[int]()
				afterwards(ctx, func() { time.AfterFunc(5*time.Millisecond, func() { go f.Complete(1) }) })
				_, err := f.Await(ctx)
				return err
			}),
		},
		"of context.AfterFunc": {
			[]string{"has taken part, with event.AsyncEvent.Fire: "},
			does(func(ctx context.Context, _ *proptest.P) error {
				var e event.AsyncEvent
				other, cancel := context.WithCancel(ctx)
				context.AfterFunc(other, e.Fire)
				core.DispatcherOf(ctx).CallSoon(cancel)
				return e.Wait(ctx)
			}),
		},
		"of time.AfterFunc": {
			[]string{"has taken part, with event.AsyncEvent.Fire: "},
			does(func(ctx context.Context, _ *proptest.P) error {
				var e event.AsyncEvent
				afterwards(ctx, func() { time.AfterFunc(5*time.Millisecond, e.Fire) })
				return e.Wait(ctx)
			}),
		},
		"of another dispatcher": {
			[]string{"has taken part, with a task of another dispatcher: start it as a task"},
			onAnotherDispatcher,
		},
		"of time.AfterFunc that cancels": {
			[]string{"something that is not simulated has taken part"},
			does(func(ctx context.Context, _ *proptest.P) error {
				other, cancel := context.WithCancel(ctx)
				afterwards(ctx, func() { time.AfterFunc(5*time.Millisecond, cancel) })
				_ = new(event.AsyncEvent).Wait(other)
				return nil
			}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := wantFound(t, c.want[0], c.prop)
			for _, text := range c.want {
				if !strings.Contains(out, text) {
					t.Errorf("it does not say %q:\n%s", text, out)
				}
			}
			if strings.Contains(out, "deadlock") {
				t.Errorf("it speaks of a deadlock:\n%s", out)
			}
		})
	}
}

// Goroutines that have nothing to do with the case do not hide a deadlock: those from before, those of
// others, and those that have ended.
func TestDeadlockBesideGoroutines(t *testing.T) {
	r := check.Record(t.Name(), func(r *check.Recorder) {
		stop := make(chan struct{})
		ended := make(chan struct{})
		go func() { defer close(ended); <-stop }()
		defer func() { close(stop); <-ended }()
		proptest.Check(r, does(func(ctx context.Context, _ *proptest.P) error {
			go func() {}()
			return new(event.AsyncEvent).Wait(ctx)
		}))
	})
	if out := r.Output(); !strings.Contains(out, "proptest: deadlock") || strings.Contains(out, "flaky") {
		t.Errorf("no deadlock:\n%s", out)
	}
}

// derived is a way to derive a ctx.
type derived func(ctx context.Context) (context.Context, context.CancelFunc)

// ours is core.WithTimeout, and plain is one that has nothing to cancel.
func ours(d time.Duration) derived {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return core.WithTimeout(ctx, d) }
}

func plain(derive func(ctx context.Context) context.Context) derived {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return derive(ctx), func() {} }
}

// A wait with a context that ends in real time fails the case, with its place; one that can only seem so
// does not.
func TestRealTimers(t *testing.T) {
	type key struct{}
	wait := func(ctx context.Context) error {
		var e event.AsyncEvent
		core.DispatcherOf(ctx).CallSoon(e.Fire)
		return e.Wait(ctx)
	}
	var (
		std = derived(func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Hour)
		})
		deadline = derived(func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithDeadline(ctx, time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC))
		})
		cancelable = derived(context.WithCancel)
		value      = plain(func(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, 1) })
		shield     = plain(core.Shield)
		detach     = plain(core.Detach)
	)
	type chain []derived
	for name, c := range map[string]struct {
		of   chain
		real bool
	}{
		"WithTimeout":                       {chain{std}, true},
		"WithDeadline":                      {chain{deadline}, true},
		"below values":                      {chain{value, std, value}, true},
		"above a cancel":                    {chain{std, cancelable}, true},
		"above ours":                        {chain{std, ours(time.Second)}, true},
		"above ours, which is later":        {chain{std, ours(1 << 62)}, true},
		"above ours and a cancel":           {chain{std, value, ours(time.Second), value, cancelable}, true},
		"below a shield":                    {chain{shield, std, value}, true},
		"ours":                              {chain{ours(time.Second)}, false},
		"ours with values":                  {chain{value, ours(time.Second), value}, false},
		"ours below and above a cancel":     {chain{cancelable, ours(time.Second), cancelable}, false},
		"ours above one that is later":      {chain{ours(time.Second), std}, false},
		"ours twice":                        {chain{ours(time.Second), cancelable, ours(time.Hour), cancelable}, false},
		"above a shield":                    {chain{std, shield}, false},
		"above a shield with a value":       {chain{std, shield, value, cancelable}, false},
		"above a shield with a timeout":     {chain{std, shield, ours(time.Second), cancelable}, false},
		"above a detached one":              {chain{std, detach, ours(time.Second), value, cancelable}, false},
		"above a shield and one more below": {chain{std, shield, ours(time.Second), shield, std}, true},
	} {
		t.Run(name, func(t *testing.T) {
			prop := does(func(ctx context.Context, _ *proptest.P) error {
				for _, derive := range c.of {
					below, cancel := derive(ctx)
					defer cancel()
					ctx = below
				}
				return wait(ctx)
			})
			if !c.real {
				passes(t, prop)
				return
			}
			wantFound(t, "at outside_test.go:", prop)
			wantFound(t, "has a context of context.WithTimeout or WithDeadline, which ends in real time", prop)
		})
	}
}

// Contexts of package context whose cancel is called in a task work as ours do, with no goroutine
// between.
func TestStandardCancel(t *testing.T) {
	type key struct{}
	for name, derive := range map[string]derived{
		"WithCancel": context.WithCancel,
		"WithCancelCause": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			return ctx, func() { cancel(errTest) }
		},
		"below ours": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := core.WithCancel(ctx)
			ctx, below := context.WithCancel(context.WithValue(ctx, key{}, 1))
			return ctx, func() { cancel(); below() }
		},
		"above ours": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			ctx, below := core.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
			return ctx, func() { cancel(); _ = ctx.Err(); below() }
		},
		"of nothing": func(context.Context) (context.Context, context.CancelFunc) {
			return context.WithCancel(context.Background())
		},
		"WithoutCancel": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithCancel(context.WithoutCancel(ctx))
		},
	} {
		t.Run(name, func(t *testing.T) {
			passes(t, func(p *proptest.P) {
				var l lock.AsyncLock
				var order []int
				p.Go("owner", func(ctx context.Context) error {
					own := core.Shield(ctx)
					ctx, cancel := derive(own)
					defer cancel()
					if err := l.Acquire(own); err != nil {
						return err
					}
					defer l.Release()
					for i := range 3 {
						core.Start(own, func(context.Context) error {
							if err := l.Acquire(ctx); err == nil {
								l.Release()
								return nil
							}
							order = append(order, i)
							return nil
						})
					}
					if err := core.Steps(own, 2); err != nil {
						return err
					}
					cancel()
					return core.Steps(own, 2)
				})
				p.Finally("all were canceled, in order", func() bool {
					if name == "above ours" { // which wakes its waiters itself
						slices.Sort(order)
					}
					return slices.Equal(order, []int{0, 1, 2})
				})
			}, proptest.Deviations(0))
		})
	}
}

// A wake that comes from outside while its case ends reaches its task even so, which else would stay suspended for
// ever.
func TestGoroutinesLateWake(t *testing.T) {
	defer proptest.SetNoted(func() {
		for range 100_000 {
			runtime.Gosched()
		}
	})()
	before := park.Entries()
	wantFound(t, "has taken part, with a task of another dispatcher", onAnotherDispatcher)
	if n := park.Entries(); n != before {
		t.Errorf("%d coroutines and loops, before there were %d", n, before)
	}
}

// onAnotherDispatcher is a property whose task waits for one of a dispatcher that is not simulated.
func onAnotherDispatcher(p *proptest.P) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		p.Fatalf("%v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = core.RunOn(ctx, d, func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) })
	}()
	p.Cleanup(func() { stop(); <-ended; _ = d.Close() })
	p.Go("w", func(ctx context.Context) error {
		waits := make(chan struct{})
		afterwards(ctx, func() { close(waits) })
		return core.Start(core.On(ctx, d), func(context.Context) error { <-waits; return nil }).Wait(ctx)
	})
}

// afterwards calls fn once the calling task waits, and not before, however slow the machine is: a callback runs
// between the turns of tasks.
func afterwards(ctx context.Context, fn func()) { core.DispatcherOf(ctx).CallSoon(fn) }
