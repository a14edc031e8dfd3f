package dispatch

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// portSet is the operations of a descriptor whose poller takes whole operations and tells
// when they are done.
type portSet struct {
	d      *Dispatcher
	poller poll.Poller

	mu    sync.Mutex
	first *Op   // those in flight, in no order
	left  error // no operation may be added any more; those in flight end with it
}

// newPortSet puts slot i into operation mode. The io mutex is held.
func (d *Dispatcher) newPortSet(i uint32) (opSet, error) {
	s := &d.io.slots[i]
	p := d.io.poller
	if err := p.Bind(int(s.fd)); err != nil {
		if errors.Is(err, poll.ErrBound) {
			err = fmt.Errorf("%w: %w", ErrBound, err)
		}
		return nil, err
	}
	r := &portSet{d: d, poller: p}
	s.ops = r
	return r, nil
}

func (r *portSet) submit(o *Op) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left != nil {
		return errLeft
	}
	// The descriptor may be forgotten before the operation is done.
	r.d.io.open.Add(1)
	o.port.Store(r)
	o.ending = false
	if err := r.poller.Submit(&o.op); err != nil {
		r.d.io.open.Add(-1)
		o.port.Store(nil)
		return err
	}
	o.prev, o.next = nil, r.first
	if r.first != nil {
		r.first.prev = o
	}
	r.first = o
	return nil
}

// done takes in the completion of o. It is called on the loop.
func (r *portSet) done(o *Op) {
	p := &o.op
	r.mu.Lock()
	if p.Kind == poll.OpSend {
		o.moved += p.N
		if p.Err == nil && r.left == nil && !o.ending && o.moved < len(o.whole) && p.N > 0 {
			p.Buf = o.whole[o.moved:]
			// The rest could not even be handed over: that is its end.
			if p.Err = r.poller.Submit(p); p.Err == nil {
				r.mu.Unlock()
				return
			}
		}
	}
	if o.prev == nil {
		r.first = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next != nil {
		o.next.prev = o.prev
	}
	o.prev, o.next = nil, nil
	if o.ending && p.Err == nil && p.Kind == poll.OpSend && o.moved < len(o.whole) {
		p.Err = context.Canceled
	}
	if r.left != nil && (p.Err != nil || p.Kind == poll.OpSend && o.moved < len(o.whole)) {
		p.Err = r.left
	}
	o.port.Store(nil)
	r.mu.Unlock()
	r.d.io.open.Add(-1)
	r.d.landNow(o)
}

func (r *portSet) leave() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first != nil {
		return false
	}
	r.left = errLeft
	return true
}

// shut asks for the end of all operations; they complete when the system is done with their buffers.
func (r *portSet) shut(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = err
	for o := r.first; o != nil; o = o.next {
		_ = r.poller.Cancel(&o.op) // it fails where the operation is done, and on its way here
	}
}

// cancel asks the poller to end o, if it is with it.
func (r *portSet) cancel(o *Op) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.port.Load() != r {
		return false
	}
	o.ending = true
	_ = r.poller.Cancel(&o.op)
	return true
}
