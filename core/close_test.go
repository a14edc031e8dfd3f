package core_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
)

// stays asserts that err names tasks with these functions, and no more.
func stays(t *testing.T, err error, names ...string) {
	t.Helper()
	ce, ok := errors.AsType[*dispatch.CloseError](err)
	if !ok || len(ce.Tasks) != len(names) {
		t.Fatalf("Close() = %v, want the names of %d tasks", err, len(names))
	}
	for _, name := range names {
		if !slices.ContainsFunc(ce.Tasks, func(s string) bool { return strings.Contains(s, name) }) {
			t.Errorf("no %q in %v", name, err)
		}
	}
	if !strings.Contains(ce.Tasks[0], "close_test.go:") {
		t.Errorf("no place in %v", err)
	}
}

// Tasks that are suspended are canceled and clean up; what they are granted meanwhile
// they get.
func TestCloseCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		d, stop := looping(t, dispatch.Config{})
		on := core.On(t.Context(), d)
		yields := core.Start(on, func(ctx context.Context) error {
			for core.Yield(ctx) == nil {
			}
			return ctx.Err()
		})
		go yields.Cancel() // a bubble has no time for those that never wait
		var l lock.AsyncLock
		l.TryAcquire()
		q := queue.New[int](1)
		tasks := []*core.Task{
			core.Start(on, forever),
			core.Start(on, func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) }),
			core.Start(on, func(ctx context.Context) error { return l.Acquire(ctx) }),
			core.Start(on, func(ctx context.Context) error { _, err := q.Get(ctx); return err }),
		}
		cleans := core.Start(on, func(ctx context.Context) error {
			err := forever(ctx)
			wantErr(t, "cause", context.Cause(ctx), dispatch.ErrClosed)
			clean := core.Shield(ctx)
			wantErr(t, "Sleep", core.Sleep(clean, time.Second), nil)
			v, getErr := q.Get(clean)
			tr.add("got%d", v)
			wantErr(t, "Get", getErr, nil)
			wantErr(t, "a new task", core.Start(clean, forever).Wait(clean), dispatch.ErrClosed)
			return err
		})
		synctest.Wait()
		go func() {
			time.Sleep(2 * time.Second)
			_ = q.Put(t.Context(), 7)
		}()
		start := time.Now()
		wantErr(t, "Close", stop(), nil)
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("it took %v", took)
		}
		tr.want(t, "got7")
		for i, task := range append(tasks, cleans) {
			if ce, ok := errors.AsType[*core.CanceledError](task.Err()); !ok || ce.Cause != dispatch.ErrClosed {
				t.Errorf("task %d: %v", i, task.Err())
			}
		}
		refused := core.Async(on, func(context.Context) (int, error) { t.Error("it runs"); return 1, nil })
		wantErr(t, "a task after Close", refused.Err(), dispatch.ErrClosed)
		if s := l.Stats(); s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		nothingLeft(t)
	})
}

// Tasks that were posted before Close run, with a ctx that is canceled.
func TestCloseRunsWhatWasPosted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var tasks []*core.Task
		ran := 0
		for range 10 {
			tasks = append(tasks, core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
				ran++
				wantErr(t, "cause", context.Cause(ctx), dispatch.ErrClosed)
				wantErr(t, "Sleep", core.Sleep(core.Shield(ctx), time.Second), nil)
				return ctx.Err()
			}))
		}
		wantErr(t, "Close", d.Close(), nil)
		for i, task := range tasks {
			if task.State() != core.StateCanceled {
				t.Errorf("task %d: %v", i, task.Err())
			}
		}
		if ran != 10 {
			t.Errorf("%d ran", ran)
		}
		nothingLeft(t)
	})
}

// Neither a task that waits where no cancel reaches it, nor one that tries again for
// ever, nor one that does not end holds up Close for longer than its time.
func TestCloseIsBounded(t *testing.T) {
	// The coroutine of a task that stays is left for ever, so this has a process of its own.
	if !inSubprocess(t, "bounded-close") {
		out, err := subprocess(t, "TestCloseIsBounded", "bounded-close")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Minute})
		on := core.On(t.Context(), d)
		tasks := []*core.Task{
			core.Start(on, shielded), core.Start(on, retrying), core.Start(on, relocking),
			core.Start(on, resleeping), core.Start(on, background), core.Start(on, yielding),
		}
		synctest.Wait()
		start := time.Now()
		stays(t, stop(), "retrying", "relocking", "resleeping", "yielding")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		wantErr(t, "shielded", tasks[0].Err(), dispatch.ErrClosed)
		wantErr(t, "background", tasks[4].Err(), dispatch.ErrClosed)
		for i, tries := range []*int{&retried, &relocked, &reslept, &reyielded} {
			if *tries != core.MaxRefused {
				t.Errorf("%d: %d waits failed", i, *tries)
			}
		}
		wantErr(t, "a second Close", d.Close(), nil)
		// A wait of its own with its queue gone: the lock is free for others.
		if s := shared.Stats(); s.Waiting != 0 {
			t.Errorf("%+v", s)
		}
		shared.Release()
		wantErr(t, "Acquire", shared.Acquire(t.Context()), nil)
		exitNow(t)
	})
}

// shared is held for the whole of TestCloseIsBounded.
var shared = func() *lock.AsyncLock {
	var l lock.AsyncLock
	l.TryAcquire()
	return &l
}()

var retried, relocked, reslept, reyielded int

func shielded(ctx context.Context) error   { return forever(core.Shield(ctx)) }
func background(ctx context.Context) error { return forever(context.Background()) }

func retrying(ctx context.Context) error {
	for {
		if forever(core.Shield(ctx)) == dispatch.ErrClosed {
			retried++
		}
	}
}

func relocking(ctx context.Context) error {
	for {
		if shared.Acquire(context.Background()) == dispatch.ErrClosed {
			relocked++
		}
	}
}

func resleeping(ctx context.Context) error {
	for {
		if core.Sleep(core.Shield(ctx), time.Second) == dispatch.ErrClosed {
			reslept++
		}
	}
}

func yielding(ctx context.Context) error {
	for {
		if core.Sleep(core.Shield(ctx), time.Second) != nil && core.Yield(core.Shield(ctx)) == dispatch.ErrClosed {
			reyielded += 2 // the Sleep is refused too
		}
	}
}

// A task that tries again for ever what its done ctx forbids gives way to others, and so does
// not hold up Close for longer than its time. There is no bubble here: for one the
// task would never come to rest.
func TestCloseOfStubbornTask(t *testing.T) {
	if !inSubprocess(t, "stubborn") {
		out, err := subprocess(t, "TestCloseOfStubbornTask", "stubborn")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	d, stop := looping(t, dispatch.Config{CloseTimeout: 50 * time.Millisecond})
	on := core.On(t.Context(), d)
	var ev event.AsyncEvent
	fs := stream.New[int](1)
	var begun sync.WaitGroup
	q := queue.New[int](1)
	for _, try := range []func(ctx context.Context) error{
		shared.Acquire,
		ev.Wait,
		func(ctx context.Context) error { return q.Put(ctx, 1) },
		func(ctx context.Context) error { _, err := q.Get(ctx); return err },
		func(ctx context.Context) error { return core.Sleep(ctx, time.Hour) },
		core.Yield,
		func(ctx context.Context) error { return fs.Write(ctx, 1) },
		func(ctx context.Context) error { _, err := fs.Read(ctx); return err },
		func(ctx context.Context) error { _, err := core.NewFuture[int]().Await(ctx); return err },
		func(ctx context.Context) error {
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { return 0, nil })
			return err
		},
	} {
		begun.Add(1)
		stubborn := func(ctx context.Context) error {
			begun.Done()
			for {
				_ = try(ctx)
			}
		}
		core.Spawn(on, stubborn)
	}
	begun.Wait()
	err := stop()
	ce, ok := errors.AsType[*dispatch.CloseError](err)
	if !ok || len(ce.Tasks) != 10 {
		t.Errorf("Close() = %v, want the names of 10 tasks", err)
	}
	exitNow(t)
}

// A task that tries again without an end while the dispatcher still serves waits is
// brought to an end by its time, too.
func TestCloseOfSpinningTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Minute})
		tries := 0
		task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			for {
				switch forever(ctx) { // fails at once from the cancel on
				case dispatch.ErrClosed:
					return dispatch.ErrClosed
				case nil:
					return errBoom
				}
				tries++
				if err := core.Sleep(core.Shield(ctx), time.Second); err != nil {
					return err
				}
			}
		})
		synctest.Wait()
		start := time.Now()
		wantErr(t, "Close", stop(), nil)
		if took := time.Since(start); took != time.Minute || tries < 59 {
			t.Errorf("it took %v, %d tries", took, tries)
		}
		wantErr(t, "task", task.Err(), dispatch.ErrClosed)
		nothingLeft(t)
	})
}

// A waiter whose dispatcher closes leaves the queue of what it shares with others.
func TestCloseLeavesQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Second})
		var l lock.AsyncLock
		l.TryAcquire()
		var tr trace
		acquire := func(ctx context.Context, name string) {
			tr.add("%s:%v", name, l.Acquire(ctx))
		}
		core.Start(core.On(t.Context(), d), func(ctx context.Context) error { acquire(context.Background(), "task"); return nil })
		synctest.Wait()
		go acquire(t.Context(), "goroutine")
		synctest.Wait()
		if s := l.Stats(); s.Waiting != 2 {
			t.Fatalf("%+v", s)
		}
		wantErr(t, "Close", stop(), nil)
		tr.want(t, "task:"+dispatch.ErrClosed.Error())
		l.Release()
		synctest.Wait()
		tr.want(t, "goroutine:<nil>")
		l.Release()
		nothingLeft(t)
	})
}

// In a task Close returns ErrRunning, and the loop ends after the turn.
func TestCloseInTask(t *testing.T) {
	eachRun(t, func(t *testing.T, run func(ctx context.Context, main func(ctx context.Context) error) error) {
		err := run(t.Context(), func(ctx context.Context) error {
			other := core.Start(ctx, forever)
			wantErr(t, "Close", core.DispatcherOf(ctx).Close(), dispatch.ErrRunning)
			if err := core.Start(ctx, forever).Wait(ctx); !errors.Is(err, dispatch.ErrClosed) && err != context.Canceled {
				t.Errorf("a new task: %v", err)
			}
			err := forever(ctx)
			wantErr(t, "cause", context.Cause(ctx), dispatch.ErrClosed)
			_ = other.Wait(core.Shield(ctx))
			if other.State() != core.StateCanceled {
				t.Errorf("%v", other.Err())
			}
			return err
		})
		wantErr(t, "run", err, context.Canceled)
	})
}

// No coroutine stays without a task once the calls have returned that turned the loop.
func TestIdleCoroutinesAreReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, most := range []int{0, 3, -1} {
			d, err := dispatch.New(dispatch.Config{MaxIdleCoroutines: most})
			if err != nil {
				t.Fatal(err)
			}
			burst := func(ctx context.Context) error {
				for range 20 {
					core.Start(ctx, func(ctx context.Context) error { return core.Yield(ctx) })
				}
				if err := core.Sleep(ctx, time.Second); err != nil {
					return err
				}
				idle, _, _ := core.Coroutines(ctx)
				if want := map[int]int{0: 20, 3: 3, -1: 0}[most]; idle != want {
					t.Errorf("%d idle coroutines, want %d", idle, want)
				}
				return nil
			}
			wantErr(t, "RunOn", core.RunOn(t.Context(), d, burst), nil)
			nothingLeft(t)
			task := core.Start(core.On(t.Context(), d), burst)
			for !task.Finished() {
				_, err := d.Poll(-1)
				wantErr(t, "Poll", err, nil)
			}
			nothingLeft(t) // Poll has left nothing pending
			wantErr(t, "Close", d.Close(), nil)
		}
	})
}
