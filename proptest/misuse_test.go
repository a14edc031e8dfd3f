package proptest_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Where only the tasks could end a wait, but do not run meanwhile, the wait fails at once: it would last for ever.
func TestWaitOutsideOfTasks(t *testing.T) {
	wait := func() bool {
		var e event.AsyncEvent
		return e.Wait(context.Background()) == nil
	}
	for name, prop := range map[string]func(p *proptest.P){
		"the property": func(p *proptest.P) { _ = p.Go("w", core.Yield).Wait(p.Context()) },
		"a select": func(p *proptest.P) {
			p.Go("w", core.Yield)
			_, _ = xsync.Select(p.Context(), new(event.AsyncEvent).WaitCase())
		},
		"Always, before the first step": func(p *proptest.P) { p.Go("w", core.Yield); p.Always("waits", wait) },
		"Finally":                       func(p *proptest.P) { p.Go("w", core.Yield); p.Finally("waits", wait) },
		"Cleanup":                       func(p *proptest.P) { p.Go("w", core.Yield); p.Cleanup(func() { wait() }) },
	} {
		t.Run(name, func(t *testing.T) {
			wantFound(t, "wait outside of the tasks of a simulation", prop)
		})
	}
}

// What need not wait works everywhere, and on the goroutine of the test it works again when the check is over.
func TestNoWaitOutsideOfTasks(t *testing.T) {
	passes(t, func(p *proptest.P) {
		var l lock.AsyncLock
		do := func() bool { return l.Do(p.Context(), func(context.Context) error { return nil }) == nil }
		if !do() {
			p.Fatalf("the lock is not free")
		}
		p.Go("w", func(ctx context.Context) error { return l.Do(ctx, core.Yield) })
		p.Finally("the lock is free", func() bool { ok := l.TryAcquire(); l.Release(); return ok })
		p.Cleanup(func() { l.Stats() })
	})
	check.Record(t.Name(), func(r *check.Recorder) {
		defer func() { // what ends the test leaves no bar behind
			var e event.AsyncEvent
			time.AfterFunc(time.Millisecond, e.Fire)
			if err := e.Wait(context.Background()); err != nil {
				t.Error(err)
			}
		}()
		proptest.Check(r, func(*proptest.P) { r.FailNow() })
	})
}

// A Goexit that is not in a task ends the test, and says where it was.
func TestGoexitOutsideOfTasks(t *testing.T) {
	for name, prop := range map[string]func(p *proptest.P, fail func()){
		"the property": func(_ *proptest.P, fail func()) { fail() },
		"Always, before the first step": func(p *proptest.P, fail func()) {
			p.Always("holds", func() bool { fail(); return true })
		},
		"Always": func(p *proptest.P, fail func()) {
			begun := false
			p.Go("w", func(context.Context) error { begun = true; return nil })
			p.Always("holds", func() bool {
				if begun {
					fail()
				}
				return true
			})
		},
		"Finally": func(p *proptest.P, fail func()) { p.Finally("holds", func() bool { fail(); return true }) },
		"Cleanup": func(p *proptest.P, fail func()) { p.Cleanup(fail) },
		"a callback": func(p *proptest.P, fail func()) {
			p.Go("w", func(ctx context.Context) error {
				core.DispatcherOf(ctx).CallSoon(fail)
				return core.Yield(ctx)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := check.Record(t.Name(), func(r *check.Recorder) {
				proptest.Check(r, func(p *proptest.P) {
					p.Go("first", core.Yield)
					prop(p, func() { r.Fail(); runtime.Goexit() })
				})
			})
			const want = "called runtime.Goexit at misuse_test.go:"
			if out := r.Output(); !strings.Contains(out, want) || strings.Count(out, "Goexit") != 1 {
				t.Errorf("the check does not say %q once, but:\n%s", want, out)
			}
		})
	}
}

// A task that comes too late would never run, and what is posted then must not run in the next case.
func TestTooLate(t *testing.T) {
	start := func(p *proptest.P) { p.Go("late", core.Yield) }
	for name, prop := range map[string]func(p *proptest.P){
		"Finally": func(p *proptest.P) { p.Finally("holds", func() bool { start(p); return true }) },
		"Cleanup": func(p *proptest.P) { p.Cleanup(func() { start(p) }) },
	} {
		t.Run(name, func(t *testing.T) {
			wantFound(t, "P.Go when the tasks of the case have ended", func(p *proptest.P) { p.Go("w", core.Yield); prop(p) })
		})
	}
	cases := 0
	passes(t, func(p *proptest.P) {
		cases++
		own, d := cases, core.DispatcherOf(p.Context())
		p.Go("w", core.Yield)
		p.Cleanup(func() {
			d.CallSoon(func() {
				if cases != own {
					t.Errorf("a callback of case %d runs in case %d", own, cases)
				}
			})
		})
	}, proptest.Cases(100))
}

// A bucket that is filled by package time is not taken for a deadlock.
func TestRealTokens(t *testing.T) {
	prop := func(p *proptest.P) {
		b := xsync.NewTokenBucket(1, time.Hour, xsync.Continuous)
		for range 2 {
			p.Go("w", func(ctx context.Context) error { return b.Consume(ctx, 1) })
		}
	}
	wantFound(t, "xsync.TokenBucket.Consume at misuse_test.go:", prop)
	held(t, prop, proptest.Bubble())
	passes(t, func(p *proptest.P) {
		b := xsync.NewTokenBucketOn(core.DispatcherOf(p.Context()), 1, time.Hour, xsync.Continuous)
		for range 2 {
			p.Go("w", func(ctx context.Context) error { return b.Consume(ctx, 1) })
		}
	})
}

// A claim that panics, or fails the case, is named under Goroutines, too.
func TestClaimsOfGoroutines(t *testing.T) {
	for name, claim := range map[string]func(p *proptest.P, ok func() bool){
		"Always":  func(p *proptest.P, ok func() bool) { p.Always("holds", ok) },
		"Finally": func(p *proptest.P, ok func() bool) { p.Finally("holds", ok) },
	} {
		t.Run(name, func(t *testing.T) {
			out := foundIn(t, func(p *proptest.P) {
				p.Go("w", core.Yield)
				claim(p, func() bool { panic("oh") })
			}, proptest.Goroutines())
			wants(t, out, `claim "holds" panicked at misuse_test.go:`, "replay:")
			out = foundIn(t, func(p *proptest.P) {
				p.Go("w", core.Yield)
				claim(p, func() bool { p.Fatalf("too %s", "bad"); return true })
			}, proptest.Goroutines())
			wants(t, out, "failed after 0 tests: too bad", "replay:")
		})
	}
}

// While core.Track is on the garbage collector finds failed futures of earlier cases. It is not taken for a goroutine
// that takes part in the present one.
func TestTrackedGarbage(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	passes(t, func(p *proptest.P) {
		p.Go("loses", func(ctx context.Context) error {
			core.Async(ctx, func(ctx context.Context) (int, error) { return 0, errTest })
			return core.Yield(ctx)
		})
		p.Go("collects", func(ctx context.Context) error {
			runtime.GC()
			return core.Steps(ctx, 5)
		})
	}, proptest.Cases(200))
}
