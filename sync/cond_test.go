package xsync_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// watched is a Cond and its mutex, which notes whether it is held.
type watched struct {
	mu   sync.Mutex
	held bool // guarded by mu
	cond *xsync.Cond
}

func newWatched(int) *watched {
	w := new(watched)
	w.cond = xsync.NewCond(w)
	return w
}

func (w *watched) Lock()   { w.mu.Lock(); w.held = true }
func (w *watched) Unlock() { w.held = false; w.mu.Unlock() }

func (w *watched) wait(ctx context.Context) error {
	w.Lock()
	defer w.Unlock()
	return w.cond.Wait(ctx)
}

// conds is the law of a Cond: a notification goes to the first who waits, and to nobody who has
// given up or comes later.
func conds() check.Law[*watched] {
	return check.Law[*watched]{
		Calls:  []string{"wait"},
		Nows:   []string{"notify", "notify", "notify", "all"},
		MaxArg: 3,
		Model:  func(int) check.Model { return &condModel{} },
		System: func(w *watched) check.System {
			return check.System{
				Call: func(ctx context.Context, _ check.Op) string {
					err := w.wait(ctx)
					return text(err)
				},
				Now: func(op check.Op) string {
					if op.Name == "all" {
						return fmt.Sprint(w.cond.NotifyAll())
					}
					return fmt.Sprint(w.cond.Notify(op.Arg - 1))
				},
				State: func() string { return fmt.Sprintf("%+v", w.cond.Stats()) },
			}
		},
	}
}

type condModel struct {
	check.Ends
	queue []int
}

func (m *condModel) Clone() check.Model {
	return &condModel{m.Ends, slices.Clone(m.queue)}
}

func (m *condModel) Call(op check.Op) { m.queue = append(m.queue, op.ID) }

func (m *condModel) Cancel(id int) {
	if i := slices.Index(m.queue, id); i >= 0 {
		m.queue = slices.Delete(m.queue, i, i+1)
		m.End(id, text(context.Canceled))
	}
}

func (m *condModel) Now(op check.Op) string {
	n := len(m.queue)
	if op.Name == "notify" {
		n = min(n, op.Arg-1)
	}
	for _, id := range m.queue[:n] {
		m.End(id, "ok")
	}
	m.queue = m.queue[n:]
	return fmt.Sprint(n)
}

func (m *condModel) Allowed(check.Op) bool { return true }
func (m *condModel) Unblock() check.Op     { return check.Op{Name: "all"} }
func (m *condModel) State() string {
	return fmt.Sprintf("%+v", xsync.CondStats{Waiting: len(m.queue)})
}

func TestCondModel(t *testing.T) { everywhere(t, conds(), newWatched) }

// A semaphore made of a Cond: every permit comes back, and whoever waits gets one.
func TestCondStress(t *testing.T) {
	for name, runner := range runners() {
		t.Run(name, func(t *testing.T) {
			const permits = 3
			var mu sync.Mutex
			free, waits := permits, 0
			cond := xsync.NewCond(&mu)
			acquire := func(ctx context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				for free == 0 {
					waits++
					if err := cond.Wait(ctx); err != nil {
						return err
					}
				}
				free--
				return nil
			}
			load(t, runner(), 40, check.Times(60, 600), func(ctx context.Context, _, _ int) {
				if err := acquire(ctx); err != nil {
					wantErr(t, "Wait", err, ctx.Err())
					return
				}
				_ = core.Yield(context.Background())
				mu.Lock()
				free++
				mu.Unlock()
				cond.Notify(1)
			})
			if free != permits || waits == 0 {
				t.Errorf("%d permits are free at the end, %d waits", free, waits)
			}
			want(t, cond.Stats(), xsync.CondStats{})
		})
	}
}

func TestCondHoldsL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(0)
		for _, ctx := range doneContexts(t) {
			w.Lock()
			wantErr(t, "Wait", w.cond.Wait(ctx), ctx.Err())
			want(t, w.held, true)
			w.Unlock()
		}
		ctx, cancel := context.WithCancel(t.Context())
		var c calls
		for i := range 2 {
			c.start(i, func() error {
				w.Lock()
				defer w.Unlock()
				err := w.cond.Wait(ctx)
				want(t, w.held, true)
				return err
			})
			want(t, w.held, false)
		}
		w.cond.Notify(1)
		c.want(t, "0 <nil>")
		cancel()
		c.want(t, "1 context canceled")
	})
}

// leaky is a Locker that lets others run at once when it is unlocked.
type leaky struct {
	sync.Mutex
	unlocked func()
}

func (l *leaky) Unlock() {
	l.Mutex.Unlock()
	l.unlocked()
}

// A notification in the moment in which L is unlocked finds the waiter.
func TestCondUnlocksAndWaitsAtOnce(t *testing.T) {
	var l leaky
	cond := xsync.NewCond(&l)
	notified := make(chan int, 1)
	l.unlocked = func() {
		l.unlocked = func() {}
		go func() { notified <- cond.Notify(1) }()
		for range 1000 {
			runtime.Gosched()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.Lock()
	go func() {
		if n := <-notified; n != 1 {
			t.Error("the notification is lost")
			cancel()
		}
	}()
	_ = cond.Wait(ctx)
	l.Unlock()
}

// A Wait that panics leaves the locks as it found them.
func TestCondPanics(t *testing.T) {
	mustPanic(t, "xsync: notify of a negative number of waiters", func() { newWatched(0).cond.Notify(-1) })
	var none xsync.Cond
	if panics(func() { _ = none.Wait(t.Context()) }) == nil {
		t.Error("Wait without L does not panic")
	}
	want(t, none.Notify(1), 0) // its own lock is free

	w := newWatched(0)
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		ended := core.NewFuture[any]()
		core.DispatcherOf(ctx).CallSoon(func() {
			w.Lock()
			defer w.Unlock()
			ended.Complete(panics(func() { _ = w.cond.Wait(ctx) }))
		})
		v, err := ended.Await(ctx)
		want(t, v, any("core: wait inside a dispatcher callback"))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want(t, w.cond.NotifyAll(), 0)
	want(t, w.held, false)
}

// locker makes an AsyncLock a Locker.
type locker struct{ lock.AsyncLock }

func (l *locker) Lock() {
	if err := l.Acquire(context.Background()); err != nil {
		panic(err)
	}
}
func (l *locker) Unlock() { l.Release() }

// With an AsyncLock for L, tasks of one loop can wait with it held.
func TestCondWithAsyncLock(t *testing.T) {
	var l locker
	cond := xsync.NewCond(&l)
	ready := 0
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		var all []*core.Task
		for range 3 {
			all = append(all, core.Start(ctx, func(ctx context.Context) error {
				l.Lock()
				defer l.Unlock()
				for ready == 0 {
					if err := cond.Wait(ctx); err != nil {
						return err
					}
				}
				ready--
				return core.Yield(ctx)
			}))
		}
		for range all {
			l.Lock()
			ready++
			_ = core.Yield(ctx)
			cond.Notify(1)
			l.Unlock()
		}
		return core.AllFinished(ctx, all...)
	}); err != nil {
		t.Fatal(err)
	}
	want(t, ready, 0)
	want(t, l.Locked(), false)
}
