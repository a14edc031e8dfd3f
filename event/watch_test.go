package event_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func changed(w *event.Watch[string], ctx context.Context, since uint64) func() string {
	return func() string {
		v, n, err := w.Changed(ctx, since)
		return fmt.Sprint(v, n, " ", text(err))
	}
}

func TestWatchVersions(t *testing.T) {
	var w event.Watch[string]
	if v, n := w.Load(); v != "" || n != 0 {
		t.Fatalf("Load() of the zero value = %q, %d", v, n)
	}
	w.Set("a")
	w.Set("b")
	if v, n := w.Load(); v != "b" || n != 2 {
		t.Fatalf("Load() = %q, %d", v, n)
	}
	// Any other version than the latest is old, also one that there never was.
	for _, since := range []uint64{0, 1, 3} {
		same(t, "Changed()", changed(&w, t.Context(), since)(), "b2 ok")
	}
	same(t, "Stats()", w.Stats(), event.WatchStats{Version: 2})
}

// The version that comes back is never the since, also where that one is only reached during the
// call.
func TestWatchSinceToCome(t *testing.T) {
	const last = 50_000
	var w event.Watch[int]
	go func() {
		for i := range last {
			w.Set(i + 1)
		}
	}()
	for _, n := w.Load(); n < last-1; _, n = w.Load() {
		if v, got, err := w.Changed(t.Context(), n+1); uint64(v) != got || got == n+1 || err != nil {
			t.Fatalf("Changed(%d) = %d, %d, %v", n+1, v, got, err)
		}
		if runtime.GOOS == "js" {
			runtime.Gosched() // nothing else lets the setter run there
		}
	}
}

// Who comes with a version that is not the latest does not wait, also where others wait who have seen the
// latest: what they wait for is not the same.
func TestWatchLateBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w event.Watch[string]
		var c calls
		looked := make(chan struct{})
		c.start("late", changed(&w, &between{t.Context(), 1, func() { <-looked }}, 0))
		w.Set("x")
		c.start("first", changed(&w, t.Context(), 1))
		close(looked)
		c.want(t, "late x1 ok")
		w.Set("y")
		c.want(t, "first y2 ok")
	})
}

// So does a Select.
func TestWatchCaseBehindOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w event.Watch[string]
		var c calls
		w.Set("x")
		c.start("first", changed(&w, t.Context(), 1))
		c.start("case", func() string {
			_, err := xsync.Select(t.Context(), w.ChangedCase(0))
			return text(err)
		})
		c.want(t, "case ok")
		w.Set("y")
		c.want(t, "first y2 ok")
	})
}

func TestWatchChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w event.Watch[string]
		var c calls
		gone, cancel := context.WithCancel(t.Context())
		c.start("a", changed(&w, t.Context(), 0))
		c.start("b", changed(&w, gone, 0))
		c.start("c", changed(&w, t.Context(), 0))
		cancel()
		c.want(t, "b 0 context canceled")
		same(t, "Stats()", w.Stats(), event.WatchStats{Waiting: 2})
		w.Set("x")
		c.want(t, "a x1 ok", "c x1 ok")
		// Who comes to look late gets the latest value.
		c.start("d", changed(&w, t.Context(), 1))
		w.Set("y")
		w.Set("z")
		c.want(t, "d z3 ok")
	})
}

// A waiter whose ctx ends in the moment of the Set has the value.
func TestWatchGrantThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			var w event.Watch[string]
			var c calls
			ctx, cancel := context.WithCancel(t.Context())
			c.start("a", changed(&w, ctx, 0))
			w.Set("x")
			cancel()
			c.want(t, "a x1 ok")
		}
	})
}

// A done ctx loses also where there is news: golang/go#63615.
func TestWatchDoneContextLoses(t *testing.T) {
	ctx := check.NewCtx()
	ctx.SetErr(errors.New("over"))
	var w event.Watch[string]
	w.Set("x")
	same(t, "Changed()", changed(&w, ctx, 0)(), "x1 over")
	v, n, err := w.WaitFor(ctx, func(string) bool { t.Error("pred was asked"); return true })
	if v != "x" || n != 1 || err != ctx.Err() {
		t.Fatalf("WaitFor() = %q, %d, %v", v, n, err)
	}
}

func TestWatchWaitFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w event.Watch[int]
		var c calls
		waitFor := func(ctx context.Context, pred func(int) bool) func() string {
			return func() string {
				v, n, err := w.WaitFor(ctx, pred)
				return fmt.Sprint(v, " ", n, " ", text(err))
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		c.start("zero", waitFor(t.Context(), func(v int) bool { return v == 0 }))
		c.want(t, "zero 0 0 ok")
		c.start("even", waitFor(t.Context(), func(v int) bool { return v > 0 && v%2 == 0 }))
		c.start("big", waitFor(t.Context(), func(v int) bool {
			w.Stats() // no lock is held
			return v > 4
		}))
		c.start("never", waitFor(gone, func(int) bool { return false }))
		w.Set(1)
		c.want(t)
		same(t, "Stats()", w.Stats(), event.WatchStats{Version: 1, Waiting: 3})
		w.Set(4)
		c.want(t, "even 4 2 ok")
		cancel()
		c.want(t, "never 4 2 context canceled")
		w.Set(5)
		c.want(t, "big 5 3 ok")
	})
}

// A panic of pred leaves nothing behind.
func TestWatchPredPanics(t *testing.T) {
	var w event.Watch[int]
	func() {
		defer func() { same(t, "panic", recover(), any("boom")) }()
		_, _, _ = w.WaitFor(t.Context(), func(int) bool { panic("boom") })
	}()
	w.Set(1)
	same(t, "Stats()", w.Stats(), event.WatchStats{Version: 1})
}

// A nil pred panics, even if ctx is done.
func TestWatchPredNil(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	defer func() { same(t, "panic", recover(), any("event: WaitFor of nil")) }()
	var w event.Watch[int]
	_, _, _ = w.WaitFor(ctx, nil)
}

func TestWatchNoAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var w event.Watch[int]
	w.Set(1)
	if n := testing.AllocsPerRun(1000, func() {
		w.Load()
		_, _, _ = w.Changed(ctx, 0)
		_, _, _ = w.WaitFor(ctx, func(v int) bool { return v == 1 })
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Everybody who follows a value sees versions that only rise, and the last one, whoever gives up
// in between; a follower that missed a change would wait for ever.
func TestWatchStress(t *testing.T) {
	for name, steppers := range tasks.Steppers() {
		t.Run(name, func(t *testing.T) {
			var w event.Watch[*int]
			last := check.Times(500, 20000)
			r := steppers()
			for i := range 8 {
				r.Go(fmt.Sprint(i), func(own context.Context) {
					for seen := uint64(0); seen < uint64(last); {
						ctx, cancel := context.WithCancel(own)
						if i%2 == 0 {
							go cancel()
						}
						v, n, err := w.Changed(ctx, seen)
						cancel()
						if n < seen || err == nil && n == seen || n > 0 && *v != int(n) {
							t.Errorf("Changed(%d) = %d, %v", seen, n, err)
						}
						seen = n
					}
				})
			}
			r.Go("setter", func(context.Context) {
				for i := range last {
					v := i + 1
					w.Set(&v)
				}
			})
			r.Wait()
			same(t, "Stats()", w.Stats(), event.WatchStats{Version: uint64(last)})
		})
	}
}
