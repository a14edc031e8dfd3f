package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/queue"
)

func TestMain(m *testing.M) { check.Main(m) }

func state(q *queue.AsyncQueue[int]) string {
	s := q.Stats()
	return fmt.Sprintf("len=%d getters=%d putters=%d", s.Len, s.Getters, s.Putters)
}

func want(t *testing.T, q *queue.AsyncQueue[int], length, getters, putters int) {
	t.Helper()
	got := q.Stats()
	got.Unfinished = 0 // counts on: not all tests say what is done
	if want := (queue.Stats{Len: length, Getters: getters, Putters: putters}); got != want {
		t.Fatalf("Stats() = %+v, want %+v", got, want)
	}
	if q.Len() != length || q.Empty() != (length == 0) || q.Full() != (q.Cap() > 0 && length == q.Cap()) {
		t.Fatalf("Len() = %d, Empty() = %t, Full() = %t with %d items", q.Len(), q.Empty(), q.Full(), length)
	}
}

// fill puts items that need not wait.
func fill(t *testing.T, q *queue.AsyncQueue[int], items ...int) *queue.AsyncQueue[int] {
	t.Helper()
	for _, v := range items {
		if err := q.TryPut(v); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

func equal[T comparable](t *testing.T, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// results collects what calls return.
type results struct {
	mu  sync.Mutex
	got []string
}

// start starts a call and lets it go as far as it goes.
func (r *results) start(name string, call func() (int, error)) {
	go func() {
		v, err := call()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, fmt.Sprint(name, " ", v, " ", err))
	}()
	synctest.Wait()
}

func (r *results) put(ctx context.Context, q *queue.AsyncQueue[int], v int) {
	r.start(fmt.Sprint("put", v), func() (int, error) { return v, q.Put(ctx, v) })
}

func (r *results) get(ctx context.Context, q *queue.AsyncQueue[int], name string) {
	r.start(name, func() (int, error) { return q.Get(ctx) })
}

// new returns what has been returned since the last time, sorted.
func (r *results) new() []string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.got
	r.got = nil
	slices.Sort(out)
	return out
}

func TestLaw(t *testing.T) {
	check.Queues(state).Everywhere(t, queue.New[int])
}

func TestStress(t *testing.T) {
	for _, size := range []int{0, 1, 3} {
		t.Run(fmt.Sprint("size=", size), func(t *testing.T) {
			s := check.Stress{
				Runner: &check.Mixed{Of: []check.Stepper{new(check.Goroutines), &check.Hosts{Nag: true}, new(check.Goroutines)}},
				N:      100, Ops: check.Times(100, 5000),
			}
			if err := s.Queue(queue.New[int](size)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestDoneContextLoses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q := fill(t, queue.New[int](2), 1)
	if err := q.Put(ctx, 2); err != context.Canceled {
		t.Errorf("Put() = %v", err)
	}
	if err := q.PutFirst(ctx, 2); err != context.Canceled {
		t.Errorf("PutFirst() = %v", err)
	}
	if v, err := q.Get(ctx); v != 0 || err != context.Canceled {
		t.Errorf("Get() = %d, %v", v, err)
	}
	if v, err := q.GetLast(ctx); v != 0 || err != context.Canceled {
		t.Errorf("GetLast() = %d, %v", v, err)
	}
	want(t, q, 1, 0, 0)
	equal(t, q.Clear(), 1)
	q.Shutdown()
	if err := q.Put(ctx, 2); err != context.Canceled {
		t.Errorf("after Shutdown: Put() = %v", err)
	}
}

func TestOrder(t *testing.T) {
	ctx := t.Context()
	var q queue.AsyncQueue[int]
	if q.Cap() != 0 || queue.New[int](-1).Cap() != 0 || queue.New[int](3).Cap() != 3 {
		t.Error("wrong Cap")
	}
	for v := range 4 {
		if err := q.Put(ctx, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.PutFirst(ctx, 9); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, get := range []func(context.Context) (int, error){q.Get, q.GetLast, q.Get, q.GetLast, q.Get} {
		v, err := get(ctx)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	equal(t, got, 9, 3, 0, 2, 1)
	want(t, &q, 0, 0, 0)
}

func TestTry(t *testing.T) {
	q := queue.New[int](1)
	if v, err := q.TryGet(); v != 0 || err != queue.ErrEmpty {
		t.Errorf("TryGet() = %d, %v", v, err)
	}
	fill(t, q, 1)
	if err := q.TryPut(2); err != queue.ErrFull {
		t.Errorf("TryPut() = %v", err)
	}
	if v, err := q.TryGet(); v != 1 || err != nil {
		t.Errorf("TryGet() = %d, %v", v, err)
	}
	fill(t, q, 3)
	q.Shutdown()
	if err := q.TryPut(4); err != queue.ErrShutdown {
		t.Errorf("TryPut() = %v", err)
	}
	if v, err := q.TryGet(); v != 3 || err != nil {
		t.Errorf("TryGet() of the rest = %d, %v", v, err)
	}
	if v, err := q.TryGet(); v != 0 || err != queue.ErrShutdown {
		t.Errorf("TryGet() = %d, %v", v, err)
	}
}

// While somebody waits, a Try fails, and the room or the item goes to who came first.
func TestTryNeverOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		q := fill(t, queue.New[int](1), 1)
		var r results
		r.put(ctx, q, 2)
		if v, err := q.TryGet(); v != 1 || err != nil {
			t.Fatalf("TryGet() = %d, %v", v, err)
		}
		// The putter has not run, and its item is in the queue.
		if err := q.TryPut(3); err != queue.ErrFull {
			t.Fatalf("TryPut() overtook: %v", err)
		}
		equal(t, r.new(), "put2 2 <nil>")
		equal(t, q.Clear(), 2)

		r.get(ctx, q, "a")
		fill(t, q, 4)
		// The getter has not run, and the item is its own.
		if v, err := q.TryGet(); err != queue.ErrEmpty {
			t.Fatalf("TryGet() overtook: %d, %v", v, err)
		}
		equal(t, r.new(), "a 4 <nil>")
	})
}

func TestCancelGetter(t *testing.T) {
	for victim, name := range []string{"head", "middle", "tail"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q queue.AsyncQueue[int]
				var r results
				gone, cancel := context.WithCancel(t.Context())
				for i, name := range []string{"a", "b", "c"} {
					ctx := t.Context()
					if i == victim {
						ctx = gone
					}
					r.get(ctx, &q, name)
				}
				cancel()
				names := []string{"a", "b", "c"}
				equal(t, r.new(), names[victim]+" 0 context canceled")
				want(t, &q, 0, 2, 0)
				names = slices.Delete(names, victim, victim+1)
				fill(t, &q, 1)
				equal(t, r.new(), names[0]+" 1 <nil>")
				fill(t, &q, 2, 3)
				equal(t, r.new(), names[1]+" 2 <nil>")
				want(t, &q, 1, 0, 0)
			})
		})
	}
}

func TestCancelPutter(t *testing.T) {
	for victim, name := range []string{"head", "middle", "tail"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := fill(t, queue.New[int](1), 0)
				var r results
				gone, cancel := context.WithCancel(t.Context())
				for i := range 3 {
					ctx := t.Context()
					if i == victim {
						ctx = gone
					}
					r.put(ctx, q, 1+i)
				}
				cancel()
				equal(t, r.new(), fmt.Sprintf("put%d %[1]d context canceled", 1+victim))
				want(t, q, 1, 0, 2)
				var got []int
				for range 3 {
					v, err := q.TryGet()
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, v)
				}
				order := []int{0, 1, 2, 3}
				equal(t, got, slices.Delete(order, 1+victim, 2+victim)...)
				want(t, q, 0, 0, 0)
				r.new()
			})
		})
	}
}

// What was given first counts: a call that is canceled after that succeeds.
func TestGrantThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			ctx, cancel := context.WithCancel(t.Context())
			q := queue.New[int](1)
			var r results
			r.get(ctx, q, "a")
			fill(t, q, 1)
			cancel()
			equal(t, r.new(), "a 1 <nil>")

			ctx, cancel = context.WithCancel(t.Context())
			fill(t, q, 2)
			r.put(ctx, q, 3)
			if _, err := q.TryGet(); err != nil {
				t.Fatal(err)
			}
			cancel()
			equal(t, r.new(), "put3 3 <nil>")
			equal(t, q.Clear(), 3)
		}
	})
}

func TestPutFirstAndGetLastWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		q := fill(t, queue.New[int](2), 1, 2)
		var r results
		r.start("first", func() (int, error) { return 3, q.PutFirst(ctx, 3) })
		r.put(ctx, q, 4)
		if v, _ := q.TryGet(); v != 1 {
			t.Fatalf("TryGet() = %d", v)
		}
		equal(t, r.new(), "first 3 <nil>")
		if v, _ := q.GetLast(ctx); v != 2 {
			t.Fatalf("GetLast() = %d", v)
		}
		equal(t, r.new(), "put4 4 <nil>")
		equal(t, q.Clear(), 3, 4)

		r.start("last", func() (int, error) { return q.GetLast(ctx) })
		r.get(ctx, q, "next")
		if err := q.PutFirst(ctx, 5); err != nil {
			t.Fatal(err)
		}
		fill(t, q, 6)
		equal(t, r.new(), "last 5 <nil>", "next 6 <nil>")
	})
}

func TestClearWakesPutters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fill(t, queue.New[int](2), 1, 2)
		var r results
		for v := 3; v <= 5; v++ {
			r.put(t.Context(), q, v)
		}
		equal(t, q.Clear(), 1, 2)
		want(t, q, 2, 0, 1)
		equal(t, r.new(), "put3 3 <nil>", "put4 4 <nil>")
		equal(t, q.Clear(), 3, 4)
		equal(t, r.new(), "put5 5 <nil>")
		equal(t, q.Clear(), 5)
		if out := q.Clear(); out != nil {
			t.Fatalf("Clear() of an empty queue = %v", out)
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var r results
		// Putters fail, what is left can be got.
		q := fill(t, queue.New[int](2), 1, 2)
		r.put(ctx, q, 3)
		q.Shutdown()
		q.Shutdown()
		equal(t, r.new(), "put3 3 queue: shut down")
		want(t, q, 2, 0, 0)
		if err := q.Put(ctx, 4); err != queue.ErrShutdown {
			t.Fatalf("Put() = %v", err)
		}
		if err := q.PutFirst(ctx, 4); err != queue.ErrShutdown {
			t.Fatalf("PutFirst() = %v", err)
		}
		for _, v := range []int{1, 2} {
			if got, err := q.Get(ctx); got != v || err != nil {
				t.Fatalf("Get() = %d, %v", got, err)
			}
		}
		if _, err := q.Get(ctx); err != queue.ErrShutdown {
			t.Fatalf("Get() = %v", err)
		}
		// Getters fail.
		q = queue.New[int](2)
		r.get(ctx, q, "a")
		r.get(ctx, q, "b")
		q.Shutdown()
		equal(t, r.new(), "a 0 queue: shut down", "b 0 queue: shut down")
		// An item that was handed over before is not lost.
		q = queue.New[int](2)
		r.get(ctx, q, "a")
		fill(t, q, 1)
		q.Shutdown()
		equal(t, r.new(), "a 1 <nil>")
		// ShutdownNow hands back what was left.
		q = fill(t, queue.New[int](2), 1, 2)
		r.put(ctx, q, 3)
		equal(t, q.ShutdownNow(), 1, 2)
		equal(t, r.new(), "put3 3 queue: shut down")
		if out := q.ShutdownNow(); out != nil {
			t.Fatalf("the second ShutdownNow() = %v", out)
		}
		want(t, q, 0, 0, 0)
	})
}

func TestAll(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	q := fill(t, queue.New[int](0), 1, 2, 3)
	var got []int
	for v, err := range q.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, v); v == 2 {
			break
		}
	}
	equal(t, got, 1, 2)
	want(t, q, 1, 0, 0)

	fill(t, q, 4)
	q.Shutdown()
	for v, err := range q.All(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	equal(t, got, 1, 2, 3, 4)

	q = fill(t, queue.New[int](0), 1, 2)
	var errs []error
	for _, err := range q.All(ctx) {
		errs = append(errs, err)
		cancel()
	}
	equal(t, errs, nil, context.Canceled)
	want(t, q, 1, 0, 0)
}

func TestErrorsAreDistinct(t *testing.T) {
	list := []error{queue.ErrFull, queue.ErrEmpty, queue.ErrShutdown}
	for i, a := range list {
		for j, b := range list {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("errors.Is(%v, %v)", a, b)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	q := queue.New[int](4)
	fill(t, q, 1)
	if n := testing.AllocsPerRun(1000, func() {
		_ = q.Put(ctx, 2)
		_, _ = q.Get(ctx)
		_ = q.TryPut(3)
		_, _ = q.TryGet()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
