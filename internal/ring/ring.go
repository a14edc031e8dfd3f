// Package ring has the buffer of queues and streams.
package ring

// Ring is a double-ended queue in a circular buffer that grows as needed and shrinks
// again when it is nearly empty. The zero value is empty. It has no lock of its own.
type Ring[T any] struct {
	buf  []T // its length is 0 or a power of two
	head int // index of the first element
	n    int
}

const minSize = 8

// Len returns the number of elements.
func (r *Ring[T]) Len() int { return r.n }

func (r *Ring[T]) at(i int) *T { return &r.buf[(r.head+i)&(len(r.buf)-1)] }

// PushBack appends v.
func (r *Ring[T]) PushBack(v T) {
	if r.n == len(r.buf) {
		r.resize(max(minSize, 2*r.n))
	}
	*r.at(r.n) = v
	r.n++
}

// PushFront puts v before the first element.
func (r *Ring[T]) PushFront(v T) {
	if r.n == len(r.buf) {
		r.resize(max(minSize, 2*r.n))
	}
	r.head = (r.head - 1) & (len(r.buf) - 1)
	r.buf[r.head] = v
	r.n++
}

// PopFront takes the first element; there must be one.
func (r *Ring[T]) PopFront() T {
	p := r.at(0)
	v := *p
	var zero T
	*p = zero
	r.head = (r.head + 1) & (len(r.buf) - 1)
	r.n--
	r.shrink()
	return v
}

// PopBack takes the last element; there must be one.
func (r *Ring[T]) PopBack() T {
	p := r.at(r.n - 1)
	v := *p
	var zero T
	*p = zero
	r.n--
	r.shrink()
	return v
}

// shrink halves a large buffer that is one eighth full, which a queue that goes up
// and down around one length never reaches twice in a row.
func (r *Ring[T]) shrink() {
	if len(r.buf) > 64 && r.n <= len(r.buf)/8 {
		r.resize(len(r.buf) / 2)
	}
}

func (r *Ring[T]) resize(size int) {
	buf := make([]T, size)
	k := copy(buf, r.buf[r.head:])
	copy(buf[k:], r.buf[:r.head])
	r.buf, r.head = buf, 0
}

// Drain empties the ring and returns what was in it, in order; nil if there was nothing.
func (r *Ring[T]) Drain() []T {
	if r.n == 0 {
		return nil
	}
	out := make([]T, r.n)
	for i := range out {
		out[i] = *r.at(i)
	}
	*r = Ring[T]{}
	return out
}
