package core_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/seed-1e54c410/turnstile/core"
)

func TestRace(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		slow := after(ctx, time.Hour, 1)
		race := func(want int, wantE error, ctx context.Context, ws ...core.Waitable) {
			t.Helper()
			if i, err := core.Race(ctx, ws...); i != want || err != wantE {
				t.Errorf("Race() = %d, %v, want %d, %v", i, err, want, wantE)
			}
			for _, w := range ws {
				if n := core.Watchers(w); n != 0 {
					t.Errorf("%d look on", n)
				}
			}
		}
		race(-1, core.ErrNoFutures, ctx)
		race(1, nil, ctx, slow, after(ctx, 1, "x"), after(ctx, 2, 1.5))
		race(1, nil, ctx, slow, failing(ctx, 1, errBoom), slow)
		race(1, nil, ctx, slow, core.Start(ctx, func(ctx context.Context) error { return core.Yield(ctx) }))
		race(1, nil, ctx, slow, core.Completed(1), core.Failed[int](errBoom))
		race(0, nil, ctx, core.Failed[int](errBoom), core.Completed(1))
		// Where several end at the same time the first one to end decides.
		f, g := core.NewFuture[int](), core.NewFuture[int]()
		core.DispatcherOf(ctx).CallSoon(func() { g.Complete(1); f.Complete(1) })
		race(1, nil, ctx, f, g)
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		race(-1, context.DeadlineExceeded, short, slow, core.NewFuture[string]())
		if slow.Finished() {
			t.Error("the slow one is finished")
		}
	})
}

// A future that has lost many races holds no memory of them.
func TestRaceLeavesNothing(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		loser := core.NewFuture[int]()
		won := func() weak.Pointer[core.Future[int]] {
			winner := core.NewFuture[int]()
			core.DispatcherOf(ctx).CallSoon(func() { winner.Complete(1) })
			if i, err := core.Race(ctx, loser, winner); i != 1 || err != nil {
				t.Errorf("Race() = %d, %v", i, err)
			}
			return weak.Make(winner)
		}()
		for range 3 {
			runtime.GC()
			wantErr(t, "Yield", core.Yield(ctx), nil)
		}
		if won.Value() != nil {
			t.Error("the winner of a race is reachable")
		}
		if n := core.Watchers(loser); n != 0 {
			t.Errorf("%d look on", n)
		}
		loser.Complete(1)
	})
}

// A future that stays pending while it is raced again and again does not grow.
func TestRaceDoesNotGrow(t *testing.T) {
	pending := core.NewFuture[int]()
	err := core.Run(t.Context(), func(ctx context.Context) error {
		done := core.Completed(1)
		over, cancel := core.WithCancel(ctx)
		cancel()
		races := map[string]func(){
			"won":      func() { _, _ = core.Race(ctx, pending, core.Completed(1)) },
			"Any":      func() { _, _ = core.Any(ctx, pending, done) },
			"All":      func() { _, _ = core.All(ctx, pending, core.Failed[int](errBoom)) },
			"canceled": func() { _, _ = core.Race(over, pending, pending) },
			"late": func() { // after it has waited
				f := core.NewFuture[int]()
				core.DispatcherOf(ctx).CallSoon(func() { f.Complete(1) })
				_, _ = core.Any(ctx, pending, f)
			},
		}
		for name, race := range races {
			var before, after runtime.MemStats
			race()
			runtime.GC()
			runtime.ReadMemStats(&before)
			for range 100_000 / len(races) {
				race()
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if n := core.Watchers(pending); n != 0 {
				t.Errorf("%s: %d look on", name, n)
			}
			// One word for each would be 160 kB.
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 100_000 {
				t.Errorf("%s: the heap has grown by %d bytes", name, grown)
			}
		}
		return nil
	})
	wantErr(t, "Run", err, nil)
	runtime.KeepAlive(pending)
}

func TestAny(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		slow := core.NewFuture[int]()
		anyOf := func(what string, want int, wantE error, ctx context.Context, fs ...*core.Future[int]) {
			t.Helper()
			v, err := core.Any(ctx, fs...)
			if v != want || err != wantE {
				t.Errorf("%s: Any() = %d, %v, want %d, %v", what, v, err, want, wantE)
			}
			if n := core.Watchers(slow); n != 0 || slow.Finished() {
				t.Errorf("%s: %d look on, %v", what, n, slow.State())
			}
		}
		over, cancel := core.WithCancel(ctx)
		cancel()
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		anyOf("nothing", 0, core.ErrNoFutures, ctx)
		anyOf("the first one to complete", 2, nil, ctx, after(at(ctx, 0), 9, 1), slow, after(at(ctx, 1), 3, 2))
		anyOf("failures do not count", 2, nil, ctx, slow, failing(at(ctx, 0), 1, errBoom), after(at(ctx, 1), 3, 2), core.Failed[int](errBoom))
		anyOf("completed before: the first argument", 1, nil, over, slow, core.Failed[int](errBoom), core.Completed(1), core.Completed(2))
		anyOf("ctx is done", 0, context.Canceled, over, core.Failed[int](errBoom), slow)
		anyOf("ctx ends", 0, context.DeadlineExceeded, short, failing(at(ctx, 0), 1, errBoom), slow, slow)

		// All fail: their errors, in the order of the arguments, also with a ctx that is done.
		canceled := core.NewFuture[int]()
		canceled.CancelCause(errBoom)
		late := failing(at(ctx, 1), 5, core.ErrPending)
		for _, ctx := range []context.Context{ctx, over} {
			_, err := core.Any(ctx, late, core.Failed[int](errBoom), canceled, canceled)
			joined, ok := err.(interface{ Unwrap() []error })
			if !ok {
				t.Fatalf("Any() = %v", err)
			}
			equal(t, joined.Unwrap(), core.ErrPending, errBoom, canceled.Err(), canceled.Err())
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v does not say that one was canceled", err)
			}
		}
	})
}
