package core_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"weak"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// asked is a ctx that calls a function when its Err is asked for the n-th time.
type asked struct {
	context.Context
	n  int
	fn func()
}

func (a *asked) Err() error {
	if a.n--; a.n == 0 {
		a.fn()
	}
	return a.Context.Err()
}

type ballastKey struct{}

// The ctx of a task of a group that has ended keeps nothing of those that were there with it.
func TestGroupTasksDoNotChain(t *testing.T) {
	const n = 50
	run(t, func(t *testing.T, ctx context.Context) {
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			var keep context.Context
			var others []weak.Pointer[[1 << 10]byte]
			var before *core.Future[int]
			for i := range n {
				f, ballast := core.NewFuture[int](), new([1 << 10]byte)
				if i > 0 {
					others = append(others, weak.Make(ballast))
				}
				_ = g.Go(context.WithValue(ctx, ballastKey{}, ballast), func(ctx context.Context) error {
					if i == 0 {
						keep = ctx
					}
					_, err := f.Await(ctx)
					return err
				})
				if before != nil { // ends while its neighbour is there
					before.Complete(1)
					_ = core.Yield(ctx)
				}
				before = f
			}
			before.Complete(1)
			_ = core.Steps(ctx, 3)
			runtime.GC()
			left := 0
			for _, p := range others {
				if p.Value() != nil {
					left++
				}
			}
			if left > n/10 { // the last ones may be on a stack
				t.Errorf("the ctx of one task keeps %d others", left)
			}
			runtime.KeepAlive(keep)
			return nil
		})
		wantErr(t, "WithGroup", err, nil)
	})
}

// A Go that has found no place, and begins to wait for one when all tasks have ended, starts
// nothing: the group is closed, even if WithGroup has not come back yet.
func TestGoAfterTheEndOfTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		release, late := make(chan struct{}), make(chan any, 1)
		var g *core.Group
		f := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			return core.WithGroup(ctx, func(_ context.Context, group *core.Group) error {
				g = group
				g.SetLimit(1)
				return g.Go(t.Context(), func(context.Context) error { <-release; return nil })
			})
		})
		if _, err := d.Poll(0); err != nil { // up to the wait for the task
			t.Fatal(err)
		}
		ran := false
		end := func() {
			close(release)
			for g.Len() > 0 {
				runtime.Gosched()
			}
		}
		go func() {
			late <- panics(func() {
				// Go asks for the first time, and the wait for the second.
				_ = g.Go(&asked{t.Context(), 2, end}, func(context.Context) error {
					ran = true
					return nil
				})
			})
		}()
		if p := <-late; p != "core: use of a group whose WithGroup has returned" {
			t.Errorf("Go: panic %v", p)
		}
		for !f.Finished() {
			if _, err := d.Poll(0); err != nil {
				t.Fatal(err)
			}
		}
		wantErr(t, "WithGroup", f.Err(), nil)
		synctest.Wait()
		if ran {
			t.Error("a task of the group has begun behind it")
		}
		wantErr(t, "Close", d.Close(), nil)
	})
}

// A ctx that panics at any point of Go costs the group no place.
func TestGoWithContextThatPanics(t *testing.T) {
	for at := 1; at <= 6; at++ {
		run(t, func(t *testing.T, ctx context.Context) {
			f := core.NewFuture[int]()
			err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				g.SetLimit(1)
				_ = g.Go(ctx, func(ctx context.Context) error { _, err := f.Await(ctx); return err })
				core.Spawn(ctx, func(ctx context.Context) error {
					_ = core.Yield(ctx)
					f.Complete(1)
					return nil
				})
				got := panics(func() {
					_ = g.Go(&asked{ctx, at, func() { panic(errBoom) }}, func(context.Context) error { return nil })
				})
				if at < 4 && got == nil {
					t.Errorf("call %d: no panic", at)
				}
				_, _ = f.Await(ctx)
				_ = core.Steps(ctx, 5)
				if n := g.Len(); n != 0 {
					t.Errorf("call %d: Len() = %d", at, n)
				}
				return nil
			})
			wantErr(t, "WithGroup", err, nil)
		})
	}
}

// Functions of Gather that were accepted, and have not begun when another one fails, do not run;
// those of Group.Go do, with a ctx that is done.
func TestCanceledBeforeTheyBegin(t *testing.T) {
	for name, want := range map[string]int{"Gather": 0, "Go": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, err := dispatch.New(dispatch.Config{})
				if err != nil {
					t.Fatal(err)
				}
				ran := 0
				on := core.On(t.Context(), d)
				fails := func(context.Context) (int, error) { return 0, errBoom }
				counts := func(ctx context.Context) (int, error) {
					ran++
					wantErr(t, "ctx", ctx.Err(), context.Canceled)
					return 0, nil
				}
				ended := make(chan error, 1)
				go func() {
					var err error
					if name == "Gather" {
						_, err = core.Gather(on, 0, fails, counts, counts)
					} else {
						err = core.WithGroup(on, func(ctx context.Context, g *core.Group) error {
							for _, fn := range []func(context.Context) (int, error){fails, counts, counts} {
								_ = g.Go(ctx, func(ctx context.Context) error { _, err := fn(ctx); return err })
							}
							return nil
						})
					}
					ended <- err
				}()
				synctest.Wait() // all three are posted
				for len(ended) == 0 {
					if _, err := d.Poll(0); err != nil && err != dispatch.ErrIdle {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				wantErr(t, name, <-ended, errBoom)
				if ran != want {
					t.Errorf("%d functions have run that had not begun, want %d", ran, want)
				}
				wantErr(t, "Close", d.Close(), nil)
			})
		})
	}
}

// With a ctx that is done Gather fails even if there is nothing to call.
func TestGatherOfNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if vals, err := core.Gather[int](ctx, 0); len(vals) != 0 || err != nil {
		t.Errorf("Gather() = %v, %v", vals, err)
	}
	cancel()
	_, err := core.Gather[int](ctx, 0)
	wantErr(t, "Gather", err, context.Canceled)
	run(t, func(t *testing.T, ctx context.Context) {
		below, cancel := core.WithCancel(ctx)
		cancel()
		_, err := core.Gather[int](below, 0)
		wantErr(t, "Gather in a task", err, context.Canceled)
	})
}
