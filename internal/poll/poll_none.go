package poll

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// none is the backend of systems without a way to watch descriptors that this package knows, such as
// js/wasm and wasip1. It can wait and be waked, so that timers and callbacks work; all else
// is refused with an error that errors.Is errors.ErrUnsupported. Every WaitStyle parks: there is no
// system call to block in, and js has no second thread that could end it. It is built
// everywhere, for its tests.
type none struct {
	mu     sync.Mutex
	closed bool // guarded by mu, as what follows
	woken  bool // a Wake is not yet consumed
	// wake is closed by a Wake that meets a Wait, which made it for itself: a channel that is kept would tie
	// the poller to the synctest bubble that it was made in.
	wake chan struct{}
}

func openNone(WaitStyle) (Poller, error) { return &none{}, nil }

func (p *none) Name() string { return "none" }

func (p *none) FD() uintptr { return ^uintptr(0) }

func (p *none) Wait(events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, os.NewSyscallError("wait", syscall.EINVAL)
	}
	wake, err := p.prepare(timeout)
	if wake == nil {
		return 0, err
	}
	var over <-chan time.Time // never, if nil
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-wake:
	case <-over:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake = nil
	p.woken = false // also one that came with the end of the timeout: this Wait was blocked
	return 0, nil
}

// prepare makes the channel of a Wait that has to block, nil if it has not.
func (p *none) prepare(timeout time.Duration) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, ErrClosed
	case timeout == 0:
		return nil, nil
	case p.woken:
		p.woken = false
		return nil, nil
	}
	p.wake = make(chan struct{})
	return p.wake, nil
}

func (p *none) Wake() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.wake != nil && !p.woken {
		close(p.wake)
	}
	p.woken = true
	return nil
}

// refuse is the answer to all that this backend has not.
func (p *none) refuse(what string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	return fmt.Errorf("poll: %s on %s/%s: %w", what, runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}

func (p *none) Add(int, Tag, Mode, Trigger) error { return p.refuse("watching a descriptor") }

func (p *none) Modify(int, Tag, Mode, Trigger) error { return p.refuse("watching a descriptor") }

func (p *none) Remove(int) error { return p.refuse("watching a descriptor") }

func (p *none) Arm(int, Mode) error { return p.refuse("watching a descriptor") }

func (p *none) AddProcess(int, Tag) (Process, error) { return nil, p.refuse("watching a process") }

func (p *none) Operations() bool { return false }

func (p *none) Bind(int) error { return p.refuse("an operation") }

func (p *none) Submit(*Op) error { return p.refuse("an operation") }

func (p *none) Cancel(*Op) error { return p.refuse("an operation") }

func (p *none) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}
