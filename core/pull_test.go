package core_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// counting yields 0, 1, … n-1, each after a second, and notes how far it is.
func counting(ctx context.Context, tr *trace, n int) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		defer func() {
			_ = core.Sleep(core.Shield(ctx), time.Second)
			tr.add("cleaned")
		}()
		for i := range n {
			if err := core.Sleep(ctx, time.Second); err != nil {
				yield(i, err)
				return
			}
			tr.add("y%d", i)
			if !yield(i, nil) {
				tr.add("stopped")
				return
			}
		}
	}
}

// got is the result of a call of next, in short.
func got(v int, err error, more bool) string { return fmt.Sprintf("%d %v %t", v, err, more) }

func wantNext(t *testing.T, next func(ctx context.Context) (int, error, bool), ctx context.Context, want string) {
	t.Helper()
	if s := got(next(ctx)); s != want {
		t.Errorf("next() = %s, want %s", s, want)
	}
}

func TestPull(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		next, stop := core.Pull(at(ctx, 0), counting(at(ctx, 0), &tr, 3))
		tr.want(t, "")
		for i := range 3 {
			wantNext(t, next, ctx, fmt.Sprint(i, " <nil> true"))
			// Nothing is read ahead.
			wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
			tr.want(t, fmt.Sprint("y", i))
		}
		for range 2 {
			wantNext(t, next, ctx, "0 <nil> false")
		}
		tr.want(t, "cleaned")
		stop()
		stop()
		wantNext(t, next, ctx, "0 <nil> false")

		// Errors come as they are yielded.
		next, stop = core.Pull(at(ctx, 1), func(yield func(int, error) bool) {
			_ = yield(1, errBoom) && yield(2, nil)
		})
		wantNext(t, next, ctx, "1 boom true")
		wantNext(t, next, ctx, "2 <nil> true")
		wantNext(t, next, ctx, "0 <nil> false")
		stop()
	})
}

// stop returns when the sequence has cleaned up.
func TestPullStop(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		_, stop := core.Pull(at(ctx, 0), counting(at(ctx, 0), &tr, 3))
		stop()
		stop()
		tr.want(t, "") // it has not begun, and does not

		next, stop := core.Pull(at(ctx, 0), counting(at(ctx, 0), &tr, 3))
		wantNext(t, next, ctx, "0 <nil> true")
		stop()
		tr.want(t, "y0 stopped cleaned")
		stop()
		wantNext(t, next, ctx, "0 <nil> false")
		tr.want(t, "")

		// Where the sequence is not in yield, because a next was given up, but in a wait of its own.
		next, stop = core.Pull(at(ctx, 1), counting(at(ctx, 1), &tr, 3))
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		wantNext(t, next, short, "0 context deadline exceeded true")
		cancel()
		stop()
		tr.want(t, "y0 stopped cleaned")

		// A value that nobody has taken is dropped.
		next, stop = core.Pull(at(ctx, 1), counting(at(ctx, 1), &tr, 3))
		short, cancel = core.WithTimeout(ctx, time.Millisecond)
		wantNext(t, next, short, "0 context deadline exceeded true")
		cancel()
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		stop()
		wantNext(t, next, ctx, "0 <nil> false")
		tr.want(t, "y0 stopped cleaned")

		// While another waits in next.
		next, stop = core.Pull(at(ctx, 0), counting(at(ctx, 0), &tr, 3))
		waits := core.Async(at(ctx, 1), func(ctx context.Context) (string, error) { return got(next(ctx)), nil })
		wantErr(t, "Sleep", core.Sleep(ctx, time.Millisecond), nil)
		stop()
		v, err := waits.Await(ctx)
		wantErr(t, "Await", err, nil)
		equal(t, []string{v}, "0 <nil> false")
		tr.want(t, "y0 stopped cleaned")
	})
}

// A wait of the sequence that has no ctx but that of its task ends with stop.
func TestPullStopCancelsTheTask(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var own context.Context
		next, stop := core.Pull(ctx, func(yield func(int, error) bool) {
			own = core.OwnContext()
			wantErr(t, "its wait", forever(own), context.Canceled)
			if yield(1, nil) {
				t.Error("yield goes on")
			}
		})
		short, cancel := core.WithTimeout(ctx, time.Second)
		defer cancel()
		wantNext(t, next, short, "0 context deadline exceeded true")
		stop()
		if own == nil || own.Err() == nil {
			t.Error("it was not canceled")
		}
	})
}

// A next that is given up loses nothing.
func TestPullCanceledNext(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		next, stop := core.Pull(at(ctx, 0), counting(at(ctx, 0), &tr, 3))
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		wantNext(t, next, short, "0 context deadline exceeded true")
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		tr.want(t, "y0") // the value that was asked for, and no more
		wantNext(t, next, short, "0 context deadline exceeded true")
		wantNext(t, next, ctx, "0 <nil> true")
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		tr.want(t, "")
		wantNext(t, next, ctx, "1 <nil> true")
		stop()
		tr.want(t, "y1 stopped cleaned")

		// A ctx that is done at the first call does not begin the sequence.
		next, stop = core.Pull(at(ctx, 0), counting(at(ctx, 0), &tr, 3))
		wantNext(t, next, short, "0 context deadline exceeded true")
		stop()
		tr.want(t, "")
	})
}

// Calls of next at the same time are served in order of arrival.
func TestPullConcurrentNext(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		next, stop := core.Pull(at(ctx, 0), counting(at(ctx, 0), new(trace), 4))
		var callers []*core.Task
		for i := range 6 {
			callers = append(callers, core.Start(at(ctx, i), func(ctx context.Context) error {
				if i == 1 {
					short, cancel := core.WithTimeout(ctx, time.Millisecond)
					defer cancel()
					ctx = short
				}
				s := got(next(ctx))
				tr.add("%d:%s", i, s)
				return nil
			}))
			wantErr(t, "Sleep", core.Sleep(ctx, 1), nil)
		}
		wantErr(t, "AllFinished", core.AllFinished(ctx, callers...), nil)
		stop()
		tr.want(t, "1:0 context deadline exceeded true 0:0 <nil> true 2:1 <nil> true 3:2 <nil> true 4:3 <nil> true 5:0 <nil> false")
	})
}

// The end of the ctx of Pull ends the sequence, and the next call says so, once.
func TestPullContext(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		var tr trace
		below, cancel := core.WithCancel(at(ctx, 0))
		next, stop := core.Pull(below, counting(context.WithoutCancel(below), &tr, 3))
		wantNext(t, next, ctx, "0 <nil> true")
		cancel()
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		tr.want(t, "y0 stopped cleaned")
		wantNext(t, next, ctx, "0 context canceled true")
		wantNext(t, next, ctx, "0 <nil> false")
		stop()

		next, stop = core.Pull(below, counting(below, &tr, 3))
		wantNext(t, next, ctx, "0 context canceled true") // it has not begun
		wantNext(t, next, ctx, "0 <nil> false")
		stop()
		tr.want(t, "")

		// A value that is there already is not lost.
		below, cancel = core.WithCancel(at(ctx, 0))
		next, stop = core.Pull(below, counting(context.WithoutCancel(below), &tr, 3))
		short, cancelShort := core.WithTimeout(ctx, time.Millisecond)
		defer cancelShort()
		wantNext(t, next, short, "0 context deadline exceeded true")
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		cancel()
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		wantNext(t, next, ctx, "0 <nil> true")
		wantNext(t, next, ctx, "0 context canceled true")
		wantNext(t, next, ctx, "0 <nil> false")
		stop()
		stop()
	})
}

func TestPullPanics(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		panicked := func(what string, fn func()) {
			t.Helper()
			if p, ok := panics(fn).(*core.PanicError); !ok || p.Value != "oh" {
				t.Errorf("%s: panic %v", what, p)
			}
		}
		seq := func(yield func(int, error) bool) {
			defer func() { panic("oh") }()
			yield(1, nil)
		}
		next, stop := core.Pull(at(ctx, 0), seq)
		wantNext(t, next, ctx, "1 <nil> true")
		panicked("next", func() { next(ctx) })
		wantNext(t, next, ctx, "0 <nil> false")
		stop()

		next, stop = core.Pull(at(ctx, 0), seq)
		wantNext(t, next, ctx, "1 <nil> true")
		panicked("stop", stop)
		wantNext(t, next, ctx, "0 <nil> false")
		stop()

		next, stop = core.Pull(at(ctx, 0), func(yield func(int, error) bool) {
			_ = core.Sleep(ctx, time.Second)
			panic("oh")
		})
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		wantNext(t, next, short, "0 context deadline exceeded true")
		wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
		panicked("a later next", func() { next(ctx) })
		stop()

		next, stop = core.Pull(at(ctx, 1), func(yield func(int, error) bool) { runtime.Goexit() })
		wantNext(t, next, ctx, "0 core: task called runtime.Goexit true")
		wantNext(t, next, ctx, "0 <nil> false")
		stop()

		// A panic that is yielded as an error is one.
		err := core.Start(ctx, func(context.Context) error { panic("oh") }).Wait(ctx)
		next, stop = core.Pull(at(ctx, 0), func(yield func(int, error) bool) { yield(0, err) })
		if _, e, more := next(ctx); e != err || !more {
			t.Errorf("%v, %t", e, more)
		}
		stop()
	})
}

// A sequence that calls its own next or stop does not wait for itself.
func TestPullSelf(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var next func(ctx context.Context) (int, error, bool)
		var stop func()
		next, stop = core.Pull(ctx, func(yield func(int, error) bool) {
			_, err, more := next(ctx)
			if err != core.ErrSelf || !more {
				t.Errorf("next in the sequence: %v, %t", err, more)
			}
			if !yield(1, nil) {
				t.Error("yield has ended")
			}
			stop()
			for range 2 {
				if yield(2, nil) {
					t.Error("yield goes on behind stop")
				}
			}
		})
		wantNext(t, next, ctx, "1 <nil> true")
		wantNext(t, next, ctx, "0 <nil> false")
		stop()
		if p := panics(func() { core.Pull[int](ctx, nil) }); p != "core: Pull of nil" {
			t.Errorf("panic %v", p)
		}
		// In two tasks at once.
		next, stop = core.Pull(ctx, func(yield func(int, error) bool) {
			task := core.Start(ctx, func(ctx context.Context) error { yield(1, nil); return nil })
			if p := panics(func() { yield(2, nil) }); p != "core: yield of a pulled sequence is called twice at the same time" {
				t.Errorf("panic %v", p)
			}
			_ = task.Wait(ctx)
		})
		wantNext(t, next, ctx, "1 <nil> true")
		stop()
	})
}

// A sequence ends with its dispatcher.
func TestPullOnClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stopLoop := looping(t, dispatch.Config{})
		on := core.On(t.Context(), d)
		var tr trace
		next, stop := core.Pull(on, counting(on, &tr, 3))
		wantNext(t, next, t.Context(), "0 <nil> true")
		wantErr(t, "Close", stopLoop(), nil)
		tr.want(t, "y0 stopped cleaned")
		wantNext(t, next, t.Context(), "0 context canceled true")
		wantNext(t, next, t.Context(), "0 <nil> false")
		stop()
		next, stop = core.Pull(on, counting(on, &tr, 3))
		wantNext(t, next, t.Context(), "0 "+dispatch.ErrClosed.Error()+" true")
		wantNext(t, next, t.Context(), "0 <nil> false")
		stop()
		tr.want(t, "")
		nothingLeft(t)
	})
}

// Pull feeds a loop that stops in the middle, from a source that waits.
func TestPullMerge(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for i := range 3 {
				_ = g.Go(at(ctx, i), func(ctx context.Context) error {
					next, stop := core.Pull(at(ctx, i+1), counting(at(ctx, i+1), new(trace), 100))
					defer stop()
					for {
						v, err, more := next(ctx)
						switch {
						case err != nil:
							return err
						case !more:
							t.Error("it has ended")
							return nil
						case v == 10+i:
							return errBoom
						}
					}
				})
			}
			return nil
		})
		if !errors.Is(err, errBoom) {
			t.Errorf("WithGroup() = %v", err)
		}
	})
}
