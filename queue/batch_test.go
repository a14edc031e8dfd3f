package queue_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/queue"
)

func (r *results) putBatch(ctx context.Context, q both, items ...int) {
	r.start("putbatch", func() (int, error) { return q.PutBatch(ctx, items) })
}

func (r *results) getBatch(ctx context.Context, q both, limit int) {
	r.start("getbatch", func() (int, error) {
		out, err := q.GetBatch(ctx, limit)
		if err != nil {
			return -1, err
		}
		return len(out), fmt.Errorf("%v", out) // so that they are seen
	})
}

func TestBatches(t *testing.T) {
	ctx := t.Context()
	var q queue.AsyncQueue[int]
	if n, err := q.PutBatch(ctx, []int{1, 2, 3, 4, 5}); n != 5 || err != nil {
		t.Fatalf("PutBatch() = %d, %v", n, err)
	}
	if n, err := q.PutBatch(ctx, nil); n != 0 || err != nil {
		t.Fatalf("PutBatch(nil) = %d, %v", n, err)
	}
	for _, c := range []struct {
		limit int
		want  []int
	}{{2, []int{1, 2}}, {1, []int{3}}, {0, []int{4, 5}}} {
		out, err := q.GetBatch(ctx, c.limit)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, out, c.want...)
	}
	fill(t, &q, 6)
	out, err := q.GetBatch(ctx, 100)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, out, 6)
	q.Shutdown()
	if out, err := q.GetBatch(ctx, 1); out != nil || err != queue.ErrShutdown {
		t.Fatalf("GetBatch() = %v, %v", out, err)
	}
	if n, err := q.PutBatch(ctx, nil); n != 0 || err != queue.ErrShutdown {
		t.Fatalf("PutBatch(nil) = %d, %v", n, err)
	}
}

// A batch that is larger than the room goes in bit by bit, and nobody comes in between: a
// queue that wakes a putter to look for itself lets others.
func TestPutBatchKeepsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		q := fill(t, queue.New[int](2), 1)
		var r results
		r.putBatch(ctx, q, 2, 3, 4, 5)
		r.put(ctx, q, 6)
		var got []int
		for range 4 {
			if err := q.TryPut(9); err != queue.ErrFull {
				t.Fatalf("TryPut() overtook: %v", err)
			}
			v, err := q.TryGet()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		equal(t, r.new(), "put6 6 <nil>", "putbatch 4 <nil>")
		equal(t, append(got, q.Clear()...), 1, 2, 3, 4, 5, 6)
	})
}

// A batch that is canceled half way is in the queue as far as it says.
func TestPutBatchCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		q := queue.New[int](2)
		var r results
		r.putBatch(ctx, q, 1, 2, 3, 4)
		r.put(t.Context(), q, 5)
		if v, err := q.TryGet(); v != 1 || err != nil {
			t.Fatalf("TryGet() = %d, %v", v, err)
		}
		cancel()
		equal(t, r.new(), "putbatch 3 context canceled")
		equal(t, q.Clear(), 2, 3)
		equal(t, r.new(), "put5 5 <nil>")

		r.putBatch(t.Context(), q, 6, 7, 8)
		equal(t, q.ShutdownNow(), 5, 6)
		equal(t, r.new(), "putbatch 1 queue: shut down")
	})
}

// Getters that wait take from a batch what they want, in order.
func TestBatchToWaitingGetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		var q queue.AsyncQueue[int]
		var r results
		r.getBatch(ctx, &q, 2)
		r.get(ctx, &q, "get")
		r.getBatch(ctx, &q, 0)
		r.getBatch(ctx, &q, 3)
		if n, err := q.PutBatch(ctx, []int{1, 2, 3, 4, 5}); n != 5 || err != nil {
			t.Fatalf("PutBatch() = %d, %v", n, err)
		}
		equal(t, r.new(), "get 3 <nil>", "getbatch 2 [1 2]", "getbatch 2 [4 5]")
		fill(t, &q, 6)
		equal(t, r.new(), "getbatch 1 [6]")
		stats(t, &q, queue.Stats{Unfinished: 6})
	})
}

// What GetBatch was given first it returns, and a canceled one takes nothing: tornadoweb/tornado#2826 and
// asyncio#201 lost it.
func TestBugTornado2826(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			ctx, cancel := context.WithCancel(t.Context())
			var q queue.AsyncQueue[int]
			var r results
			r.getBatch(ctx, &q, 2)
			if _, err := q.PutBatch(t.Context(), []int{1, 2, 3}); err != nil {
				t.Fatal(err)
			}
			cancel()
			equal(t, r.new(), "getbatch 2 [1 2]")
			equal(t, q.Clear(), 3)

			ctx, cancel = context.WithCancel(t.Context())
			r.getBatch(ctx, &q, 2)
			cancel()
			equal(t, r.new(), "getbatch -1 context canceled")
			fill(t, &q, 4)
			equal(t, q.Clear(), 4)
		}
	})
}
