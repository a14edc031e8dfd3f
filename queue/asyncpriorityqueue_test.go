package queue_test

import (
	"cmp"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/queue"
)

// The least comes first, and equal ones in the order in which they were put.
func TestPriorityOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := queue.NewPriority(0, byRank)
		var model []int
		get := func() {
			v, err := q.TryGet()
			if len(model) == 0 {
				if err != queue.ErrEmpty {
					t.Fatalf("TryGet() of an empty queue = %d, %v", v, err)
				}
				return
			}
			slices.SortStableFunc(model, byRank)
			if v != model[0] || err != nil {
				t.Fatalf("TryGet() = %d, %v, want %d of %v", v, err, model[0], model)
			}
			model = model[1:]
		}
		for i, n := range rapid.SliceOfN(rapid.IntRange(-40, 40), 1, 30).Draw(t, "puts and gets") {
			for j := range n {
				v := i*1000 + (j*7)%100*10 + j%ranks
				if err := q.TryPut(v); err != nil {
					t.Fatal(err)
				}
				model = append(model, v)
			}
			for range -n {
				get()
			}
		}
		slices.SortStableFunc(model, byRank)
		if out := q.Clear(); !slices.Equal(out, model) {
			t.Fatalf("Clear() = %v, want %v", out, model)
		}
	})
}

// A putter that waits has no place in the order, however urgent its item is; a getter that
// waits gets the least of a batch.
func TestPriorityWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.NewPriority(2, cmp.Compare[int])
		var r results
		if n, err := q.PutBatch(t.Context(), []int{5, 6}); n != 2 || err != nil {
			t.Fatalf("PutBatch() = %d, %v", n, err)
		}
		r.start("put9", func() (int, error) { return 9, q.Put(t.Context(), 9) })
		r.start("put1", func() (int, error) { return 1, q.Put(t.Context(), 1) })
		var got []int
		for range 4 {
			v, err := q.TryGet()
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		equal(t, got, 5, 6, 1, 9)
		equal(t, r.new(), "put1 1 <nil>", "put9 9 <nil>")

		r.start("get", func() (int, error) { return q.Get(t.Context()) })
		r.getBatch(t.Context(), q, 0)
		if n, err := q.PutBatch(t.Context(), []int{7, 3}); n != 2 || err != nil {
			t.Fatalf("PutBatch() = %d, %v", n, err)
		}
		equal(t, r.new(), "get 3 <nil>", "getbatch 1 [7]")
	})
}

func TestPriorityMisuse(t *testing.T) {
	panics := func(want any, fn func()) {
		t.Helper()
		defer func() {
			t.Helper()
			if r := recover(); r != want {
				t.Errorf("panic %v, want %v", r, want)
			}
		}()
		fn()
	}
	panics("queue: NewPriority with a nil cmp", func() { queue.NewPriority[int](0, nil) })
	var zero queue.AsyncPriorityQueue[int]
	const unmade = "queue: AsyncPriorityQueue that was not made by NewPriority"
	panics(unmade, func() { _ = zero.TryPut(1) })
	panics(unmade, func() { _ = zero.Put(t.Context(), 1) })
	panics(unmade, func() { _, _ = zero.PutBatch(t.Context(), nil) })
	panics(unmade, func() { _, _ = zero.Reserve(t.Context()) })

	// A comparison that panics leaves the queue unlocked, and its items as they were.
	armed := false
	q := queue.NewPriority(0, func(a, b int) int {
		if armed {
			panic("boom")
		}
		return cmp.Compare(a, b)
	})
	for v := range 5 {
		if err := q.TryPut(v); err != nil {
			t.Fatal(err)
		}
	}
	armed = true
	panics("boom", func() { _ = q.Put(t.Context(), 9) })
	panics("boom", func() { _ = q.TryPut(9) })
	panics("boom", func() { _, _ = q.Get(t.Context()) })
	panics("boom", func() { _, _ = q.TryGet() })
	panics("boom", func() { _, _ = q.PutBatch(t.Context(), []int{9}) })
	panics("boom", func() { _, _ = q.GetBatch(t.Context(), 1) })
	slot := reserve(t, q)
	panics("boom", func() { _ = slot.Put(9) })
	armed = false
	stats(t, q, queue.Stats{Len: 5, Unfinished: 5})
	equal(t, q.Clear(), 0, 1, 2, 3, 4)
}

func TestPriorityNoAllocations(t *testing.T) {
	q := queue.NewPriority(0, cmp.Compare[int])
	for v := range 40 {
		if err := q.TryPut(v); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(1000, func() {
		_ = q.Put(ctx, 7)
		_, _ = q.Get(ctx)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestPriorityAll(t *testing.T) {
	q := queue.NewPriority(3, cmp.Compare[int])
	if q.Cap() != 3 || !q.Empty() || q.Full() {
		t.Fatalf("Cap() = %d, Empty() = %t, Full() = %t", q.Cap(), q.Empty(), q.Full())
	}
	if _, err := q.PutBatch(t.Context(), []int{3, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if q.Len() != 3 || q.Empty() || !q.Full() {
		t.Fatalf("Len() = %d, Empty() = %t, Full() = %t", q.Len(), q.Empty(), q.Full())
	}
	q.Shutdown()
	var got []int
	for v, err := range q.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, v)
	}
	equal(t, got, 1, 2, 3)
}
