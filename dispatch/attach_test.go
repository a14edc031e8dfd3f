//go:build unix || windows

package dispatch_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// rider is what owns an operation behind the door for ports, and hears of the close.
type rider struct {
	op        poll.Op
	port      seam.Port
	completed int
	closed    int
}

func (r *rider) Completed(o *poll.Op) {
	if o != &r.op {
		panic("another operation")
	}
	r.completed++
}

func (r *rider) Ready(bool, bool, bool) { panic("nothing is watched") }

func (r *rider) Closed() {
	r.closed++
	r.port.Cancel(&r.op)
}

// TestAttachPort: operations that are handed to the poller come back once each, on the loop, after
// Detach too; they keep nothing from ending, and Close has them back before it is done.
func TestAttachPort(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d, err := dispatch.New(cfg)
		must(t, err)
		n := newNetwork(t)
		a, b := n.pair()
		r := new(rider)
		r.port, err = seam.Of(d).AttachPort(uintptr(b), r)
		if cfg.Backend != "iocp" {
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("AttachPort = %v", err)
			}
			register(t, d, b) // nothing is left of it
			must(t, d.Close())
			return
		}
		must(t, err)
		if _, err := seam.Of(d).AttachPort(uintptr(b), r); !errors.Is(err, dispatch.ErrMode) {
			t.Errorf("another AttachPort = %v", err)
		}
		if err := d.Register(b); !errors.Is(err, dispatch.ErrMode) {
			t.Errorf("Register = %v", err)
		}
		submit := func() {
			r.op.Reset()
			r.op.Kind, r.op.Owner = poll.OpReadable, r
			must(t, r.port.Submit(&r.op))
		}
		until := func(completed int) {
			release := d.Hold()
			defer release()
			for r.completed < completed {
				_, err := d.Poll(-1)
				must(t, err)
			}
		}
		submit()
		if d.Pending() != 0 {
			t.Errorf("%d pending", d.Pending())
		}
		settle(t, d)
		n.sysSend(a, []byte{1})
		until(1)
		if r.op.Err != nil {
			t.Error(r.op.Err)
		}
		n.sysRecv(b, make([]byte, 1))
		submit()
		r.port.Cancel(&r.op)
		until(2)
		r.port.Cancel(&r.op) // it is done
		if !errors.Is(r.op.Err, context.Canceled) {
			t.Error(r.op.Err)
		}
		submit()
		r.port.Cancel(&r.op)
		r.port.Detach()
		until(3)
		register(t, d, b) // it is open for others
		must(t, d.Unregister(b))
		r.port, err = seam.Of(d).AttachPort(uintptr(b), r)
		must(t, err)
		submit()
		must(t, d.Close())
		if r.completed != 4 || r.closed != 1 {
			t.Errorf("%d completed, %d closed", r.completed, r.closed)
		}
		r.op.Reset()
		r.op.Kind, r.op.Owner = poll.OpReadable, r
		if err := r.port.Submit(&r.op); err == nil {
			t.Error("Submit after Close")
		}
	})
}

// TestAttachPortBound: a socket belongs to one poller for life.
func TestAttachPortBound(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		if cfg.Backend != "iocp" {
			return // only ports know such a bond
		}
		d, e := open(t, cfg), open(t, cfg)
		_, b := newNetwork(t).pair()
		r := new(rider)
		var err error
		r.port, err = seam.Of(d).AttachPort(uintptr(b), r)
		must(t, err)
		r.port.Detach()
		if _, err := seam.Of(e).AttachPort(uintptr(b), r); !errors.Is(err, dispatch.ErrBound) {
			t.Errorf("AttachPort = %v", err)
		}
	})
}
