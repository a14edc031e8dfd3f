package queue

import "sync"

// heap keeps items in the order of cmp, and in that of their arrival among equals.
type heap[T any] struct {
	cmp  func(a, b T) int
	list []ranked[T] // each one before those at 2i+1 and 2i+2
	next uint64
}

type ranked[T any] struct {
	v   T
	seq uint64
}

func (h *heap[T]) len() int { return len(h.list) }

// before reports whether a is to be got before b.
func (h *heap[T]) before(a, b *ranked[T]) bool {
	if c := h.cmp(a.v, b.v); c != 0 {
		return c < 0
	}
	return a.seq < b.seq
}

// guard is deferred around comparisons: if one panics, mu is unlocked and nothing has moved.
func (h *heap[T]) guard(mu *sync.Mutex, compared *bool) {
	if !*compared {
		mu.Unlock()
	}
}

// push adds v.
func (h *heap[T]) push(mu *sync.Mutex, v T) {
	compared := false
	defer h.guard(mu, &compared)
	item := ranked[T]{v, h.next}
	i, n := len(h.list), 0 // where the item goes, and how many give way
	for i > 0 && h.before(&item, &h.list[(i-1)/2]) {
		i = (i - 1) / 2
		n++
	}
	compared = true
	h.next++
	h.list = append(h.list, item)
	for i = len(h.list) - 1; n > 0; n-- {
		h.list[i] = h.list[(i-1)/2]
		i = (i - 1) / 2
	}
	h.list[i] = item
}

// pop takes the first item; there must be one.
func (h *heap[T]) pop(mu *sync.Mutex) T {
	compared := false
	defer h.guard(mu, &compared)
	last := len(h.list) - 1
	var path [64]int // that go up one place each, from the second level on
	n := 0
	for i := 0; ; n++ {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && h.before(&h.list[child+1], &h.list[child]) {
			child++
		}
		if h.before(&h.list[last], &h.list[child]) {
			break
		}
		path[n], i = child, child
	}
	compared = true
	v := h.list[0].v
	i := 0
	for _, child := range path[:n] {
		h.list[i] = h.list[child]
		i = child
	}
	h.list[i] = h.list[last]
	h.list[last] = ranked[T]{}
	h.list = h.list[:last]
	if size := cap(h.list); size > 64 && last <= size/8 {
		h.list = append(make([]ranked[T], 0, size/2), h.list...)
	}
	return v
}

// drain takes all items, in order; nil if there are none.
func (h *heap[T]) drain(mu *sync.Mutex) []T {
	var out []T
	for len(h.list) > 0 {
		out = append(out, h.pop(mu))
	}
	h.list = nil
	return out
}
