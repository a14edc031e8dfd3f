//go:build ports && !windows

package transport

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// With the build tag ports the sides of this package do what they do on Windows, on any system, over
// a port that is made of readiness: all tests run over it, with the race detector too. It is
// less kind than that of Windows, in that operations end for no reason, and cancels come too late,
// at random.

func init() {
	attachPort = func(s *sock) (seam.Port, error) {
		p := &fakePort{s: s, event: [2]bool{true, true}}
		p.mu.Lock() // the first event may come before this returns
		defer p.mu.Unlock()
		reg, err := s.loop().Attach(uintptr(s.fd), p)
		p.reg = reg
		return p, err
	}
}

// FlightsUnderWay is how many operations the ports have, those of dispatchers that were closed too.
var FlightsUnderWay atomic.Int64

type fakePort struct {
	s   *sock
	reg seam.FD

	mu     sync.Mutex
	ops    [2]*poll.Op // those that read and those that write
	event  [2]bool     // since the last operation was tried
	closed bool
}

func direction(o *poll.Op) int {
	switch o.Kind {
	case poll.OpReadable, poll.OpAccept:
		return 0
	case poll.OpWritable, poll.OpConnect:
		return 1
	}
	panic("transport: an operation that moves something")
}

func (p *fakePort) Submit(o *poll.Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := direction(o)
	switch {
	case p.closed:
		panic("transport: Submit after Closed")
	case p.ops[i] != nil:
		panic("transport: two operations of one direction")
	case o.Owner == nil:
		panic("transport: an operation of nobody")
	}
	o.FD = p.s.fd
	if !p.reg.Edges() {
		if err := p.reg.Arm(i == 0, i == 1); err != nil {
			return err
		}
	}
	FlightsUnderWay.Add(1)
	p.ops[i] = o
	if p.event[i] || rand.IntN(16) == 0 {
		p.try(i)
	}
	return nil
}

// try ends an operation if it can be done. The mutex is held, as that of land.
func (p *fakePort) try(i int) {
	p.event[i] = false
	o := p.ops[i]
	switch o.Kind {
	case poll.OpReadable, poll.OpWritable:
		o.N, o.Err = 0, nil
	default:
		if !o.Try() {
			if !p.reg.Edges() {
				_ = p.reg.Arm(i == 0, i == 1)
			}
			return
		}
	}
	p.land(i)
}

func (p *fakePort) land(i int) {
	o := p.ops[i]
	p.ops[i] = nil
	p.s.loop().Ready((*fakePacket)(o))
}

func (p *fakePort) Cancel(o *poll.Op) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := direction(o)
	if p.ops[i] != o {
		return // it is done
	}
	if p.event[i] && rand.IntN(2) == 0 {
		p.try(i)
	}
	if p.ops[i] == o {
		o.Err = context.Canceled
		p.land(i)
	}
}

func (p *fakePort) Detach() { p.reg.Detach() }

// Ready implements seam.Latch.
func (p *fakePort) Ready(read, write, _ bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, is := range [2]bool{read, write} {
		if is {
			p.event[i] = true
			if p.ops[i] != nil {
				p.try(i)
			}
		}
	}
}

// Closed implements seam.Latch.
func (p *fakePort) Closed() {
	p.s.Closed()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
}

// fakePacket is an operation that is done, on its way to its owner.
type fakePacket poll.Op

func (o *fakePacket) RunReady() {
	FlightsUnderWay.Add(-1)
	op := (*poll.Op)(o)
	op.Owner.(seam.Completer).Completed(op)
}
