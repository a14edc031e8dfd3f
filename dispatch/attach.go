package dispatch

import (
	"errors"
	"fmt"

	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// What package transport does with descriptors. It waits for their readiness, or hands operations to the
// poller, as the system has it.

// Attach puts fd into operation mode.
func (l *seamLoop) Attach(fd uintptr, h seam.Latch) (seam.FD, error) {
	return l.d().attach(fd, h, func(f *latched, tag poll.Tag) error {
		return f.poller.Add(f.fd, tag, poll.Read|poll.Write, poll.Edge)
	})
}

// AttachPort puts fd into operation mode.
func (l *seamLoop) AttachPort(fd uintptr, h seam.Latch) (seam.Port, error) {
	f, err := l.d().attach(fd, h, func(f *latched, _ poll.Tag) error {
		if !f.poller.Operations() {
			return fmt.Errorf("dispatch: operations: %w", errors.ErrUnsupported)
		}
		return bind(f.poller, f.fd)
	})
	if err != nil {
		return nil, err
	}
	return ported{f}, nil
}

// attach gives fd a slot, in which h hears of it once prepare has succeeded.
func (d *Dispatcher) attach(fd uintptr, h seam.Latch, prepare func(*latched, poll.Tag) error) (*latched, error) {
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	i, err := d.add(FD(fd))
	if err != nil {
		return nil, err
	}
	s := &x.slots[i]
	f := &latched{d: d, fd: int(fd), slot: i, gen: s.gen, poller: x.poller}
	if err := prepare(f, s.tag(i)); err != nil {
		d.drop(i, ErrClosed)
		return nil, err
	}
	s.latch = h
	return f, nil
}

// latched is a descriptor in operation mode.
type latched struct {
	d      *Dispatcher
	fd     int
	slot   uint32
	gen    uint32
	poller poll.Poller
}

func (f *latched) Arm(read, write bool) error {
	var m poll.Mode
	if read {
		m |= poll.Read
	}
	if write {
		m |= poll.Write
	}
	return f.poller.Arm(f.fd, m)
}

func (f *latched) Edges() bool {
	e, ok := f.poller.(interface{ Edges() bool })
	return ok && e.Edges()
}

func (f *latched) Detach() {
	x := &f.d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := &x.slots[f.slot]; s.used && s.gen == f.gen {
		f.d.drop(f.slot, ErrClosed)
	}
}

// ported is a descriptor in operation mode whose operations the poller takes.
type ported struct{ *latched }

func (f ported) Submit(o *poll.Op) error {
	o.FD = f.fd
	// The descriptor may be forgotten before the operation is done.
	f.d.io.open.Add(1)
	err := f.poller.Submit(o)
	if err != nil {
		f.d.io.open.Add(-1)
	}
	return err
}

func (f ported) Cancel(o *poll.Op) {
	_ = f.poller.Cancel(o) // it fails where o is done, and on its way here
}

// bind binds fd to p for life.
func bind(p poll.Poller, fd int) error {
	err := p.Bind(fd)
	if errors.Is(err, poll.ErrBound) {
		err = fmt.Errorf("%w: %w", ErrBound, err)
	}
	return err
}
