package dispatch

import "github.com/seed-1e54c410/turnstile/internal/poll"

// opQueue is the operations of one direction of a descriptor, in the order of their start. The
// first is being served.
type opQueue struct{ first, last *Op }

func (q *opQueue) append(o *Op) {
	o.prev, o.next = q.last, nil
	if q.last == nil {
		q.first = o
	} else {
		q.last.next = o
	}
	q.last = o
}

func (q *opQueue) remove(o *Op) {
	if o.prev == nil {
		q.first = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		q.last = o.prev
	} else {
		o.next.prev = o.prev
	}
	o.prev, o.next = nil, nil
}

// incoming reports whether kind is of the direction in which data and connections come in.
func incoming(kind poll.OpKind) bool {
	switch kind {
	case poll.OpRecv, poll.OpRecvFrom, poll.OpAccept:
		return true
	}
	return false
}
