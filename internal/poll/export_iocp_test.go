//go:build windows

package poll

import (
	"maps"
	"slices"

	"golang.org/x/sys/windows"
)

// Millis is the rounding of timeouts.
var Millis = millis

// Asleep reports whether a Wait blocks or is about to.
func (p *iocp) Asleep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blocked && p.state.Load() == asleep
}

// StaleKick is the second half of a Wake that was overtaken by the end of the
// Wait it meant.
func (p *iocp) StaleKick() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kick()
}

// Requests counts what the driver has been asked and has not been collected.
func (p *iocp) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// Post queues a packet.
func (p *iocp) Post(key, id uintptr) error { return post(p.port, key, id) }

// IDs are those of the requests and operations that are with the system.
func (p *iocp) IDs() []uintptr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(p.requests)), maps.Keys(p.ops))
}

// Users counts what the helpers are for.
func (p *iocp) Users() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, h := range p.helpers {
		n += h.users
	}
	return n
}

// CancelLater is Cancel where the system was about to finish op, but did not.
func (p *iocp) CancelLater(op *Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	op.sys.canceled = true
	return p.cancelLater(op)
}

// Fail makes op, which the system has, end with err.
func (p *iocp) Fail(op *Op, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	op.sys.err = err
	_ = windows.CancelIoEx(windows.Handle(op.FD), &op.sys.ov)
}
