package park_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// A seat serves one wait after the other, granted or given up, in any queue, among waiters
// that brought none.
func TestWaitIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var queues [2]park.Queue[struct{}]
		ctx, cancel := context.WithCancel(context.Background())
		h := check.NewHost(ctx)
		var seat park.Seat[struct{}]
		next := make(chan int)
		errs := make(chan error, 1)
		go h.Run(func(context.Context) {
			for i := range next {
				mu.Lock()
				errs <- queues[i].WaitIn(&seat, h, &mu)
			}
		})
		for round := range 6 {
			q := &queues[round%2]
			order := make(chan string, 3)
			var wg sync.WaitGroup
			beside := func(name string) {
				wg.Go(func() {
					mu.Lock()
					_, _ = q.WaitLocked(context.Background(), &mu, struct{}{}, nil)
					order <- name
				})
				synctest.Wait()
			}
			beside("first")
			next <- round % 2
			synctest.Wait()
			beside("last")
			mu.Lock()
			if n := q.Len(); n != 3 {
				t.Fatalf("%d wait", n)
			}
			mu.Unlock()
			for _, want := range []string{"first", "", "last"} {
				mu.Lock()
				q.Grant()
				mu.Unlock()
				synctest.Wait()
				if want == "" {
					if err := <-errs; err != nil {
						t.Errorf("WaitIn() = %v", err)
					}
				} else if got := <-order; got != want {
					t.Errorf("%s went, want %s", got, want)
				}
			}
			wg.Wait()
		}
		next <- 0
		synctest.Wait()
		cancel()
		if err := <-errs; err != context.Canceled || queues[0].Len() != 0 {
			t.Errorf("WaitIn() = %v, %d wait", err, queues[0].Len())
		}
		next <- 1
		if err := <-errs; err != context.Canceled || queues[1].Len() != 0 {
			t.Errorf("WaitIn() = %v, %d wait", err, queues[1].Len())
		}
		if n := h.Refusals(); n != 2 {
			t.Errorf("the task heard of %d failed waits, want 2", n)
		}
		close(next)
	})
}

// A seat that is taken serves no second wait at the same time: that gets a node of the queue's.
func TestWaitInTakenSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var outer, inner park.Queue[struct{}]
		var seat park.Seat[struct{}]
		nested := false
		base, cancel := context.WithCancel(context.Background())
		defer cancel()
		var h *check.Host
		h = check.NewHost(looking{base, func() {
			if !nested && length(&mu, &outer) == 1 {
				nested = true
				mu.Lock()
				if err := inner.WaitIn(&seat, h, &mu); err != nil {
					t.Errorf("the inner one: %v", err)
				}
			}
		}})
		done := make(chan error)
		go h.Run(func(context.Context) {
			mu.Lock()
			done <- outer.WaitIn(&seat, h, &mu)
		})
		synctest.Wait()
		for _, q := range []*park.Queue[struct{}]{&inner, &outer} {
			if n := length(&mu, q); n != 1 {
				t.Fatalf("%d wait", n)
			}
			mu.Lock()
			q.Grant()
			mu.Unlock()
			synctest.Wait()
		}
		if err := <-done; err != nil || !nested {
			t.Errorf("WaitIn() = %v, nested %t", err, nested)
		}
	})
}

func length(mu *sync.Mutex, q *park.Queue[struct{}]) int {
	mu.Lock()
	defer mu.Unlock()
	return q.Len()
}

// looking is a ctx whose Err does more than to look.
type looking struct {
	context.Context
	look func()
}

func (c looking) Err() error {
	c.look()
	return c.Context.Err()
}

// seated starts a task that waits in a seat of its own, and returns the outcome: an error, or what the
// wait panicked with.
func seated(h *check.Host, mu *sync.Mutex, q *park.Queue[struct{}]) (outcome chan any) {
	outcome = make(chan any, 1)
	go h.Run(func(context.Context) {
		var seat park.Seat[struct{}]
		var err error
		defer func() {
			if p := recover(); p != nil {
				outcome <- p
				return
			}
			outcome <- err
		}()
		mu.Lock()
		err = q.WaitIn(&seat, h, mu)
	})
	synctest.Wait()
	return outcome
}

// A grant is final for a task in a seat, too, whatever ends before it looks.
func TestGrantInSeatWinsOverCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var q park.Queue[struct{}]
		ctx, cancel := context.WithCancel(t.Context())
		h := check.NewHost(ctx)
		outcome := seated(h, &mu, &q)
		mu.Lock()
		cancel()
		h.Close(errors.ErrUnsupported)
		q.Grant()
		mu.Unlock()
		if got := <-outcome; got != nil || length(&mu, &q) != 0 || h.Refusals() != 0 {
			t.Errorf("WaitIn() = %v, %d wait, %d failed", got, length(&mu, &q), h.Refusals())
		}
	})
}

func TestSeatOnClosedDispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var q park.Queue[struct{}]
		h := check.NewHost(t.Context())
		outcome := seated(h, &mu, &q)
		h.Close(errors.ErrUnsupported)
		if got := <-outcome; got != errors.ErrUnsupported || length(&mu, &q) != 0 || h.Refusals() != 1 {
			t.Errorf("WaitIn() = %v, %d wait, %d failed", got, length(&mu, &q), h.Refusals())
		}
	})
}

// A ctx that panics takes its task out of the queue.
func TestPanicOfContextLeavesTheSeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var q park.Queue[struct{}]
		panics := false
		h := check.NewHost(looking{t.Context(), func() {
			if panics {
				panic("Err")
			}
		}})
		outcome := seated(h, &mu, &q)
		panics = true
		h.Wake()
		if got := <-outcome; got != "Err" || length(&mu, &q) != 0 {
			t.Errorf("the wait ended with %v, %d wait", got, length(&mu, &q))
		}
	})
}
