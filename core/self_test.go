package core_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
)

// A task on a goroutine that waits for its own end gets ErrSelf, as one on a dispatcher does.
func TestSelfOnGoroutine(t *testing.T) {
	for name, wait := range map[string]func(ctx context.Context, self *core.Future[int]) error{
		"Await":         func(ctx context.Context, self *core.Future[int]) error { _, err := self.Await(ctx); return err },
		"AwaitOrCancel": func(ctx context.Context, self *core.Future[int]) error { _, err := self.AwaitOrCancel(ctx); return err },
		"CancelAndWait": func(ctx context.Context, self *core.Future[int]) error {
			return self.CancelAndWait(context.WithoutCancel(ctx))
		},
		"Join":        func(ctx context.Context, self *core.Future[int]) error { return core.Join(ctx, self) },
		"All":         func(ctx context.Context, self *core.Future[int]) error { _, err := core.All(ctx, self); return err },
		"Race":        func(ctx context.Context, self *core.Future[int]) error { _, err := core.Race(ctx, self); return err },
		"Any":         func(ctx context.Context, self *core.Future[int]) error { _, err := core.Any(ctx, self); return err },
		"AllFinished": func(ctx context.Context, self *core.Future[int]) error { return core.AllFinished(ctx, self) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				self, got := make(chan *core.Future[int], 1), make(chan error, 1)
				f := core.Async(t.Context(), func(ctx context.Context) (int, error) {
					got <- wait(ctx, <-self)
					return 1, nil
				})
				self <- f
				wantErr(t, "in the task", <-got, core.ErrSelf)
				wantErr(t, "outside", core.Join(context.Background(), f), nil)
			})
		})
	}
}

// A sequence on a goroutine may call its own next and stop.
func TestPullSelfOnGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next func(context.Context) (int, error, bool)
		var stop func()
		next, stop = core.Pull(t.Context(), func(yield func(int, error) bool) {
			_, err, more := next(t.Context())
			if !more {
				t.Error("next in its own sequence says that it has ended")
			}
			yield(1, err)
			stop()
			if yield(2, nil) {
				t.Error("yield goes on after stop")
			}
		})
		_, err, _ := next(t.Context())
		wantErr(t, "next", err, core.ErrSelf)
		if v, err, more := next(t.Context()); more || err != nil {
			t.Errorf("next() = %v, %v, %v", v, err, more)
		}
		stop()
	})
}

// Any that waits for the end of its own task as well ends when nothing else can be completed.
func TestAnyOfSelfAndOthersThatFail(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		for _, fails := range []bool{true, false} {
			a, b := core.NewFuture[int](), core.NewFuture[int]()
			self := core.NewFuture[*core.Future[int]]()
			f := core.Async(ctx, func(ctx context.Context) (int, error) {
				me, err := self.Await(ctx)
				if err != nil {
					return 0, err
				}
				return core.Any(ctx, me, a, b)
			})
			self.Complete(f)
			_ = core.Steps(ctx, 3)
			a.Fail(errBoom)
			_ = core.Steps(ctx, 3)
			if f.Finished() {
				t.Error("Any has ended before the last one that may be completed")
			}
			if fails {
				b.Fail(errBoom)
				_, err := f.Await(ctx)
				wantErr(t, "Any", err, core.ErrSelf)
				continue
			}
			b.Complete(3)
			if v, err := f.Await(ctx); v != 3 || err != nil {
				t.Errorf("Any() = %v, %v", v, err)
			}
		}
	})
}
