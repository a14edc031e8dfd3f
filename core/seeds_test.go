package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// What the combinators of chronos do, one row after the other, each with what is different here
// and why.
func TestChronosCombinators(t *testing.T) {
	rows := map[string]func(t *testing.T, ctx context.Context){
		// Completes when all have finished, never fails; of nothing it is complete already.
		"allFutures and allFinished": func(t *testing.T, ctx context.Context) {
			slow := core.NewFuture[int]()
			slow.Cancel()
			fs := []*core.Future[int]{after(ctx, 2, 1), failing(ctx, 1, errBoom), slow}
			wantErr(t, "AllFinished", core.AllFinished(ctx, fs...), nil)
			equal(t, []core.State{fs[0].State(), fs[1].State(), fs[2].State()}, core.StateCompleted, core.StateFailed, core.StateCanceled)
			wantErr(t, "of nothing", core.AllFinished[*core.Task](ctx), nil)
		},
		// The first one that has finished, whatever its outcome; the first in order if several have.
		"one and race": func(t *testing.T, ctx context.Context) {
			i, err := core.Race(ctx, core.NewFuture[int](), failing(ctx, 1, errBoom), after(ctx, 2, 1))
			equal(t, []any{i, err}, 1, nil)
			i, err = core.Race[core.Waitable](ctx, core.NewFuture[int](), core.Completed("b"), core.Completed(1))
			equal(t, []any{i, err}, 1, nil)
			_, err = core.Race[*core.Task](ctx)
			wantErr(t, "of nothing", err, core.ErrNoFutures)
		},
		// Completes with either. There a canceled input counts as success: here Any wants a value,
		// and Race an end of any kind.
		"or": func(t *testing.T, ctx context.Context) {
			canceled := core.NewFuture[int]()
			canceled.Cancel()
			v, err := core.Any(ctx, canceled, after(ctx, 1, 7))
			equal(t, []any{v, err}, 7, nil)
			i, err := core.Race(ctx, canceled, core.Completed(7))
			equal(t, []any{i, err}, 0, nil)
			_, err = core.Any(ctx, canceled)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("Any() = %v", err)
			}
		},
		// The asyncdispatch one: fails at once when either does.
		"and": func(t *testing.T, ctx context.Context) {
			_, _, err := core.All2(ctx, core.NewFuture[int](), failing(ctx, 1, errBoom))
			wantErr(t, "All2", err, errBoom)
			n, s, err := core.All2(ctx, after(ctx, 1, 1), after(ctx, 2, "b"))
			equal(t, []any{n, s, err}, 1, "b", nil)
		},
		// Completes when the future has finished in any state; a cancel leaves that alone.
		"join": func(t *testing.T, ctx context.Context) {
			f := failing(ctx, 1, errBoom)
			wantErr(t, "Join", core.Join(ctx, f), nil)
			wantErr(t, "its error", f.Err(), errBoom)
			slow := core.NewFuture[int]()
			short, cancel := core.WithTimeout(ctx, 1)
			defer cancel()
			wantErr(t, "Join", core.Join(short, slow), context.DeadlineExceeded)
			if slow.Finished() {
				t.Error("the future was touched")
			}
		},
		// A time of 0 is over in the next turn, never at once.
		"sleepAsync": func(t *testing.T, ctx context.Context) {
			ran := false
			core.DispatcherOf(ctx).CallSoon(func() { ran = true })
			wantErr(t, "Sleep", core.Sleep(ctx, 0), nil)
			if !ran {
				t.Error("it was over at once")
			}
		},
		// Completes after n turns. There n ≤ 0 is a defect, here it is no wait; and there steps alone do
		// not keep the loop from sleeping.
		"stepsAsync": func(t *testing.T, ctx context.Context) {
			start := core.DispatcherOf(ctx).Now()
			wantErr(t, "Steps", core.Steps(ctx, 5), nil)
			wantErr(t, "Steps", core.Steps(ctx, -1), nil)
			if took := core.DispatcherOf(ctx).Now().Sub(start); took != 0 {
				t.Errorf("it took %v", took)
			}
		},
		// Completes in the first turn without events.
		"idleAsync": func(t *testing.T, ctx context.Context) {
			busy := core.Start(ctx, func(ctx context.Context) error { return core.Steps(ctx, 3) })
			wantErr(t, "Idle", core.Idle(ctx), nil)
			if !busy.Finished() {
				t.Error("the loop was not idle")
			}
		},
		// Forwards the outcome, whatever becomes of the caller, who hears of a cancel in the next wait.
		"noCancel": func(t *testing.T, ctx context.Context) {
			task := core.Start(ctx, func(ctx context.Context) error {
				wantErr(t, "shielded", core.Sleep(core.Shield(ctx), time.Second), nil)
				return core.Yield(ctx)
			})
			task.Cancel()
			wantErr(t, "Join", core.Join(ctx, task), nil)
			canceledBy(t, "the task", task, context.Canceled)
		},
		// Canceling a combinator never cancels its inputs.
		"cancel of a combinator": func(t *testing.T, ctx context.Context) {
			f := after(ctx, time.Second, 1)
			for _, wait := range []func(ctx context.Context) error{
				func(ctx context.Context) error { _, err := core.All(ctx, f); return err },
				func(ctx context.Context) error { return core.AllFinished(ctx, f) },
				func(ctx context.Context) error { _, err := core.Race(ctx, f); return err },
				func(ctx context.Context) error { _, err := core.Any(ctx, f); return err },
				func(ctx context.Context) error { return core.Join(ctx, f) },
			} {
				task := core.Start(ctx, wait)
				wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
				canceledBy(t, "the combinator", task, context.Canceled)
			}
			v, err := f.Await(ctx)
			equal(t, []any{v, err}, 1, nil)
		},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) { run(t, row) })
	}
}
