package queue_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/queue"
)

// Tests that are called TestBug are named after bugs of other libraries, by their issues.

// Get under a timeout lost the item that came in the moment in which the time was over.
func TestBugAsyncio201(t *testing.T) {
	canceledGets(t, func(q *queue.AsyncQueue[int], ctx context.Context) (int, error) { return q.Get(ctx) })
}

// An item that was handed to a receiver was dropped when that was canceled.
func TestBugAnyIO728(t *testing.T) {
	canceledGets(t, func(q *queue.AsyncQueue[int], ctx context.Context) (int, error) { return q.GetLast(ctx) })
}

// So did a loop over the items.
func TestBugKotlin1813(t *testing.T) {
	canceledGets(t, func(q *queue.AsyncQueue[int], ctx context.Context) (int, error) {
		for v, err := range q.All(ctx) {
			return v, err
		}
		return 0, queue.ErrShutdown
	})
}

// canceledGets puts items while a get is canceled, in either order, and looks for them.
func canceledGets(t *testing.T, get func(*queue.AsyncQueue[int], context.Context) (int, error)) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			for _, first := range []string{"cancel", "put"} {
				var q queue.AsyncQueue[int]
				var r results
				ctx, cancel := context.WithCancel(t.Context())
				r.start("get", func() (int, error) { return get(&q, ctx) })
				if first == "cancel" {
					cancel()
					synctest.Wait()
				}
				fill(t, &q, 7)
				cancel()
				switch got := r.new(); {
				case first == "put":
					equal(t, got, "get 7 <nil>")
					equal(t, q.Clear())
				default:
					equal(t, got, "get 0 context canceled")
					equal(t, q.Clear(), 7)
				}
			}
		}
	})
}

// Putters that waited in a full queue put out of order: one that was woken had to look for itself,
// and another came first.
func TestBugCPython83055(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fill(t, queue.New[int](1), 0)
		var r results
		r.put(t.Context(), q, 1)
		r.put(t.Context(), q, 2)
		if v, err := q.TryGet(); v != 0 || err != nil {
			t.Fatalf("TryGet() = %d, %v", v, err)
		}
		go func() { _ = q.Put(t.Context(), 3) }() // before the first has run
		var got []int
		for range 3 {
			v, err := q.Get(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		equal(t, got, 1, 2, 3)
		equal(t, r.new(), "put1 1 <nil>", "put2 2 <nil>")
	})
}

// A sender that was canceled hung, and the next send crashed.
func TestBugSwift131(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fill(t, queue.New[int](1), 0)
		for v := range 3 {
			ctx, cancel := context.WithCancel(t.Context())
			var r results
			r.put(ctx, q, 10+v)
			r.put(t.Context(), q, 20+v)
			cancel()
			equal(t, r.new(), []string{"put10 10", "put11 11", "put12 12"}[v]+" context canceled")
			if _, err := q.TryGet(); err != nil {
				t.Fatal(err)
			}
			equal(t, r.new(), []string{"put20 20 <nil>", "put21 21 <nil>", "put22 22 <nil>"}[v])
		}
		equal(t, q.Clear(), 22)
	})
}

// A task that was woken for an item was canceled before it ran, or another took the item meanwhile: then it
// came back with nothing, or the wakeup was gone with it.
func TestBugPHPAsync240(t *testing.T) {
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		q := queue.New[int](2)
		var got [2]int
		get := func(i int) func(ctx context.Context) error {
			return func(ctx context.Context) (err error) {
				got[i], err = q.Get(ctx)
				return err
			}
		}
		first, second := core.Start(ctx, get(0)), core.Start(ctx, get(1))
		fill(t, q, 7)
		if _, err := q.TryGet(); err != queue.ErrEmpty { // before the first has run
			t.Errorf("TryGet() = %v", err)
		}
		first.Cancel()
		if err := first.Wait(ctx); err != nil {
			t.Errorf("first: %v", err)
		}
		fill(t, q, 8)
		if err := second.Wait(ctx); err != nil {
			t.Errorf("second: %v", err)
		}
		equal(t, got[:], 7, 8)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// Two items came while two waited, and only the first of them was told: "somebody is notified already". The other
// one slept beside an item.
func TestBugAsyncStd452(t *testing.T) {
	for name, put := range map[string]func(q *queue.AsyncQueue[int], t *testing.T){
		"Put":      func(q *queue.AsyncQueue[int], t *testing.T) { fill(t, q, 1, 2) },
		"PutBatch": func(q *queue.AsyncQueue[int], t *testing.T) { _, _ = q.PutBatch(t.Context(), []int{1, 2}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var q queue.AsyncQueue[int]
				var r results
				for i := range 2 {
					r.start([]string{"a", "b"}[i], func() (int, error) { return q.Get(t.Context()) })
				}
				put(&q, t)
				equal(t, r.new(), "a 1 <nil>", "b 2 <nil>")
				equal(t, q.Clear())
			})
		})
	}
}
