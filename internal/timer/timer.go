// Package timer has the timers of a dispatcher: an indexed heap, in which arming
// and stopping cost a handful of comparisons and a stopped timer leaves nothing behind.
package timer

// Timer is one timer. It is meant to be a part of what it wakes, so that arming
// it allocates nothing. The zero value is a timer that is not armed.
type Timer struct {
	when  int64  // loop time in nanoseconds
	seq   uint64 // order of arming, which keeps equal deadlines stable
	index int    // place in the heap plus one; 0: not armed
}

// Armed reports whether t is in a heap.
func (t *Timer) Armed() bool { return t.index != 0 }

// When returns the deadline t was last armed for.
func (t *Timer) When() int64 { return t.when }

// Timed is what a heap holds: anything that can show its timer.
type Timed interface{ Timer() *Timer }

// Heap orders timers by (deadline, order of arming). The zero value is empty.
//
// It is a 4-ary heap: half the levels of a binary one, and the four children it
// compares sit side by side in memory.
type Heap struct {
	items []item
	seq   uint64
}

// item repeats the deadline, so that comparisons stay inside the slice.
type item struct {
	when int64
	seq  uint64
	t    *Timer
	v    Timed
}

func (a *item) before(b *item) bool {
	return a.when < b.when || a.when == b.when && a.seq < b.seq
}

// Len returns the number of armed timers.
func (h *Heap) Len() int { return len(h.items) }

// Next returns the earliest deadline; ok is false if no timer is armed.
func (h *Heap) Next() (when int64, ok bool) {
	if len(h.items) == 0 {
		return 0, false
	}
	return h.items[0].when, true
}

// Add arms the timer of v for when, behind all that have the same deadline. It must not
// be armed.
func (h *Heap) Add(v Timed, when int64) {
	t := v.Timer()
	h.seq++
	t.when, t.seq = when, h.seq
	h.items = append(h.items, item{when, h.seq, t, v})
	h.up(len(h.items) - 1)
}

// Remove disarms t and reports whether it was armed.
func (h *Heap) Remove(t *Timer) bool {
	if t.index == 0 {
		return false
	}
	h.removeAt(t.index - 1)
	return true
}

// Pop disarms the first timer that is due at now and returns its owner, nil if none
// is.
func (h *Heap) Pop(now int64) Timed {
	if len(h.items) == 0 || h.items[0].when > now {
		return nil
	}
	v := h.items[0].v
	h.removeAt(0)
	return v
}

// Clear disarms all timers and returns their owners.
func (h *Heap) Clear() []Timed {
	owners := make([]Timed, 0, len(h.items))
	for i := range h.items {
		h.items[i].t.index = 0
		owners = append(owners, h.items[i].v)
	}
	h.items = nil
	return owners
}

func (h *Heap) removeAt(i int) {
	last := len(h.items) - 1
	h.items[i].t.index = 0
	if i != last {
		h.items[i] = h.items[last]
		h.items[i].t.index = i + 1
	}
	h.items[last] = item{}
	h.items = h.items[:last]
	if i != last {
		h.down(i)
		h.up(i)
	}
	if c := cap(h.items); c > 1024 && last < c/4 {
		h.items = append(make([]item, 0, c/2), h.items...)
	}
}

func (h *Heap) up(i int) {
	it := h.items[i]
	for i > 0 {
		p := (i - 1) / 4
		if !it.before(&h.items[p]) {
			break
		}
		h.items[i] = h.items[p]
		h.items[i].t.index = i + 1
		i = p
	}
	h.items[i] = it
	it.t.index = i + 1
}

func (h *Heap) down(i int) {
	it := h.items[i]
	for {
		first := 4*i + 1
		if first >= len(h.items) {
			break
		}
		least := first
		for c := first + 1; c < min(first+4, len(h.items)); c++ {
			if h.items[c].before(&h.items[least]) {
				least = c
			}
		}
		if !h.items[least].before(&it) {
			break
		}
		h.items[i] = h.items[least]
		h.items[i].t.index = i + 1
		i = least
	}
	h.items[i] = it
	it.t.index = i + 1
}
