package timer_test

import (
	"cmp"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/timer"
)

type alarm struct {
	t    timer.Timer
	when int64
	n    int // order of arming
}

func (a *alarm) Timer() *timer.Timer { return &a.t }

// TestModel compares the heap with a sorted slice, under arming, stopping and popping in
// any order.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h timer.Heap
		var model []*alarm
		armed := 0
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				// Few different deadlines, so that many are equal.
				a := &alarm{when: rapid.Int64Range(0, 5).Draw(t, "when"), n: armed}
				armed++
				h.Add(a, a.when)
				model = append(model, a)
				slices.SortFunc(model, func(a, b *alarm) int {
					return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.n, b.n))
				})
			},
			"remove": func(t *rapid.T) {
				if len(model) == 0 {
					t.Skip("nothing armed")
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				if !h.Remove(&model[i].t) {
					t.Fatal("an armed timer was not removed")
				}
				if h.Remove(&model[i].t) {
					t.Fatal("a timer was removed twice")
				}
				model = slices.Delete(model, i, i+1)
			},
			"pop": func(t *rapid.T) {
				now := rapid.Int64Range(-1, 6).Draw(t, "now")
				got := h.Pop(now)
				if len(model) == 0 || model[0].when > now {
					if got != nil {
						t.Fatalf("popped %v, which is not due at %d", got, now)
					}
					return
				}
				if got != timer.Timed(model[0]) {
					t.Fatalf("popped %v, want %v", got, model[0])
				}
				model = model[1:]
			},
			"": func(t *rapid.T) {
				if h.Len() != len(model) {
					t.Fatalf("Len = %d, want %d", h.Len(), len(model))
				}
				when, ok := h.Next()
				if ok != (len(model) > 0) || ok && when != model[0].when {
					t.Fatalf("Next = %d, %v with %d armed", when, ok, len(model))
				}
				for _, a := range model {
					if !a.t.Armed() || a.t.When() != a.when {
						t.Fatal("a timer in the heap does not know that it is armed")
					}
				}
			},
		})
	})
}

// TestMillion sees the slice shrink again, and order hold at size.
func TestMillion(t *testing.T) {
	const n = 200_000
	var h timer.Heap
	alarms := make([]alarm, n)
	x := uint64(1)
	for i := range alarms {
		x = x*6364136223846793005 + 1442695040888963407
		h.Add(&alarms[i], int64(x>>40))
	}
	for i := 0; i < n; i += 2 {
		h.Remove(&alarms[i].t)
	}
	last := int64(-1)
	for range n / 2 {
		a := h.Pop(1 << 62).(*alarm)
		if a.t.When() < last {
			t.Fatalf("deadline %d after %d", a.t.When(), last)
		}
		last = a.t.When()
	}
	if h.Pop(1<<62) != nil || h.Len() != 0 {
		t.Fatal("timers left over")
	}
}

func TestClear(t *testing.T) {
	var h timer.Heap
	alarms := make([]alarm, 10)
	for i := range alarms {
		h.Add(&alarms[i], int64(i))
	}
	h.Clear()
	for i := range alarms {
		if alarms[i].t.Armed() || h.Remove(&alarms[i].t) {
			t.Fatalf("timer %d is armed after Clear", i)
		}
	}
	h.Add(&alarms[3], 7)
	if h.Len() != 1 || h.Pop(7) != timer.Timed(&alarms[3]) {
		t.Fatal("the heap cannot be used after Clear")
	}
}
