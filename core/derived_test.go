package core_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/seed-1e54c410/turnstile/core"
)

// derivations are what this package derives from a ctx, but for those that end within the tests.
var derivations = map[string]func(ctx context.Context) (context.Context, context.CancelFunc){
	"WithCancel": core.WithCancel,
	"WithTimeout": func(ctx context.Context) (context.Context, context.CancelFunc) {
		return core.WithTimeout(ctx, time.Hour)
	},
	"WithDeadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
		return core.WithDeadline(ctx, time.Now().Add(time.Hour))
	},
	"ShieldTimeout": func(ctx context.Context) (context.Context, context.CancelFunc) {
		return core.ShieldTimeout(ctx, time.Hour)
	},
}

// loopAndGoroutines runs a test in the main task of a loop, and where all tasks are goroutines.
func loopAndGoroutines(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	t.Run("loop", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			wantErr(t, "Run", core.Run(t.Context(), func(ctx context.Context) error { test(t, ctx); return nil }), nil)
		})
	})
	t.Run("goroutines", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, t.Context()) })
	})
}

// A task that was started with such a ctx goes on where the task ends that has derived it, and ends with the cancel of
// that ctx, and with that of what is above, if it is not shielded.
func TestDerivedOutlivesItsTask(t *testing.T) {
	for name, derive := range derivations {
		t.Run(name, func(t *testing.T) {
			loopAndGoroutines(t, func(t *testing.T, ctx context.Context) {
				above, cancelAbove := core.WithCancel(ctx)
				defer cancelAbove()
				var inner [3]*core.Task
				var cancels [3]context.CancelFunc
				err := core.Start(above, func(ctx context.Context) error {
					for i := range inner {
						below, cancel := derive(ctx)
						cancels[i] = cancel
						inner[i] = core.Start(below, func(ctx context.Context) error {
							if i == 0 {
								return core.Sleep(ctx, time.Second)
							}
							return core.Sleep(ctx, time.Minute)
						})
					}
					return nil
				}).Wait(ctx)
				wantErr(t, "the task", err, nil)
				wantErr(t, "one that goes on", inner[0].Wait(ctx), nil)
				cancels[1]()
				if err := inner[1].Wait(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("canceled: %v", err)
				}
				cancelAbove()
				if err := inner[2].Wait(ctx); errors.Is(err, context.Canceled) == (name == "ShieldTimeout") {
					t.Errorf("canceled above: %v", err)
				}
				for _, cancel := range cancels {
					cancel()
				}
			})
		})
	}
}

// In a task on a goroutine the real clock ends what has a deadline, as that of a loop does elsewhere.
func TestDerivedEndsInTime(t *testing.T) {
	loopAndGoroutines(t, func(t *testing.T, ctx context.Context) {
		wantErr(t, "the task", core.Start(ctx, func(ctx context.Context) error {
			began := time.Now()
			long, cancelLong := core.WithTimeout(ctx, time.Hour)
			defer cancelLong()
			short, cancel := core.WithTimeout(long, time.Second)
			defer cancel()
			late, cancelLate := core.WithTimeout(short, time.Hour)
			defer cancelLate()
			for name, ctx := range map[string]context.Context{"short": short, "late": late} {
				if when, ok := ctx.Deadline(); !ok || when.Sub(began) != time.Second {
					t.Errorf("%s: Deadline = %v, %v", name, when.Sub(began), ok)
				}
			}
			task := core.Start(late, forever)
			wantErr(t, "Wait", task.Wait(core.Shield(ctx)), context.DeadlineExceeded)
			wantErr(t, "Cause", context.Cause(late), context.DeadlineExceeded)
			if d := time.Since(began); d != time.Second {
				t.Errorf("it has taken %v", d)
			}
			wantErr(t, "the one above", long.Err(), nil)
			if text := fmt.Sprint(short); !strings.Contains(text, ".core.WithDeadline(") {
				t.Errorf("%s", text)
			}
			over, cancelOver := core.WithTimeout(ctx, 0)
			defer cancelOver()
			wantErr(t, "one that is over", over.Err(), context.DeadlineExceeded)
			cancelLong()
			wantErr(t, "the cancel of the first", long.Err(), context.Canceled)
			return nil
		}).Wait(ctx), nil)
	})
}

// A cancel takes the real timer along, which would keep all that the ctx knows until the time is over.
func TestDerivedStopsItsTimer(t *testing.T) {
	type key struct{}
	known := new([64]byte)
	kept := weak.Make(known)
	wantErr(t, "Wait", core.Start(t.Context(), func(ctx context.Context) error {
		_, cancel := core.WithTimeout(context.WithValue(ctx, key{}, known), time.Hour)
		cancel()
		return nil
	}).Wait(t.Context()), nil)
	known = nil
	for range 100 {
		if kept.Value() == nil {
			return
		}
		runtime.GC()
	}
	t.Error("the ctx is still there")
}
