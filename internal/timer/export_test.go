package timer

import "unsafe"

// ItemSize is what the place of a timer in a queue takes, in bytes.
const ItemSize = unsafe.Sizeof(item{})

// Cap returns how many timers there is room for.
func (q *Queue) Cap() int { return cap(q.near) + cap(q.far) }

// Far returns how many timers are in no order.
func (q *Queue) Far() int { return len(q.far) }

// Kept counts the places behind the ends that still point to a timer.
func (q *Queue) Kept() (n int) {
	for _, list := range [][]item{q.near, q.far} {
		for _, it := range list[len(list):cap(list)] {
			if it.v != nil {
				n++
			}
		}
	}
	return n
}

// Check fails unless every timer knows its place, and the order is as documented.
func (q *Queue) Check(tb interface{ Fatalf(string, ...any) }) {
	for i := range q.near {
		it := &q.near[i]
		if it.v.Timer().index != uint32(i)+1 {
			tb.Fatalf("the near timer at %d says %#x", i, it.v.Timer().index)
		}
		if p := (i - 1) / 4; i > 0 && !q.near[p].before(it) {
			tb.Fatalf("the near timer at %d is before the one above it", i)
		}
		if it.when > q.edge {
			tb.Fatalf("a near timer of %d is behind the edge at %d", it.when, q.edge)
		}
	}
	for i, it := range q.far {
		if it.v.Timer().index != uint32(i+1)|inFar {
			tb.Fatalf("the far timer at %d says %#x", i, it.v.Timer().index)
		}
		if it.when <= q.edge {
			tb.Fatalf("a far timer of %d is not behind the edge at %d", it.when, q.edge)
		}
	}
	if n := q.Kept(); n != 0 {
		tb.Fatalf("%d timers behind the ends are not let go", n)
	}
}
