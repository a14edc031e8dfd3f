package core_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/check/tasks"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// The laws of the primitives hold for tasks of one or several dispatchers, and for tasks and
// goroutines together.
func TestLaws(t *testing.T) {
	for name, steppers := range tasks.Steppers() {
		t.Run("lock/"+name, func(t *testing.T) {
			check.Locks(func(l *lock.AsyncLock) string {
				s := l.Stats()
				return fmt.Sprintf("locked=%t waiting=%d", s.Locked, s.Waiting)
			}).Check(t, steppers, func(int) *lock.AsyncLock { return new(lock.AsyncLock) })
		})
		t.Run("event/"+name, func(t *testing.T) {
			check.Events(func(e *event.AsyncEvent) string {
				s := e.Stats()
				return fmt.Sprintf("set=%t waiting=%d", s.Set, s.Waiting)
			}).Check(t, steppers, func(int) *event.AsyncEvent { return new(event.AsyncEvent) })
		})
		t.Run("queue/"+name, func(t *testing.T) {
			check.Queues(func(q *queue.AsyncQueue[int]) string {
				s := q.Stats()
				return fmt.Sprintf("len=%d getters=%d putters=%d", s.Len, s.Getters, s.Putters)
			}).Check(t, steppers, func(size int) *queue.AsyncQueue[int] { return queue.New[int](size) })
		})
		t.Run("semaphore/"+name, func(t *testing.T) {
			check.Semaphores((*semaphore).state).Check(t, steppers, func(size int) *semaphore { return &semaphore{free: 1 + size} })
		})
	}
}

// semaphore is a weighted semaphore, as a user makes it from a WaitQueue.
type semaphore struct {
	mu    sync.Mutex
	free  int
	queue xsync.WaitQueue[int]
}

func (s *semaphore) take(n *int) (bool, error) {
	if *n > s.free {
		return false, nil
	}
	s.free -= *n
	return true, nil
}

func (s *semaphore) Acquire(ctx context.Context, n int) error {
	_, err := s.queue.Wait(ctx, &s.mu, n, s.take)
	return err
}

func (s *semaphore) TryAcquire(n int) bool {
	_, ok, _ := s.queue.Try(&s.mu, n, s.take)
	return ok
}

func (s *semaphore) Release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.queue.Settle(s.take)
}

func (s *semaphore) state() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprintf("free=%d waiting=%d", s.free, s.queue.Len())
}

// Under load, with cancels at any moment, in real time.
func TestStress(t *testing.T) {
	for name, runner := range tasks.Steppers() {
		stress := func() *check.Stress {
			return &check.Stress{Runner: runner(), N: 60, Ops: check.Times(40, 1000)}
		}
		t.Run("lock/"+name, func(t *testing.T) {
			if err := stress().Lock(new(lock.AsyncLock), new(lock.AsyncLock)); err != nil {
				t.Fatal(err)
			}
		})
		t.Run("event/"+name, func(t *testing.T) {
			if err := stress().Event(new(event.AsyncEvent)); err != nil {
				t.Fatal(err)
			}
		})
		t.Run("queue/"+name, func(t *testing.T) {
			if err := stress().Queue(queue.New[int](3)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Futures between dispatchers and goroutines: each is completed, canceled and awaited by
// whoever comes, and everybody sees the same outcome.
func TestStressFutures(t *testing.T) {
	for name, runner := range tasks.Steppers() {
		t.Run(name, func(t *testing.T) {
			r := runner()
			fs := make([]*core.Future[int], check.Times(200, 4000))
			for i := range fs {
				fs[i] = core.NewFuture[int]()
			}
			outcomes := make([][]string, 12)
			for p := range outcomes {
				r.Go(fmt.Sprint(p), func(ctx context.Context) {
					for i, f := range fs {
						var err error
						switch (i + p) % 6 {
						case 0:
							f.TryComplete(p)
						case 1:
							f.TryFail(errBoom)
						case 2:
							f.Cancel()
						case 3:
							_, err = core.Race(ctx, f, fs[len(fs)-1])
						case 4:
							_, _ = core.All(ctx, f, fs[i/2])
						}
						if err != nil {
							t.Errorf("Race() = %v", err)
						}
						v, err := f.Await(ctx)
						outcomes[p] = append(outcomes[p], fmt.Sprint(f.State(), v, err))
					}
				})
			}
			r.Wait()
			for p := range outcomes {
				equal(t, outcomes[p], outcomes[0]...)
			}
			for i, f := range fs {
				if n, m := core.Waiters(f), core.Watchers(f); n != 0 || m != 0 {
					t.Errorf("future %d: %d wait, %d look on", i, n, m)
				}
			}
		})
	}
}

// Tasks that start tasks on another dispatcher, whose contexts are canceled from
// anywhere, while they end.
func TestStressTrees(t *testing.T) {
	var ds []*dispatch.Dispatcher
	var stops []func() error
	for range 3 {
		d, stop := looping(t, dispatch.Config{})
		ds, stops = append(ds, d), append(stops, stop)
	}
	var grow func(ctx context.Context, depth int) error
	grow = func(ctx context.Context, depth int) error {
		if depth == 0 {
			return forever(ctx)
		}
		var children []*core.Task
		for i, d := range ds {
			below := core.On(ctx, d)
			switch i {
			case 0:
				below = ctx
			case 1:
				std, cancel := context.WithCancel(below)
				defer cancel()
				below = std
			}
			children = append(children, core.Start(below, func(ctx context.Context) error { return grow(ctx, depth-1) }))
		}
		go children[depth%3].Cancel()
		_ = children[0].CancelAndWait(core.Shield(ctx))
		for _, c := range children[1:] {
			_ = c.Wait(core.Shield(ctx))
		}
		return ctx.Err()
	}
	var roots []*core.Task
	for i := range check.Times(40, 2000) {
		roots = append(roots, core.Start(core.On(t.Context(), ds[i%3]), func(ctx context.Context) error { return grow(ctx, 3) }))
	}
	for _, root := range roots {
		go root.Cancel()
	}
	for _, root := range roots {
		<-root.Done()
	}
	for i, stop := range stops {
		wantErr(t, "Close", stop(), nil)
		if n := ds[i].Pending(); n != 0 {
			t.Errorf("%d are pending", n)
		}
	}
}
