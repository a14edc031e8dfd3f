package core_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// newLoop returns a dispatcher that nobody turns, and what turns it once.
func newLoop(t interface {
	Helper()
	Fatalf(format string, args ...any)
},
) (d *dispatch.Dispatcher, poll func() int) {
	t.Helper()
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatalf("New() = %v", err)
	}
	return d, func() int {
		t.Helper()
		n, err := d.Poll(0)
		if err != nil && err != dispatch.ErrIdle {
			t.Fatalf("Poll() = %v", err)
		}
		return n
	}
}

// A callback never runs inside AddCallback or Complete, and those of one dispatcher run in the
// order in which they were added, before and after the end of the future.
func TestCallbackOrder(t *testing.T) {
	d, poll := newLoop(t)
	var tr trace
	f := core.NewFuture[int]()
	add := func(name string) func() bool {
		return f.AddCallback(d, func(got *core.Future[int]) {
			if got != f || !got.Finished() {
				t.Errorf("%s got %p, %v", name, got, got.State())
			}
			tr.add("%s", name)
		})
	}
	add("1")
	add("2")
	poll()
	tr.want(t, "")
	f.Complete(1)
	add("3")
	tr.want(t, "")
	if n := poll(); n != 3 {
		t.Errorf("%d callbacks ran", n)
	}
	tr.want(t, "1 2 3")
	add("4")
	tr.want(t, "")
	d.CallSoon(func() { add("5"); tr.add("callback") })
	poll()
	tr.want(t, "4 callback")
	poll()
	tr.want(t, "5")
	wantErr(t, "Close", d.Close(), nil)
}

// Taking one out leaves the others in their order; chronos runs 4, 2, 3 here.
func TestCallbackStop(t *testing.T) {
	d, poll := newLoop(t)
	var tr trace
	f := core.NewFuture[int]()
	add := func(name string) func() bool {
		return f.AddCallback(d, func(*core.Future[int]) { tr.add("%s", name) })
	}
	stop1 := add("1")
	add("2")
	stop3 := add("3")
	if !stop1() || stop1() {
		t.Error("stop() is not true, then false")
	}
	if n := core.Watchers(f); n != 2 { // a pending future holds nothing of what was stopped
		t.Errorf("%d are left", n)
	}
	stop4 := add("4")
	f.Complete(1)
	if !stop3() { // posted already
		t.Error("stop() = false before it has run")
	}
	poll()
	tr.want(t, "2 4")
	if stop4() {
		t.Error("stop() = true behind the callback")
	}
	// The last one, the only one, one of a finished future.
	f = core.NewFuture[int]()
	add("a")
	add("b")()
	add("c")
	f.Complete(1)
	add("d")()
	add("e")
	poll()
	tr.want(t, "a c e")
	f = core.NewFuture[int]()
	add("a")()
	add("b")
	f.Cancel()
	var stop func() bool
	stop = f.AddCallback(d, func(*core.Future[int]) { tr.add("stop inside: %t", stop()) })
	poll()
	tr.want(t, "b stop inside: false")
	if n := core.Watchers(f); n != 0 {
		t.Errorf("%d watch a finished future", n)
	}
	wantErr(t, "Close", d.Close(), nil)
}

// What AddCallback, stop and ClearCallbacks do in any order is what a list does.
func TestCallbackModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, poll := newLoop(t)
		defer d.Close()
		f := core.NewFuture[int]()
		var stops []func() bool
		var list, ran []int // what the model would run, and what ran
		live := map[int]bool{}
		done := false
		t.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				i := len(stops)
				stops = append(stops, f.AddCallback(d, func(*core.Future[int]) { ran = append(ran, i) }))
				list, live[i] = append(list, i), true
			},
			"stop": func(t *rapid.T) {
				if len(stops) == 0 {
					t.Skip("nothing to stop")
				}
				i := rapid.IntRange(0, len(stops)-1).Draw(t, "which")
				if got := stops[i](); got != live[i] {
					t.Fatalf("stop %d = %t, want %t", i, got, live[i])
				}
				live[i] = false
				list = slices.DeleteFunc(list, func(at int) bool { return at == i && !slices.Contains(ran, i) })
			},
			"clear": func(t *rapid.T) {
				want := 0
				if !done {
					list = nil
					for i := range live {
						if live[i] {
							live[i] = false
							want++
						}
					}
				}
				if n := f.ClearCallbacks(); n != want {
					t.Fatalf("ClearCallbacks() = %d, want %d", n, want)
				}
			},
			"complete": func(*rapid.T) { f.TryComplete(1); done = true },
			"poll": func(*rapid.T) {
				poll()
				if done {
					for i := range live {
						live[i] = false
					}
				}
			},
			"": func(t *rapid.T) {
				if len(ran) > len(list) || !slices.Equal(ran, list[:len(ran)]) {
					t.Fatalf("ran %v, want %v", ran, list)
				}
			},
		})
		f.TryComplete(1)
		poll()
		if !slices.Equal(ran, list) {
			t.Fatalf("ran %v, want %v", ran, list)
		}
	})
}

// Whoever waited when the future ended goes on before the callbacks, and so does nobody who comes
// later.
func TestCallbackAndWaiters(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		d := core.DispatcherOf(ctx)
		f := core.NewFuture[int]()
		waiter := func(name string) {
			core.Start(ctx, func(ctx context.Context) error {
				_, err := f.Await(ctx)
				tr.add("%s", name)
				return err
			})
		}
		call := func(name string) {
			f.AddCallback(d, func(*core.Future[int]) { tr.add("%s", name) })
		}
		call("c1")
		waiter("w1")
		call("c2")
		waiter("w2")
		f.Complete(1)
		call("c3")
		wantErr(t, "Yield", core.Yield(ctx), nil)
		tr.want(t, "w1 w2 c1 c2 c3")
	})
}

// However many goroutines add callbacks while another finishes the future: those that one of
// them added run in its order.
func TestCallbackOrderAcrossGoroutines(t *testing.T) {
	for range 100 {
		d, poll := newLoop(t)
		f := core.NewFuture[int]()
		const adders, each = 4, 20
		var order [adders][]int
		var wg sync.WaitGroup
		for a := range adders {
			wg.Go(func() {
				for i := range each {
					f.AddCallback(d, func(*core.Future[int]) { order[a] = append(order[a], i) })
				}
			})
		}
		wg.Go(func() { f.Complete(1) })
		wg.Wait()
		for poll() > 0 {
		}
		for a := range adders {
			if len(order[a]) != each || !slices.IsSorted(order[a]) {
				t.Fatalf("%d: %v", a, order[a])
			}
		}
		wantErr(t, "Close", d.Close(), nil)
	}
}

// What keeps that order is that the end of the future and the posts are one step. The race for it
// is too rare for the test above to see.
func TestCallbacksArePostedInOneStep(t *testing.T) {
	f := core.NewFuture[int]()
	pending := core.PostsUnderLock(f)
	f.Complete(1)
	finished := core.PostsUnderLock(f)
	if !pending() || !finished() {
		t.Errorf("posted under the lock: %t at the end, %t behind it", pending(), finished())
	}
}

// Of a callback that is stopped on another goroutine, stop knows whether it runs.
func TestCallbackStopAcrossGoroutines(t *testing.T) {
	d, stop := looping(t, dispatch.Config{})
	for i := range 500 {
		f := core.NewFuture[int]()
		ran := make(chan struct{}, 1)
		last := make(chan struct{})
		take := f.AddCallback(d, func(*core.Future[int]) { ran <- struct{}{} })
		f.AddCallback(d, func(*core.Future[int]) { close(last) })
		var wg sync.WaitGroup
		stopped := false
		wg.Go(func() { f.Complete(i) })
		wg.Go(func() { stopped = take() })
		wg.Wait()
		<-last
		if stopped == (len(ran) == 1) {
			t.Fatalf("stop() = %t, it ran %d times", stopped, len(ran))
		}
	}
	wantErr(t, "Close", stop(), nil)
}

func TestCallbackOnGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		f := core.NewFuture[int]()
		release := make(chan struct{})
		f.AddCallback(nil, func(f *core.Future[int]) {
			<-release // blocks nobody
			v, err := f.Read()
			tr.add("%d %v", v, err)
		})
		if !f.AddCallback(nil, func(*core.Future[int]) { t.Error("it was stopped") })() {
			t.Error("stop() = false")
		}
		f.Complete(4)
		f.AddCallback(nil, func(*core.Future[int]) { close(release) })
		synctest.Wait()
		tr.want(t, "4 <nil>")
		// Outside of any dispatcher that is what the ctx says.
		f.AddCallback(core.DispatcherOf(t.Context()), func(*core.Future[int]) { tr.add("goroutine") })
		synctest.Wait()
		tr.want(t, "goroutine")
	})
}

func TestCallbackOfTask(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		var tr trace
		task := core.Start(ctx, func(ctx context.Context) error {
			if err := core.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return errBoom
		})
		task.AddCallback(core.DispatcherOf(ctx), func(got *core.Task) {
			tr.add("%t %v", got == task, got.Err())
		})
		wantErr(t, "Wait", task.Wait(ctx), errBoom)
		tr.want(t, "")
		wantErr(t, "Yield", core.Yield(ctx), nil)
		tr.want(t, "true boom")
	})
}

// A callback that waits for a future is nothing that d could do; a posted one is.
func TestCallbackIsNotPending(t *testing.T) {
	d, poll := newLoop(t)
	f := core.NewFuture[int]()
	stop := f.AddCallback(d, func(*core.Future[int]) {})
	if _, err := d.Poll(0); err != dispatch.ErrIdle || d.Pending() != 0 {
		t.Errorf("Poll() = %v, %d pending", err, d.Pending())
	}
	f.Complete(1)
	if n := d.Pending(); n != 1 {
		t.Errorf("%d pending when it is posted", n)
	}
	poll()
	if n := d.Pending(); n != 0 || stop() {
		t.Errorf("%d pending when it has run", n)
	}
	wantErr(t, "Close", d.Close(), nil)
}

// Callbacks of what Close ends run during Close, and none runs afterwards.
func TestCallbackAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, poll := newLoop(t)
		var tr trace
		task := core.Start(core.On(t.Context(), d), forever)
		poll()
		task.AddCallback(d, func(task *core.Task) { tr.add("%v", task.State()) })
		late := core.NewFuture[int]()
		stop := late.AddCallback(d, func(*core.Future[int]) { t.Error("a callback on a closed dispatcher") })
		wantErr(t, "Close", d.Close(), nil)
		tr.want(t, "canceled")
		late.Complete(1)
		if !stop() {
			t.Error("stop() = false, but it never ran")
		}
		late.AddCallback(d, func(*core.Future[int]) { t.Error("a callback on a closed dispatcher") })
		synctest.Wait()
	})
}

// A panic leaves the call that turns the dispatcher, and not the one that finishes the future.
func TestCallbackPanics(t *testing.T) {
	d, poll := newLoop(t)
	var tr trace
	f := core.NewFuture[int]()
	f.AddCallback(d, func(*core.Future[int]) { panic(errBoom) })
	f.AddCallback(d, func(*core.Future[int]) { tr.add("next") })
	f.Complete(1)
	if p := panics(func() { poll() }); p != errBoom {
		t.Errorf("panic %v", p)
	}
	poll()
	tr.want(t, "next")
	if p := panics(func() { f.AddCallback(d, nil) }); p != "core: nil callback" {
		t.Errorf("panic %v", p)
	}
	wantErr(t, "Close", d.Close(), nil)
}

// A Goexit of a callback takes the goroutine along that turns the loop, and nothing else: the tasks
// that are suspended and the callbacks behind it go on when another one does.
func TestCallbackGoexit(t *testing.T) {
	d, poll := newLoop(t)
	var tr trace
	f := core.NewFuture[int]()
	task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
		_, err := f.Await(ctx)
		err = errors.Join(err, core.Yield(ctx))
		tr.add("task")
		return err
	})
	poll()
	f.AddCallback(d, func(*core.Future[int]) { runtime.Goexit() })
	f.AddCallback(d, func(*core.Future[int]) { tr.add("next") })
	f.Complete(1)
	var gone sync.WaitGroup
	returned := false
	gone.Go(func() { poll(); returned = true })
	gone.Wait()
	poll()
	poll()
	tr.want(t, "next task")
	if returned || task.Err() != nil {
		t.Errorf("Poll returned: %t, the task: %v", returned, task.Err())
	}
	wantErr(t, "Close", d.Close(), nil)
}

// Callbacks, waiters, combinators and the channel of one future, on several dispatchers.
func TestCallbackAmongAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, stopA := looping(t, dispatch.Config{})
		b, stopB := looping(t, dispatch.Config{})
		f := core.NewFuture[int]()
		var wg sync.WaitGroup
		var tr trace
		for i, d := range []*dispatch.Dispatcher{a, b, nil} {
			wg.Add(1)
			f.AddCallback(d, func(*core.Future[int]) { tr.add("%d", i); wg.Done() })
			ctx := t.Context()
			if d != nil {
				ctx = core.On(ctx, d)
			}
			wg.Go(func() {
				task := core.Start(ctx, func(ctx context.Context) error {
					n, err := core.Race(ctx, core.NewFuture[int](), f)
					if n != 1 {
						return fmt.Errorf("%d has won", n)
					}
					return err
				})
				wantErr(t, "Race", task.Wait(t.Context()), nil)
				<-f.Done()
			})
		}
		synctest.Wait()
		f.Complete(1)
		wg.Wait()
		tr.mu.Lock()
		slices.Sort(tr.list)
		tr.mu.Unlock()
		tr.want(t, "0 1 2")
		wantErr(t, "Close", stopA(), nil)
		wantErr(t, "Close", stopB(), nil)
	})
}
