package queue_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/queue"
)

func (r *results) join(ctx context.Context, q both, name string) {
	r.start(name, func() (int, error) { return 0, q.Join(ctx) })
}

func donePanics(t *testing.T, q both) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := recover(); r != "queue: TaskDone for an item that was not got" {
			t.Fatalf("panic %v", r)
		}
	}()
	q.TaskDone()
}

func TestJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var q queue.AsyncQueue[int]
		if err := q.Join(ctx); err != nil {
			t.Fatalf("Join() of an unused queue = %v", err)
		}
		fill(t, &q, 1, 2)
		donePanics(t, &q)
		var r results
		r.join(t.Context(), &q, "a")
		r.join(ctx, &q, "b")
		r.join(t.Context(), &q, "c")
		for range 2 {
			if _, err := q.TryGet(); err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		equal(t, r.new(), "b 0 context canceled")
		q.TaskDone()
		fill(t, &q, 3)
		stats(t, &q, queue.Stats{Len: 1, Unfinished: 2, Joiners: 2})
		q.Shutdown() // what is left is still to be done
		q.TaskDone()
		donePanics(t, &q)
		equal(t, r.new())
		if _, err := q.TryGet(); err != nil {
			t.Fatal(err)
		}
		q.TaskDone()
		equal(t, r.new(), "a 0 <nil>", "c 0 <nil>")
		donePanics(t, &q)
		stats(t, &q, queue.Stats{})
	})
}

// Items that are handed back count as done, and those that come in their place do not.
func TestJoinAndClear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fill(t, queue.New[int](2), 1, 2)
		var r results
		r.put(t.Context(), q, 3)
		r.join(t.Context(), q, "join")
		equal(t, q.Clear(), 1, 2)
		equal(t, r.new(), "put3 3 <nil>")
		equal(t, q.ShutdownNow(), 3)
		equal(t, r.new(), "join 0 <nil>")
	})
}
