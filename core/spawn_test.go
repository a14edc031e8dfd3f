package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestSpawnUnhandled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		var d *dispatch.Dispatcher
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
			if p, ok := errors.AsType[*core.PanicError](err); ok {
				tr.add("panic:%v", p.Value)
				if !bytes.Contains(p.Stack, []byte("spawn_test.go")) {
					t.Errorf("the stack is not that of the task:\n%s", p.Stack)
				}
				return
			}
			tr.add("%v", err)
			d.Pending() // no lock is held
		}})
		if err != nil {
			t.Fatal(err)
		}
		err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
			core.Spawn(ctx, func(context.Context) error { return errBoom })
			core.Spawn(ctx, func(context.Context) error { panic("oh") })
			core.Spawn(ctx, func(context.Context) error { return nil })
			tr.want(t, "") // on the loop, not inside the call
			wantErr(t, "Yield", core.Yield(ctx), nil)
			tr.want(t, "boom panic:oh")

			// What only says that the task was canceled is nobody's concern.
			short, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			core.Spawn(short, forever)
			core.Spawn(short, func(ctx context.Context) error { return fmt.Errorf("read: %w", forever(ctx)) })
			core.Spawn(short, func(ctx context.Context) error { _ = forever(ctx); return dispatch.ErrClosed })
			core.Spawn(short, func(ctx context.Context) error { _ = forever(ctx); return context.Canceled })
			core.Spawn(short, func(ctx context.Context) error { _ = forever(ctx); return errBoom })
			wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
			tr.want(t, "boom")
			// But not if it was not canceled.
			core.Spawn(ctx, func(context.Context) error { return context.Canceled })
			core.Spawn(ctx, func(context.Context) error { return context.DeadlineExceeded })
			core.Spawn(ctx, func(context.Context) error { return dispatch.ErrClosed })
			wantErr(t, "Yield", core.Yield(ctx), nil)
			tr.want(t, "context canceled context deadline exceeded dispatch: dispatcher closed")
			core.Spawn(ctx, forever) // until main returns
			return nil
		})
		wantErr(t, "RunOn", err, nil)
		tr.want(t, "")
		wantErr(t, "Close", d.Close(), nil)
		nothingLeft(t)
	})
}

func TestSpawnLogs(t *testing.T) {
	var buf bytes.Buffer
	defer log.SetOutput(log.Writer())
	defer log.SetFlags(log.Flags())
	log.SetOutput(&buf)
	log.SetFlags(0)
	run(t, func(t *testing.T, ctx context.Context) {
		core.Spawn(ctx, func(context.Context) error { return errBoom })
		wantErr(t, "Yield", core.Yield(ctx), nil)
	})
	line := buf.String()
	if !strings.HasPrefix(line, "core: task ") || !strings.HasSuffix(line, ": boom\n") || !strings.Contains(line, "spawn_test.go:") {
		t.Errorf("logged %q", line)
	}
}

func TestSpawnPanicLeavesRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		p := panics(func() {
			_ = core.Run(t.Context(), func(ctx context.Context) error {
				core.Spawn(ctx, func(ctx context.Context) error {
					wantErr(t, "Yield", core.Yield(ctx), nil)
					panic(errBoom)
				})
				defer tr.add("cleaned")
				return forever(ctx)
			})
		})
		if pe, ok := p.(*core.PanicError); !ok || !errors.Is(pe, errBoom) {
			t.Errorf("Run panicked with %v", p)
		}
		tr.want(t, "cleaned") // everything has ended
		nothingLeft(t)

		// An existing dispatcher stays usable.
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		p = panics(func() {
			_ = core.RunOn(t.Context(), d, func(ctx context.Context) error {
				core.Spawn(ctx, func(context.Context) error { panic(errBoom) })
				return core.Sleep(ctx, time.Second)
			})
		})
		if _, ok := p.(*core.PanicError); !ok {
			t.Errorf("RunOn panicked with %v", p)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error { return core.Yield(ctx) }), nil)
		wantErr(t, "Close", d.Close(), nil)
		nothingLeft(t)
	})
}

// A detached task is not canceled with those that have started it, but with the main function.
func TestDetach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var detached *core.Task
		err := core.Run(t.Context(), func(ctx context.Context) error {
			parent := core.Start(ctx, func(ctx context.Context) error {
				outer := core.Detach(context.WithValue(ctx, errBoom, 1))
				if _, ok := outer.Deadline(); ok || outer.Value(errBoom) != 1 || core.DispatcherOf(outer) != core.DispatcherOf(ctx) {
					t.Error("Detach keeps the values and the dispatcher, and nothing else")
				}
				detached = core.Start(outer, forever)
				return forever(ctx)
			})
			wantErr(t, "CancelAndWait", parent.CancelAndWait(ctx), nil)
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			if detached.Finished() {
				t.Error("the detached task was canceled with its parent")
			}
			return nil
		})
		wantErr(t, "Run", err, nil)
		if !errors.Is(detached.Err(), core.ErrMainReturned) {
			t.Errorf("the detached task: %v", detached.Err())
		}
		nothingLeft(t)
	})
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), errBoom, 1))
	cancel()
	if plain := core.Detach(ctx); plain.Err() != nil || plain.Value(errBoom) != 1 {
		t.Error("Detach of an ordinary ctx")
	}
}

func TestShield(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		task := core.Start(short, func(ctx context.Context) error {
			err := forever(ctx)
			clean := core.Shield(ctx)
			if _, ok := clean.Deadline(); ok || clean.Err() != nil {
				t.Error("the shield is canceled, or has a deadline")
			}
			wantErr(t, "Sleep", core.Sleep(clean, time.Hour), nil)
			tr.add("slept")
			inner, cancel := core.WithTimeout(clean, time.Minute)
			defer cancel()
			if d, ok := inner.Deadline(); !ok || d.Sub(core.DispatcherOf(ctx).Now()) != time.Minute {
				t.Errorf("deadline %v, %t", d, ok)
			}
			wantErr(t, "Sleep", core.Sleep(inner, time.Hour), context.DeadlineExceeded)
			tr.add("limited")
			wantErr(t, "the task's own ctx", core.Yield(ctx), context.DeadlineExceeded)
			return err
		})
		wantErr(t, "Wait", task.Wait(ctx), context.DeadlineExceeded)
		tr.want(t, "slept limited")
	})
}

// The panic of another task stays one when a task hands it on, wrapped in an error of its own.
func TestSpawnWrappedPanicLeavesRun(t *testing.T) {
	p := panics(func() {
		_ = core.Run(t.Context(), func(ctx context.Context) error {
			core.Spawn(ctx, func(ctx context.Context) error {
				child := core.Start(ctx, func(context.Context) error { panic(errBoom) })
				return fmt.Errorf("child: %w", child.Wait(ctx))
			})
			return core.Steps(ctx, 4)
		})
	})
	err, _ := p.(error)
	if _, ok := errors.AsType[*core.PanicError](err); !ok || !errors.Is(err, errBoom) {
		t.Errorf("Run panicked with %v", p)
	}
}
