package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

func TestMain(m *testing.M) { check.Main(m) }

// semaphore is a weighted semaphore, the primitive of these tests.
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
	n := 0
	for range s.queue.All() {
		n++
	}
	if n != s.queue.Len() {
		return fmt.Sprintf("All has %d, Len is %d", n, s.queue.Len())
	}
	return fmt.Sprintf("free=%d waiting=%d", s.free, n)
}

// binary is a lock that has the shape of the semaphore.
type binary struct{ semaphore }

func (b *binary) Acquire(ctx context.Context) error { return b.semaphore.Acquire(ctx, 1) }
func (b *binary) TryAcquire() bool                  { return b.semaphore.TryAcquire(1) }
func (b *binary) Release()                          { b.semaphore.Release(1) }

func TestModel(t *testing.T) {
	check.Semaphores((*semaphore).state).Everywhere(t, func(size int) *semaphore { return &semaphore{free: 1 + size} })
}

func TestStress(t *testing.T) {
	s := check.Stress{
		Runner: &check.Mixed{Of: []check.Stepper{new(check.Goroutines), &check.Hosts{Nag: true}}},
		N:      100, Ops: check.Times(50, 5000),
	}
	if err := s.Lock(&binary{semaphore{free: 1}}, &binary{semaphore{free: 1}}); err != nil {
		t.Fatal(err)
	}
}

// stamped is a weighted semaphore that notes the order in which its users come and
// are served, both under its mutex, so that the notes are exact.
type stamped struct {
	mu        sync.Mutex
	free      int
	arrivals  int
	last      int
	waited    int
	overtaken int
	queue     xsync.WaitQueue[stamp]
}

type stamp struct{ arrival, n int }

func (s *stamped) take(w *stamp) (bool, error) {
	if w.n > s.free {
		return false, nil
	}
	s.free -= w.n
	if w.arrival < s.last {
		s.overtaken++
	}
	s.last = w.arrival
	return true, nil
}

func (s *stamped) acquire(ctx context.Context, n int) error {
	s.mu.Lock()
	s.arrivals++
	w := stamp{s.arrivals, n}
	if s.queue.Len() == 0 {
		if ok, _ := s.take(&w); ok {
			s.mu.Unlock()
			return nil
		}
	}
	s.waited++
	_, err := s.queue.WaitLocked(ctx, &s.mu, w, s.take)
	return err
}

func (s *stamped) release(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	s.queue.Settle(s.take)
}

func TestStressNobodyIsOvertaken(t *testing.T) {
	const permits = 4
	s := stamped{free: permits}
	r := &check.Mixed{Of: []check.Stepper{new(check.Goroutines), &check.Hosts{Nag: true}}}
	cancels := make(chan func(), 64)
	for i := range 100 {
		r.Go(fmt.Sprint(i), func(own context.Context) {
			for j := range check.Many(100, 10_000) {
				ctx, cancel := context.WithCancel(own)
				if j%3 == 0 {
					select {
					case cancels <- cancel:
					default:
					}
				}
				n := 1 + (i+j)%permits
				if s.acquire(ctx, n) == nil {
					runtime.Gosched()
					s.release(n)
				}
				cancel()
			}
		})
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for cancel := range cancels {
			runtime.Gosched()
			cancel()
		}
	})
	r.Wait()
	close(cancels)
	wg.Wait()
	if s.overtaken != 0 {
		t.Errorf("%d of %d waits were overtaken", s.overtaken, s.waited)
	}
	if s.free != permits || s.queue.Len() != 0 {
		t.Errorf("at the end %d are free and %d wait", s.free, s.queue.Len())
	}
	if s.waited == 0 {
		t.Error("nobody waited: the test is too weak")
	}
}

// owner is a mutex and a queue, for tests of single methods. never is a take function
// that agrees to nothing.
type owner struct {
	mu    sync.Mutex
	queue xsync.WaitQueue[int]
}

func never(*int) (bool, error) { return false, nil }

type outcome struct {
	i, v int
	err  error
}

// wait starts n waits, which bring 0, 10, 20 …, and returns what they return, sorted by their
// order of arrival.
func (o *owner) wait(ctx context.Context, n int, take func(*int) (bool, error)) func() []outcome {
	var mu sync.Mutex
	var got []outcome
	for i := range n {
		go func() {
			v, err := o.queue.Wait(ctx, &o.mu, 10*i, take)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, outcome{i, v, err})
		}()
		synctest.Wait()
	}
	return func() []outcome {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		out := got
		got = nil
		slices.SortFunc(out, func(a, b outcome) int { return a.i - b.i })
		return out
	}
}

// free fails the test if the mutex is locked.
func (o *owner) free(t *testing.T) {
	t.Helper()
	if !o.mu.TryLock() {
		t.Fatal("the mutex is locked")
	}
	o.mu.Unlock()
}

func equal(t *testing.T, got []outcome, want ...outcome) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// bubbles runs a test with waits on a ctx that can end and on one that cannot, which
// wait in different ways.
func bubbles(t *testing.T, test func(t *testing.T, ctx context.Context, o *owner)) {
	t.Run("cancelable", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, t.Context(), new(owner)) })
	})
	t.Run("background", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, context.Background(), new(owner)) })
	})
}

func TestGrantAndHand(t *testing.T) {
	bubbles(t, func(t *testing.T, ctx context.Context, o *owner) {
		results := o.wait(ctx, 3, never)
		o.mu.Lock()
		if first := o.queue.First(); *first != 0 {
			t.Errorf("First() = %d", *first)
		}
		if got := slices.Collect(o.queue.All()); !slices.Equal(got, []int{0, 10, 20}) || o.queue.Len() != 3 {
			t.Errorf("All() = %v, Len() = %d", got, o.queue.Len())
		}
		for range o.queue.All() {
			break
		}
		if !o.queue.Grant() || !o.queue.Hand(77) {
			t.Error("nobody to grant to")
		}
		*o.queue.First() = 5
		if o.queue.Len() != 1 || !o.queue.Grant() || o.queue.Grant() || o.queue.Hand(1) || o.queue.First() != nil {
			t.Error("the queue does not empty one by one")
		}
		o.mu.Unlock()
		equal(t, results(), outcome{0, 0, nil}, outcome{1, 77, nil}, outcome{2, 5, nil})
		o.free(t)
	})
}

func TestGrantNAndFail(t *testing.T) {
	over := errors.New("over")
	bubbles(t, func(t *testing.T, ctx context.Context, o *owner) {
		results := o.wait(ctx, 6, never)
		step := func(want int, do func() int) {
			t.Helper()
			o.mu.Lock()
			defer o.mu.Unlock()
			if got := do(); got != want {
				t.Fatalf("it returned %d, want %d", got, want)
			}
		}
		step(0, func() int { return o.queue.GrantN(0) })
		step(0, func() int { return o.queue.Fail(0, over) })
		step(2, func() int { return o.queue.GrantN(2) })
		equal(t, results(), outcome{0, 0, nil}, outcome{1, 10, nil})
		step(1, func() int { return o.queue.Fail(1, over) })
		equal(t, results(), outcome{2, 20, over})
		step(3, func() int { return o.queue.Fail(9, over) })
		equal(t, results(), outcome{3, 30, over}, outcome{4, 40, over}, outcome{5, 50, over})
		step(0, func() int { return o.queue.Fail(-1, over) })
		step(0, func() int { return o.queue.GrantN(-1) })
		results = o.wait(ctx, 3, never)
		step(3, func() int { return o.queue.GrantN(-1) })
		equal(t, results(), outcome{0, 0, nil}, outcome{1, 10, nil}, outcome{2, 20, nil})
	})
}

func TestSettleServesInPart(t *testing.T) {
	over := errors.New("over")
	bubbles(t, func(t *testing.T, ctx context.Context, o *owner) {
		// A waiter wants n; what there is, is taken at once. 99 ends with an error.
		have := 0
		take := func(n *int) (bool, error) {
			if *n == 99 {
				return true, over
			}
			k := min(*n, have)
			have -= k
			*n -= k
			return *n == 0, nil
		}
		ended := make(chan outcome, 4)
		start := func(ctx context.Context, n int) {
			go func() {
				v, err := o.queue.Wait(ctx, &o.mu, n, take)
				ended <- outcome{n, v, err}
			}()
			synctest.Wait()
		}
		give := func(n, want int) {
			t.Helper()
			o.mu.Lock()
			have += n
			if got := o.queue.Settle(take); got != want {
				t.Fatalf("Settle() = %d, want %d", got, want)
			}
			o.mu.Unlock()
		}
		gone, cancel := context.WithCancel(t.Context())
		start(ctx, 5)
		start(gone, 4)
		start(ctx, 99)
		start(ctx, 3)
		give(2, 0)
		if *o.queue.First() != 3 || have != 0 {
			t.Fatalf("the first wants %d more, %d are left", *o.queue.First(), have)
		}
		give(4, 1)
		if got := <-ended; got != (outcome{5, 0, nil}) {
			t.Fatalf("got %v", got)
		}
		// The second has 1 of 4 and gives up: it says so, and lets the error and the next
		// one through.
		cancel()
		if got := <-ended; got != (outcome{4, 3, context.Canceled}) {
			t.Fatalf("got %v", got)
		}
		if got := <-ended; got != (outcome{99, 99, over}) {
			t.Fatalf("got %v", got)
		}
		give(3, 1)
		if got := <-ended; got != (outcome{3, 0, nil}) {
			t.Fatalf("got %v", got)
		}
	})
}

func TestWaitAsksTakeForNewcomers(t *testing.T) {
	over := errors.New("over")
	var o owner
	asked := 0
	v, err := o.queue.Wait(t.Context(), &o.mu, 1, func(v *int) (bool, error) {
		asked++
		if o.mu.TryLock() {
			t.Error("take is called without the mutex")
		}
		*v = 7
		return true, over
	})
	if v != 7 || err != over || asked != 1 {
		t.Errorf("Wait() = %d, %v, take asked %d times", v, err, asked)
	}
	o.free(t)
	v, ok, err := o.queue.Try(&o.mu, 1, func(v *int) (bool, error) { *v = 8; return true, over })
	if v != 8 || !ok || err != over {
		t.Errorf("Try() = %d, %t, %v", v, ok, err)
	}
	o.free(t)
	if v, ok, err := o.queue.Try(&o.mu, 1, never); v != 1 || ok || err != nil {
		t.Errorf("Try() = %d, %t, %v", v, ok, err)
	}
	o.free(t)
}

func TestTryAndWaitDoNotOvertake(t *testing.T) {
	bubbles(t, func(t *testing.T, ctx context.Context, o *owner) {
		results := o.wait(ctx, 1, never)
		mustNot := func(*int) (bool, error) {
			t.Error("take was asked for a newcomer while somebody waits")
			return true, nil
		}
		if v, ok, err := o.queue.Try(&o.mu, 4, mustNot); v != 4 || ok || err != nil {
			t.Errorf("Try() = %d, %t, %v", v, ok, err)
		}
		go func() { _, _ = o.queue.Wait(ctx, &o.mu, 4, mustNot) }()
		synctest.Wait()
		o.mu.Lock()
		if n := o.queue.GrantN(-1); n != 2 {
			t.Errorf("%d waited", n)
		}
		o.mu.Unlock()
		results()
	})
}
