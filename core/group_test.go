package core_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// cleaning returns a function that waits for ever, and then cleans up for a second.
func cleaning(tr *trace, name string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		defer func() {
			_ = core.Sleep(core.Shield(ctx), time.Second)
			tr.add("%s", name)
		}()
		return forever(ctx)
	}
}

func TestGroupReturnsWhenAllHaveEnded(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		var left *core.Group
		var inner context.Context
		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			left, inner = g, ctx
			for i := range 3 {
				wantErr(t, "Go", g.Go(at(ctx, i), func(ctx context.Context) error {
					err := core.Sleep(ctx, time.Duration(3-i)*time.Second)
					wantErr(t, "a task that starts another", g.Go(at(ctx, i+1), func(ctx context.Context) error {
						err := core.Sleep(ctx, 10*time.Second)
						tr.add("inner%d", i)
						return err
					}), nil)
					tr.add("outer%d", i)
					return err
				}), nil)
			}
			if n := g.Len(); n != 3 {
				t.Errorf("Len() = %d", n)
			}
			tr.add("fn")
			return nil
		}), nil)
		tr.want(t, "fn outer2 outer1 outer0 inner2 inner1 inner0")
		wantErr(t, "its ctx", inner.Err(), context.Canceled)
		for name, use := range map[string]func(){
			"Go":       func() { _ = left.Go(ctx, forever) },
			"TryGo":    func() { left.TryGo(ctx, forever) },
			"SetLimit": func() { left.SetLimit(1) },
		} {
			if p := panics(use); p != "core: use of a group whose WithGroup has returned" {
				t.Errorf("%s: panic %v", name, p)
			}
		}
		// A cancel may come late.
		left.Cancel()
		left.CancelCause(errBoom)
		if n := left.Len(); n != 0 || context.Cause(inner) == errBoom {
			t.Errorf("Len() = %d, cause %v", n, context.Cause(inner))
		}
		wantErr(t, "a group of nothing", core.WithGroup(ctx, func(context.Context, *core.Group) error { return nil }), nil)
	})
}

// The first error cancels the rest, and is the cause and the result.
func TestGroupFirstError(t *testing.T) {
	errOther := errors.New("other")
	ways := map[string]func(ctx context.Context, g *core.Group, at place) error{
		"task": func(ctx context.Context, g *core.Group, at place) error {
			_ = g.Go(at(ctx, 1), func(ctx context.Context) error {
				if err := core.Sleep(ctx, time.Second); err != nil {
					return err
				}
				return errBoom
			})
			return nil
		},
		"function": func(ctx context.Context, g *core.Group, at place) error {
			if err := core.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return errBoom
		},
		"CancelCause": func(ctx context.Context, g *core.Group, at place) error {
			go g.CancelCause(errBoom)
			return forever(ctx) // context.Canceled, which is not the first
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
				var tr trace
				err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
					for i := range 3 {
						wantErr(t, "Go", g.Go(at(ctx, i), func(ctx context.Context) error {
							_ = cleaning(&tr, "cleaned")(ctx)
							wantErr(t, "cause", context.Cause(ctx), errBoom)
							return errOther
						}), nil)
					}
					return way(ctx, g, at)
				})
				wantErr(t, "WithGroup", err, errBoom)
				tr.want(t, "cleaned cleaned cleaned")
			})
		})
	}
}

func TestGroupPanicsAndGoexits(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		group := func(fn func(ctx context.Context, g *core.Group) error) error {
			return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				wantErr(t, "Go", g.Go(at(ctx, 0), cleaning(&tr, "cleaned")), nil)
				wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
				return fn(ctx, g)
			})
		}
		err := group(func(ctx context.Context, g *core.Group) error {
			return g.Go(at(ctx, 1), func(context.Context) error { panic("oh") })
		})
		if p, ok := errors.AsType[*core.PanicError](err); !ok || p.Value != "oh" {
			t.Errorf("the panic of a task: %v", err)
		}
		tr.want(t, "cleaned")
		wantErr(t, "the Goexit of a task", group(func(ctx context.Context, g *core.Group) error {
			return g.Go(at(ctx, 1), goexit)
		}), core.ErrGoexit)
		tr.want(t, "cleaned")

		if p := panics(func() {
			_ = group(func(ctx context.Context, g *core.Group) error { panic("oh") })
			t.Error("it went on")
		}); p != "oh" {
			t.Errorf("the panic of the function: %v", p)
		}
		tr.want(t, "cleaned")
		task := core.Start(ctx, func(ctx context.Context) error {
			_ = group(func(ctx context.Context, g *core.Group) error { return goexit(ctx) })
			t.Error("it went on")
			return nil
		})
		wantErr(t, "the Goexit of the function", task.Wait(ctx), core.ErrGoexit)
		tr.want(t, "cleaned")
	})
}

// The end of the ctx above, by a cancel or a deadline, reaches all tasks, and WithGroup still
// waits for them.
func TestGroupParentCancel(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		for _, waits := range []bool{true, false} { // does the function wait
			var tr trace
			short, cancel := core.WithTimeout(ctx, time.Second)
			err := core.WithGroup(short, func(ctx context.Context, g *core.Group) error {
				for i := range 3 {
					wantErr(t, "Go", g.Go(at(ctx, i), cleaning(&tr, "cleaned")), nil)
				}
				if waits {
					return forever(ctx)
				}
				return nil
			})
			cancel()
			wantErr(t, "WithGroup", err, context.DeadlineExceeded)
			tr.want(t, "cleaned cleaned cleaned")

			below, cancel := core.WithCancel(ctx)
			err = core.WithGroup(below, func(ctx context.Context, g *core.Group) error {
				wantErr(t, "Go", g.Go(at(ctx, 1), cleaning(&tr, "cleaned")), nil)
				go cancel() // not before Go, which would refuse
				return nil
			})
			wantErr(t, "WithGroup", err, context.Canceled)
			tr.want(t, "cleaned")

			// Nothing has failed, and nothing was left out.
			below, cancel = core.WithCancel(ctx)
			err = core.WithGroup(below, func(ctx context.Context, g *core.Group) error {
				cancel()
				return nil
			})
			wantErr(t, "WithGroup", err, nil)
			// Something was left out.
			err = core.WithGroup(below, func(ctx context.Context, g *core.Group) error {
				wantErr(t, "Go with a ctx that is done", g.Go(ctx, func(context.Context) error { tr.add("ran"); return nil }), context.Canceled)
				if g.TryGo(ctx, func(context.Context) error { tr.add("ran"); return nil }) {
					t.Error("TryGo with a ctx that is done")
				}
				return nil
			})
			wantErr(t, "WithGroup", err, context.Canceled)
			tr.want(t, "")
		}
	})
}

// Cancel is no failure, but hides none.
func TestGroupCancel(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		group := func(last func(ctx context.Context) error) error {
			return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				g.SetLimit(3)
				_ = g.Go(at(ctx, 0), cleaning(&tr, "cleaned"))
				_ = g.Go(at(ctx, 1), func(ctx context.Context) error {
					_ = forever(ctx)
					wantErr(t, "cause", context.Cause(ctx), context.Canceled)
					return last(ctx)
				})
				_ = g.Go(at(ctx, 2), func(ctx context.Context) error {
					err := core.Sleep(ctx, time.Second)
					g.Cancel()
					g.Cancel()
					return err
				})
				err := g.Go(ctx, func(context.Context) error { tr.add("ran"); return nil }) // waits for a place
				wantErr(t, "Go", err, context.Canceled)
				return err
			})
		}
		wantErr(t, "WithGroup", group(func(ctx context.Context) error { return ctx.Err() }), nil)
		tr.want(t, "cleaned")
		wantErr(t, "WithGroup, and an error", group(func(ctx context.Context) error { return errBoom }), errBoom)
		tr.want(t, "cleaned")
		_, isPanic := errors.AsType[*core.PanicError](group(func(ctx context.Context) error { panic(context.Canceled) }))
		if !isPanic {
			t.Error("a panic is not reported")
		}
		// An error that came before stays, and one that only looks like a cancel.
		wantErr(t, "a failure before", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.CancelCause(errBoom)
			g.Cancel()
			return ctx.Err()
		}), errBoom)
		wantErr(t, "a cancel before", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.CancelCause(nil)
			g.CancelCause(errBoom)
			wantErr(t, "cause", context.Cause(ctx), context.Canceled)
			return ctx.Err()
		}), errBoom)
		wantErr(t, "context.Canceled from nowhere", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			return g.Go(at(ctx, 0), func(context.Context) error { return context.Canceled })
		}), context.Canceled)
	})
}

// There are never more tasks than the limit allows.
func TestGroupLimit(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var mu sync.Mutex
		running, most, ran := 0, 0, 0
		add := func(n int) {
			mu.Lock()
			defer mu.Unlock()
			running += n
			most = max(most, running)
			ran += max(n, 0)
		}
		task := func(name int) func(ctx context.Context) error {
			return func(ctx context.Context) error {
				add(1)
				defer add(-1)
				return core.Sleep(ctx, time.Duration(name+1)*time.Second)
			}
		}
		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(2)
			for i := range 7 {
				wantErr(t, "Go", g.Go(at(ctx, i), task(i)), nil)
			}
			if g.TryGo(ctx, task(7)) {
				t.Error("TryGo in a full group")
			}
			g.SetLimit(3)
			if !g.TryGo(ctx, task(8)) || g.TryGo(ctx, task(9)) {
				t.Error("TryGo with one place")
			}
			g.SetLimit(-1)
			if !g.TryGo(ctx, task(10)) {
				t.Error("TryGo without a limit")
			}
			return nil
		}), nil)
		if most != 4 || ran != 9 {
			t.Errorf("%d have run, %d at a time", ran, most)
		}
	})
}

// Those that wait for a place come in in order of arrival; nobody overtakes them, and one
// that gives up leaves its place in the line. That is a failure of the group.
func TestGroupLimitQueue(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(1)
			release := core.NewFuture[int]()
			_ = g.Go(ctx, func(ctx context.Context) error { _, err := release.Await(ctx); return err })
			var waiting []*core.Task
			for i := range 3 {
				waiting = append(waiting, core.Start(at(context.WithoutCancel(ctx), i), func(ctx context.Context) error {
					return g.Go(ctx, func(ctx context.Context) error { tr.add("%d", i); return core.Sleep(ctx, 1) })
				}))
				_ = core.Sleep(ctx, 1)
			}
			g.SetLimit(1) // changes nothing
			release.Complete(1)
			if g.TryGo(ctx, forever) {
				t.Error("TryGo has overtaken")
			}
			wantErr(t, "AllFinished", core.AllFinished(ctx, waiting...), nil)
			return nil
		}), nil)
		tr.want(t, "0 1 2")

		// A higher limit lets them in at once.
		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(1)
			_ = g.Go(at(ctx, 0), forever)
			waits := core.Start(at(ctx, 1), func(context.Context) error {
				return g.Go(ctx, func(context.Context) error { tr.add("in"); return nil })
			})
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			tr.want(t, "")
			g.SetLimit(2)
			wantErr(t, "Go", waits.Wait(ctx), nil)
			wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
			g.Cancel()
			return nil
		}), nil)
		tr.want(t, "in")

		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(1)
			wantErr(t, "Go", g.Go(at(ctx, 0), cleaning(&tr, "cleaned")), nil)
			short, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			wantErr(t, "Go", g.Go(short, goexit), context.DeadlineExceeded)
			wantErr(t, "the ctx of the group", ctx.Err(), context.Canceled)
			wantErr(t, "its cause", context.Cause(ctx), context.DeadlineExceeded)
			wantErr(t, "Go in a group that has failed", g.Go(core.Shield(ctx), goexit), context.Canceled)
			return nil
		}), context.DeadlineExceeded)
		tr.want(t, "cleaned")
	})
}

// A group whose dispatcher closes ends like any other.
func TestGroupOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: 10 * time.Second})
		var tr trace
		task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				_ = g.Go(ctx, func(ctx context.Context) error {
					_ = cleaning(&tr, "cleaned")(ctx)
					wantErr(t, "Go on a closing dispatcher", g.Go(core.Shield(ctx), forever), context.Canceled)
					return ctx.Err()
				})
				return nil
			})
		})
		synctest.Wait()
		wantErr(t, "Close", stop(), nil)
		canceledBy(t, "the task", task, dispatch.ErrClosed)
		tr.want(t, "cleaned")
		// On a dispatcher that is closed tasks are refused.
		wantErr(t, "WithGroup", core.WithGroup(core.On(t.Context(), d), func(ctx context.Context, g *core.Group) error {
			_ = g.Go(ctx, func(context.Context) error { tr.add("ran"); return nil })
			return nil
		}), dispatch.ErrClosed)
		tr.want(t, "")
	})
	// A task that does not end does not keep the group for ever.
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Second})
		release := core.NewFuture[int]()
		group := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			return core.WithGroup(core.Shield(ctx), func(ctx context.Context, g *core.Group) error {
				return g.Go(context.Background(), func(ctx context.Context) error { // on a goroutine
					_, err := release.Await(context.Background())
					return err
				})
			})
		})
		synctest.Wait()
		wantErr(t, "Close", stop(), nil)
		wantErr(t, "the group", group.Err(), dispatch.ErrClosed)
		release.Complete(1)
	})
}

func TestGroupMisuse(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		nop := func(context.Context, *core.Group) error { return nil }
		inCallback := make(chan any, 1)
		core.DispatcherOf(ctx).CallSoon(func() { inCallback <- panics(func() { _ = core.WithGroup(ctx, nop) }) })
		wantErr(t, "Yield", core.Yield(ctx), nil)
		wantErr(t, "WithGroup", core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for name, c := range map[string]struct {
				want string
				call func()
			}{
				"WithGroup of nil":         {"core: WithGroup of nil", func() { _ = core.WithGroup(ctx, nil) }},
				"Go of nil":                {"core: Group.Go of nil", func() { _ = g.Go(ctx, nil) }},
				"TryGo of nil":             {"core: Group.TryGo of nil", func() { g.TryGo(ctx, nil) }},
				"the zero value, canceled": {"", func() { new(core.Group).Cancel(); panic("") }},
				"the zero value":           {"core: use of a group whose WithGroup has returned", func() { _ = new(core.Group).Go(ctx, forever) }},
				"Gather of nil":            {"core: Gather of a nil function", func() { _, _ = core.Gather[int](ctx, 0, nil) }},
				"a callback":               {"core: wait inside a dispatcher callback", func() { panic(<-inCallback) }},
				"a ctx that panics": {"what a ctx", func() {
					_ = g.Go(badCtx{ctx}, forever)
				}},
			} {
				if p := panics(c.call); p != c.want {
					t.Errorf("%s: panic %v", name, p)
				}
			}
			if n := g.Len(); n != 0 {
				t.Errorf("Len() = %d", n)
			}
			return nil
		}), nil)
	})
}

// badCtx panics when it is asked for what Start needs.
type badCtx struct{ context.Context }

func (badCtx) Value(any) any { panic("what a ctx") }
