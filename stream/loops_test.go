package stream_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) { check.Main(m) }

// loops runs participants as tasks of two dispatchers, each on a goroutine of its own. It
// can settle in a bubble only. The zero value is ready.
type loops struct {
	ds    []*dispatch.Dispatcher
	tasks []*core.Task
	wg    sync.WaitGroup
}

func (l *loops) Go(_ string, fn func(ctx context.Context)) context.CancelFunc {
	if l.ds == nil {
		for range 2 {
			d, err := dispatch.New(dispatch.Config{})
			if err != nil {
				panic(err)
			}
			l.ds = append(l.ds, d)
			l.wg.Go(func() {
				if err := d.Run(context.Background()); err != nil {
					panic(err)
				}
			})
		}
	}
	n := len(l.tasks)
	ctx, cancel := context.WithCancel(core.On(context.Background(), l.ds[n%2]))
	t := core.Start(ctx, func(ctx context.Context) error {
		fn(ctx)
		return nil
	})
	l.tasks = append(l.tasks, t)
	return func() {
		if n%4 < 2 {
			cancel() // a context that is not core's, above the task
		} else {
			t.Cancel()
		}
	}
}

func (l *loops) Wait() {
	for _, t := range l.tasks {
		if err := t.Wait(context.Background()); err != nil {
			panic(err)
		}
	}
	for _, d := range l.ds {
		if err := d.Close(); err != nil {
			panic(err)
		}
	}
	l.wg.Wait()
	l.ds, l.tasks = nil, nil
}

func (l *loops) Settle() { synctest.Wait() }

// everywhere runs a test on a goroutine and in a task, in a bubble each. In the task
// nothing may be left behind but the task itself.
func everywhere(t *testing.T, fn func(t *testing.T, ctx context.Context)) {
	t.Run("goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { fn(t, t.Context()) })
	})
	t.Run("task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			err := core.Run(context.Background(), func(ctx context.Context) error {
				d := core.DispatcherOf(ctx)
				before := d.Pending()
				fn(t, ctx)
				// What was woken may still be queued: time goes on when it has run.
				if err := core.Sleep(ctx, time.Nanosecond); err != nil && ctx.Err() == nil {
					t.Error(err)
				}
				if n := d.Pending(); n != before {
					t.Errorf("Pending() = %d, before it was %d", n, before)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("goroutine with a dispatcher", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d, err := dispatch.New(dispatch.Config{})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if err := d.Run(context.Background()); err != nil {
					t.Error(err)
				}
			})
			fn(t, core.On(t.Context(), d))
			synctest.Wait()
			n := -1
			d.CallSoon(func() { n = d.Pending() })
			synctest.Wait()
			if n != 0 {
				t.Errorf("Pending() = %d", n)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			wg.Wait()
		})
	})
}
