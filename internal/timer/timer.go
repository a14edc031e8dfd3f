// Package timer has the timers of a dispatcher, in the order of their deadlines. A stopped timer
// leaves nothing behind.
package timer

// Timer is one timer. It is meant to be a part of what it wakes, so that arming
// it allocates nothing. The zero value is a timer that is not armed.
type Timer struct {
	index uint32 // place in near or, with the bit inFar, in far, plus one; 0: not armed

	// Note is for the owner, in space that would be lost otherwise.
	Note uint8
}

const inFar = 1 << 31

// Armed reports whether t is in a queue.
func (t *Timer) Armed() bool { return t.index != 0 }

// Timed is what a queue holds: anything that can show its timer.
type Timed interface{ Timer() *Timer }

// Queue orders timers by (deadline, order of arming). The zero value is empty. It holds
// fewer than 1<<31 timers.
//
// Most timers are timeouts, which are stopped long before they are due, so order among them is
// wasted. Those that are due soon are in a heap, the others in a list without order, where
// adding and removing is a matter of a few instructions. When the heap is empty and somebody
// asks for the next deadline, that of the earliest of 16 in the list, chosen blindly, becomes
// the edge, and everything up to it moves to the heap: about one in 17. So there are about 17
// looks for each timer that comes near, which is less than the heap costs it, and for n timers
// one call in some n/17 takes the time to read through 32n bytes. When the heap has doubled since,
// because new timers are due before the edge, the edge is moved back in the same
// way, and what is behind it moves to the list: at most as many timers as were added.
//
// Growing and shrinking copy everything, once in n/4 additions or removals at least. Nothing
// else takes longer for more timers, but for the depth of the heap.
//
// A plain heap was rejected, because with a million timers nearly each step in it waits for
// memory; wheels, because they owe the exact next deadline and order among equals, and depend
// on the unit of time, which in a simulation may be anything.
type Queue struct {
	near  heap
	far   []item
	edge  int64 // near has no deadline behind it, far none before it or at it
	limit int   // the size of near at which the edge moves back
	seq   uint64
}

// item has the deadline beside its timer, so that comparisons stay inside the slice.
type item struct {
	when int64  // loop time in nanoseconds
	seq  uint64 // order of arming, which keeps equal deadlines stable
	v    Timed
}

// at tells the timer its index.
func (it *item) at(index uint32) { it.v.Timer().index = index }

func (a *item) before(b *item) bool {
	return a.when < b.when || a.when == b.when && a.seq < b.seq
}

// Len returns the number of armed timers.
func (q *Queue) Len() int { return len(q.near) + len(q.far) }

// Next returns the earliest deadline; ok is false if no timer is armed.
func (q *Queue) Next() (when int64, ok bool) {
	if len(q.near) == 0 && !q.fetch() {
		return 0, false
	}
	return q.near[0].when, true
}

// Add arms the timer of v for when, behind all that have the same deadline. It must not
// be armed. It reports false only if the answer that Next gave last is still no later than
// the earliest deadline.
func (q *Queue) Add(v Timed, when int64) (first bool) {
	t := v.Timer()
	q.seq++
	if when > q.edge {
		q.far = append(q.far, item{when, q.seq, v})
		t.index = uint32(len(q.far)) | inFar
		// If the heap is empty and the list was not, what Next answered is at or before the edge:
		// only it moves the edge on.
		return len(q.near)+len(q.far) == 1
	}
	q.near.push(item{when, q.seq, v})
	first = t.index == 1
	if len(q.near) > max(q.limit, leastLimit) {
		q.split()
	}
	return first
}

// Remove disarms t and reports whether it was armed.
func (q *Queue) Remove(t *Timer) bool {
	i := int(t.index&^inFar) - 1
	switch {
	case i < 0:
		return false
	case t.index&inFar != 0:
		q.removeFar(i)
	default:
		q.near.remove(i)
	}
	t.index = 0
	return true
}

// Pop disarms the first timer that is due at now, and returns its owner and its
// deadline; nil if none is.
func (q *Queue) Pop(now int64) (v Timed, when int64) {
	if when, ok := q.Next(); !ok || when > now {
		return nil, 0
	}
	it := q.near[0]
	q.near.remove(0)
	it.at(0)
	return it.v, it.when
}

// Clear disarms all timers and returns their owners.
func (q *Queue) Clear() []Timed {
	owners := make([]Timed, 0, q.Len())
	for _, list := range [][]item{q.near, q.far} {
		for _, it := range list {
			it.at(0)
			owners = append(owners, it.v)
		}
	}
	q.near, q.far = nil, nil
	return owners
}

// leastLimit is the size of near up to which it is as good as any.
const leastLimit = 128

// fetch fills the heap, which is empty, and reports whether there was anything.
func (q *Queue) fetch() bool {
	if len(q.far) == 0 {
		return false
	}
	q.edge = q.early(q.far)
	for i := len(q.far) - 1; i >= 0; i-- {
		if it := q.far[i]; it.when <= q.edge {
			q.removeFar(i)
			q.near.push(it)
		}
	}
	q.limit = 2 * len(q.near)
	return true
}

// split moves the edge back to where the heap is small again. Its root stays.
func (q *Queue) split() {
	q.edge = q.early(q.near)
	all := q.near
	q.near = all[:0]
	for _, it := range all { // near never gets ahead of the place that is read
		if it.when <= q.edge {
			q.near.push(it)
			continue
		}
		q.far = append(q.far, it)
		it.at(uint32(len(q.far)) | inFar)
	}
	clear(all[len(q.near):])
	q.limit = 2 * len(q.near)
}

// early returns the earliest of 16 deadlines in the list.
func (q *Queue) early(list []item) int64 {
	x := q.seq
	least := list[0].when
	for range 16 {
		x = (x + 1) * 0x9e3779b97f4a7c15 // spreads places well enough that no order of arming fits it
		least = min(least, list[(x>>32)*uint64(len(list))>>32].when)
	}
	return least
}

// removeFar takes out the item at i of the list, and puts the last one into the gap.
func (q *Queue) removeFar(i int) {
	last := len(q.far) - 1
	if i != last {
		it := q.far[last]
		q.far[i] = it
		it.at(uint32(i+1) | inFar)
	}
	q.far[last] = item{}
	q.far = shrink(q.far[:last])
}

// shrink gives back the room that a burst has needed.
func shrink(list []item) []item {
	if c := cap(list); c > 1024 && len(list) < c/4 {
		return append(make([]item, 0, c/2), list...)
	}
	return list
}
