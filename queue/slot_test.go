package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/queue"
)

func reserve(t *testing.T, q both) *queue.Slot[int] {
	t.Helper()
	slot, err := q.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slot
}

func stats(t *testing.T, q both, want queue.Stats) {
	t.Helper()
	if got := q.Stats(); got != want {
		t.Fatalf("Stats() = %+v, want %+v", got, want)
	}
}

func slotPanics(t *testing.T, slot *queue.Slot[int]) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := recover(); r != "queue: Put into a Slot that has ended" {
			t.Fatalf("panic %v", r)
		}
	}()
	_ = slot.Put(9)
}

func TestSlotHoldsAPlace(t *testing.T) {
	q := queue.New[int](2)
	a, b := reserve(t, q), reserve(t, q)
	stats(t, q, queue.Stats{Reserved: 2})
	if err := q.TryPut(1); err != queue.ErrFull {
		t.Fatalf("TryPut() = %v", err)
	}
	if !q.Full() || !q.Empty() || q.Len() != 0 {
		t.Fatalf("Full() = %t, Empty() = %t, Len() = %d", q.Full(), q.Empty(), q.Len())
	}
	if err := b.Put(2); err != nil {
		t.Fatal(err)
	}
	b.Release() // nothing after Put
	if err := q.TryPut(1); err != queue.ErrFull {
		t.Fatalf("TryPut() = %v", err)
	}
	a.Release()
	a.Release()
	fill(t, q, 1)
	stats(t, q, queue.Stats{Len: 2, Unfinished: 2})
	slotPanics(t, a)
	slotPanics(t, b)
	stats(t, q, queue.Stats{Len: 2, Unfinished: 2})
	equal(t, q.Clear(), 2, 1)
}

// Who waits to reserve and who waits to put stand in one line.
func TestReserveWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := fill(t, queue.New[int](1), 1)
		var r results
		var slot *queue.Slot[int]
		r.put(t.Context(), q, 2)
		r.start("reserve", func() (n int, err error) { slot, err = q.Reserve(t.Context()); return 0, err })
		r.put(t.Context(), q, 4)
		equal(t, q.Clear(), 1)
		equal(t, r.new(), "put2 2 <nil>")
		equal(t, q.Clear(), 2)
		equal(t, r.new(), "reserve 0 <nil>")
		stats(t, q, queue.Stats{Reserved: 1, Putters: 1, Unfinished: 0})
		slot.Release()
		equal(t, r.new(), "put4 4 <nil>")
	})
}

// With all room reserved there are getters and putters that wait: each item put goes to the first
// getter, and its room to the first putter.
func TestSlotPutServesBothSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](1)
		slot := reserve(t, q)
		var r results
		r.get(t.Context(), q, "a")
		r.get(t.Context(), q, "b")
		r.put(t.Context(), q, 2)
		r.put(t.Context(), q, 3)
		r.put(t.Context(), q, 4)
		stats(t, q, queue.Stats{Reserved: 1, Getters: 2, Putters: 3})
		if err := slot.Put(1); err != nil {
			t.Fatal(err)
		}
		equal(t, r.new(), "a 1 <nil>", "b 2 <nil>", "put2 2 <nil>", "put3 3 <nil>")
		stats(t, q, queue.Stats{Len: 1, Putters: 1, Unfinished: 3})
		q.Shutdown()
		equal(t, r.new(), "put4 4 queue: shut down")
	})
}

// A Reserve that was canceled keeps no place, and one that got it in the moment of the cancel has it:
// agronholm/anyio#536.
func TestBugAnyIO536(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			ctx, cancel := context.WithCancel(t.Context())
			q := fill(t, queue.New[int](1), 1)
			var r results
			var slot *queue.Slot[int]
			r.start("reserve", func() (n int, err error) { slot, err = q.Reserve(ctx); return 0, err })
			q.Clear()
			cancel()
			equal(t, r.new(), "reserve 0 <nil>")
			stats(t, q, queue.Stats{Reserved: 1})
			slot.Release()

			fill(t, q, 1)
			ctx, cancel = context.WithCancel(t.Context())
			r.start("reserve", func() (n int, err error) { slot, err = q.Reserve(ctx); return 0, err })
			cancel()
			equal(t, r.new(), "reserve 0 context canceled")
			q.Clear()
			stats(t, q, queue.Stats{})
			if slot != nil {
				t.Fatal("a slot beside an error")
			}
		}
	})
}

func TestSlotAndShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue.New[int](1)
		slot := reserve(t, q)
		var r results
		r.start("reserve", func() (int, error) { _, err := q.Reserve(t.Context()); return 0, err })
		q.Shutdown()
		equal(t, r.new(), "reserve 0 queue: shut down")
		if err := slot.Put(1); err != queue.ErrShutdown {
			t.Fatalf("Put() = %v", err)
		}
		slot.Release()
		stats(t, q, queue.Stats{})
		if _, err := q.Reserve(t.Context()); err != queue.ErrShutdown {
			t.Fatalf("Reserve() = %v", err)
		}
	})
}

// A done ctx loses also where there is room, or an item: golang/go#63615.
func TestBugGo63615(t *testing.T) {
	ctx := check.NewCtx()
	ctx.SetErr(errors.New("over"))
	for _, q := range []both{queue.New[int](2), queue.NewPriority(2, byRank)} {
		if err := q.TryPut(1); err != nil {
			t.Fatal(err)
		}
		if slot, err := q.Reserve(ctx); slot != nil || err != ctx.Err() {
			t.Errorf("Reserve() = %v, %v", slot, err)
		}
		if err := q.Put(ctx, 2); err != ctx.Err() {
			t.Errorf("Put() = %v", err)
		}
		if v, err := q.Get(ctx); v != 0 || err != ctx.Err() {
			t.Errorf("Get() = %d, %v", v, err)
		}
		if n, err := q.PutBatch(ctx, []int{2}); n != 0 || err != ctx.Err() {
			t.Errorf("PutBatch() = %d, %v", n, err)
		}
		if out, err := q.GetBatch(ctx, 0); out != nil || err != ctx.Err() {
			t.Errorf("GetBatch() = %v, %v", out, err)
		}
		stats(t, q, queue.Stats{Len: 1, Unfinished: 1})
		q.Clear()
		if err := q.Join(ctx); err != ctx.Err() {
			t.Errorf("Join() = %v", err)
		}
	}
}
