package ring

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The ring against a slice. Runs of one operation take it through its sizes.
func TestRingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Ring[int]
		var model []int
		next := 0
		type run struct{ op, n int }
		runs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) run {
			return run{rapid.IntRange(0, 4).Draw(t, "op"), rapid.IntRange(1, 300).Draw(t, "n")}
		}), 1, 12).Draw(t, "runs")
		for _, run := range runs {
			for range run.n {
				switch {
				case run.op == 0:
					next++
					r.PushBack(next)
					model = append(model, next)
				case run.op == 1:
					next++
					r.PushFront(next)
					model = slices.Insert(model, 0, next)
				case run.op == 4:
					out := r.Drain()
					if !slices.Equal(out, model) || (out == nil) != (len(model) == 0) {
						t.Fatalf("Drain() = %v, want %v", out, model)
					}
					model = nil
				case len(model) == 0:
				case run.op == 2:
					if v := r.PopFront(); v != model[0] {
						t.Fatalf("PopFront() = %d, want %d", v, model[0])
					}
					model = model[1:]
				case run.op == 3:
					if v := r.PopBack(); v != model[len(model)-1] {
						t.Fatalf("PopBack() = %d, want %d", v, model[len(model)-1])
					}
					model = model[:len(model)-1]
				}
				if r.n != len(model) {
					t.Fatalf("n = %d, want %d", r.n, len(model))
				}
				if size := len(r.buf); size&(size-1) != 0 || size > 64 && r.n <= size/16 {
					t.Fatalf("%d items in a buffer of %d", r.n, size)
				}
				if run.op == 4 {
					break
				}
			}
			// What was taken must not be kept from the collector.
			kept := 0
			for _, v := range r.buf {
				if v != 0 {
					kept++
				}
			}
			if kept != r.n {
				t.Fatalf("the buffer keeps %d items of %d", kept, r.n)
			}
			for i, want := range model {
				if got := *r.at(i); got != want {
					t.Fatalf("item %d is %d, want %d", i, got, want)
				}
			}
		}
	})
}

func TestRingShrinks(t *testing.T) {
	var r Ring[int]
	for i := range 1 << 12 {
		r.PushBack(i)
	}
	for r.n > 0 {
		r.PopFront()
	}
	if len(r.buf) > 64 {
		t.Fatalf("an empty ring keeps %d", len(r.buf))
	}
}
