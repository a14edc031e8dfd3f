package dispatch

import (
	"context"
	"errors"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// portSet is the operations of a descriptor whose poller takes whole operations and tells
// when they are done.
//
// It gets the first of each direction only, and the next when that is done. The system would
// take several at a time, but not send them in one piece each, and it tells of what is done by several
// processors at once, in no order.
type portSet struct {
	d        *Dispatcher
	poller   poll.Poller
	messages bool // it is no socket for a stream

	mu     sync.Mutex
	rd, wr opQueue
	left   error // no operation may be added any more
}

// newPortSet puts slot i into operation mode. The io mutex is held.
func (d *Dispatcher) newPortSet(i uint32) (opSet, error) {
	s := &d.io.slots[i]
	p := d.io.poller
	stream, _, err := poll.Stream(int(s.fd))
	if err != nil {
		return nil, err
	}
	if err := bind(p, int(s.fd)); err != nil {
		return nil, err
	}
	r := &portSet{d: d, poller: p, messages: !stream}
	s.ops = r
	return r, nil
}

// queue is the direction of kind. The mutex is held, as for all that follow.
func (r *portSet) queue(kind poll.OpKind) *opQueue {
	if incoming(kind) {
		return &r.rd
	}
	return &r.wr
}

// connecting reports whether a Connect is under way. A receive would be told that there is no
// connection, so it waits for the end of that.
func (r *portSet) connecting() bool {
	return r.wr.first != nil && r.wr.first.op.Kind == poll.OpConnect
}

func (r *portSet) submit(o *Op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left != nil {
		return errLeft
	}
	o.op.Messages = r.messages
	o.handed, o.why = false, nil
	o.port.Store(r) // first, since the loop may hear of its end before this returns
	q := r.queue(o.op.Kind)
	if q.first == nil && !(q == &r.rd && r.connecting()) {
		if err := r.hand(o); err != nil {
			o.port.Store(nil)
			return err
		}
	}
	q.append(o)
	return nil
}

// hand gives o to the poller.
func (r *portSet) hand(o *Op) error {
	// The descriptor may be forgotten before the operation is done.
	r.d.io.open.Add(1)
	o.handed = true
	err := r.poller.Submit(&o.op)
	if err != nil {
		r.d.io.open.Add(-1)
		o.handed = false
	}
	return err
}

// handNext gives the first of q to the poller, if it has none of that direction.
func (r *portSet) handNext(q *opQueue) {
	for o := q.first; o != nil && !o.handed; o = q.first {
		if q == &r.rd && r.connecting() {
			return
		}
		if err := r.hand(o); err != nil {
			r.end(o, err, r.d.landNow)
		}
	}
}

// end is the end of an operation that the poller does not have.
func (r *portSet) end(o *Op, err error, land func(*Op)) {
	r.queue(o.op.Kind).remove(o)
	o.port.Store(nil)
	o.op.Err = err
	land(o)
}

// completed takes in the completion of o. It is called on the loop.
func (r *portSet) completed(o *Op) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.d.io.open.Add(-1)
	o.handed = false
	p := &o.op
	err := p.Err
	if p.Kind == poll.OpSend {
		o.moved += p.N
		if err == nil && o.moved < len(o.whole) {
			err = o.why
			if err == nil {
				p.Buf = o.whole[o.moved:]
				if err = r.hand(o); err == nil {
					return
				}
			}
		}
	}
	if o.why != nil && (errors.Is(err, context.Canceled) || err != nil && r.left != nil) {
		err = o.why
	}
	r.end(o, err, r.d.landNow)
	r.handNext(&r.wr)
	r.handNext(&r.rd)
}

func (r *portSet) leave() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rd.first != nil || r.wr.first != nil {
		return false
	}
	r.left = errLeft
	return true
}

// shut asks for the end of all operations; those that the system has complete when it is done
// with their buffers.
func (r *portSet) shut(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = err
	for _, q := range []*opQueue{&r.rd, &r.wr} {
		for o, next := q.first, (*Op)(nil); o != nil; o = next {
			next = o.next
			r.stop(o, err)
		}
	}
}

// stop ends o with err, or asks the poller to.
func (r *portSet) stop(o *Op, err error) {
	if !o.handed {
		r.end(o, err, r.d.land)
		return
	}
	if o.why == nil {
		o.why = err
	}
	_ = r.poller.Cancel(&o.op) // it fails where the operation is done, and on its way here
}

func (r *portSet) cancel(o *Op) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.port.Load() != r || o.why != nil {
		return false
	}
	r.stop(o, context.Canceled)
	return true
}
