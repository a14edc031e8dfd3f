package core_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	"github.com/seed-1e54c410/turnstile/internal/timer"
)

// RunOn waits also for tasks that are queued and have not begun: they run, and nothing is
// pending behind them.
func TestRunOnWaitsForQueuedTasks(t *testing.T) {
	const n = core.MaxNested + 20
	for name, start := range map[string]func(ctx context.Context, add func(ctx context.Context, more func(ctx context.Context))){
		"too deep to run at once": func(ctx context.Context, add func(ctx context.Context, more func(ctx context.Context))) {
			var nest func(depth int) func(ctx context.Context)
			nest = func(depth int) func(ctx context.Context) {
				return func(ctx context.Context) {
					if depth > 0 {
						add(ctx, nest(depth-1))
					}
				}
			}
			nest(n)(ctx)
		},
		"started from a goroutine": func(ctx context.Context, add func(ctx context.Context, more func(ctx context.Context))) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range n {
					add(ctx, func(context.Context) {})
				}
			}()
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, err := dispatch.New(dispatch.Config{})
				if err != nil {
					t.Fatal(err)
				}
				ran := 0
				var tasks []*core.Task
				wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
					start(ctx, func(ctx context.Context, more func(ctx context.Context)) {
						tasks = append(tasks, nil)
						at := len(tasks) - 1
						tasks[at] = core.Start(ctx, func(ctx context.Context) error { ran++; more(ctx); return nil })
					})
					return nil
				}), nil)
				for i, task := range tasks {
					if !task.Finished() {
						t.Fatalf("RunOn has not waited for task %d", i)
					}
					wantErr(t, "task", task.Err(), nil)
				}
				if ran != n || d.Pending() != 0 {
					t.Errorf("%d of %d tasks have run, %d pending", ran, n, d.Pending())
				}
				nothingLeft(t)
				wantErr(t, "Close", d.Close(), nil)
			})
		})
	}
}

// RunOn returns when the error of a task that nobody waits for has been reported, even if that
// has ended together with main.
func TestRunOnReportsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { tr.add("%v", err) }})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			core.Spawn(ctx, func(context.Context) error { return errBoom })
			return nil
		}), nil)
		tr.want(t, "boom")
		wantErr(t, "Close", d.Close(), nil)

		// Where nobody is told, a panic leaves this RunOn and not what comes after.
		d, err = dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		p := panics(func() {
			_ = core.RunOn(t.Context(), d, func(ctx context.Context) error {
				core.Spawn(ctx, func(context.Context) error { panic(errBoom) })
				return nil
			})
		})
		if pe, ok := p.(*core.PanicError); !ok || !errors.Is(pe, errBoom) {
			t.Errorf("RunOn panicked with %v", p)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error { return core.Yield(ctx) }), nil)
		wantErr(t, "Close", d.Close(), nil)
		nothingLeft(t)
	})
}

// The longest CloseTimeout there is does not make RunOn give up at once on tasks that clean up.
func TestRunOnWithLongestCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{CloseTimeout: math.MaxInt64})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // so that the clock of the loop does not stand at 0
		var task *core.Task
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			task = core.Start(ctx, func(ctx context.Context) error { return core.Sleep(core.Shield(ctx), time.Hour) })
			return nil
		}), nil)
		if task.State() != core.StateCompleted {
			t.Errorf("RunOn has not waited: %v", task.State())
		}
		wantErr(t, "Close", d.Close(), nil)
		nothingLeft(t)
	})
}

// late is a loop on which a goroutine works between the last turn of RunOn and its next call.
type late struct {
	seam.Loop
	begin, done chan struct{}
}

func (l *late) RunUntil(done func() bool) error {
	defer close(l.begin)
	return l.Loop.RunUntil(done)
}

func (l *late) Disarm(t *timer.Timer) bool {
	<-l.done
	return l.Loop.Disarm(t)
}

// Others may arm timers when RunOn is about to return, which moves the one that bounds its wait:
// RunOn looks at that only under the lock of the dispatcher. This is for the race detector.
func TestRunOnWhileOthersArmTimers(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l := &late{begin: make(chan struct{}), done: make(chan struct{})}
	core.WrapLoop(d, func(loop seam.Loop) seam.Loop { l.Loop = loop; return l })
	go func() {
		defer close(l.done)
		<-l.begin
		d.AfterFunc(time.Second, func() {}).Stop() // is the first one, for a moment
	}()
	wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
		core.Start(ctx, func(ctx context.Context) error { return core.Yield(core.Shield(ctx)) }) // outlives main
		return nil
	}), nil)
	wantErr(t, "Close", d.Close(), nil)
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	nothingLeft(t)
}
