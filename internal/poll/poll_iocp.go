//go:build windows

package poll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/windows"
)

// The states of an iocp, seen from Wake.
const (
	// awake: no Wait is about to block. Entered when a Wait returns; followed
	// by asleep or woken.
	awake uint32 = iota
	// asleep: a Wait blocks or is about to. Entered by that Wait from awake
	// only; followed by woken, or by awake when it returns.
	asleep
	// woken: a Wake is not yet consumed. Entered by Wake from any state;
	// followed by awake when a Wait that blocks, or would, returns.
	woken
)

// What the packets of the port are about. A key is given when a handle is associated
// with the port, or with the packet when it is posted.
const (
	keyWake    uintptr = iota // Wait shall look at the state
	keyPoll                   // a request on a helper; see watch
	keyOp                     // an operation
	keyProcess                // a process; instead of the OVERLAPPED comes its number
)

// iocp is the backend of I/O completion ports.
//
// A packet in the port is only a hint. What it is about is looked up by the address of its
// OVERLAPPED, so that packets of requests that were given up, and those that others post or
// cause, are of no consequence; and the address is that of memory which the system may write to,
// so the tables also keep that memory from the garbage collector.
//
// Wake posts a packet, if a Wait is asleep. It may come late and hit a Wait that does not
// concern it, so Wait believes only the state and otherwise goes on.
//
// Timeouts have the precision of the system's clock tick, rounded up. The port itself can
// only block a thread, so there is no Park.
type iocp struct {
	port  windows.Handle
	state atomic.Uint32
	raw   []packet // used by Wait only

	// mu guards all that follows. No system call that may wait is made under it.
	mu      sync.Mutex
	closed  bool
	blocked bool   // a Wait blocks or is about to, so that requests must be submitted by who changes them
	turn    uint64 // of Wait, to tell a request made in this one

	watches   map[int]*watch
	requests  map[uintptr]*request // with the system
	free      *request
	due       []*watch // whose request the next Wait is to submit
	helpers   []*helper
	probe     *probe
	ops       map[uintptr]*Op // with the system
	processes map[uintptr]*process
	ended     []*process // those that the next Wait is to report again
}

func openIOCP(style WaitStyle) (Poller, error) {
	if style == Park {
		return nil, fmt.Errorf("poll: backend iocp cannot park: %w", errors.ErrUnsupported)
	}
	if err := startWinsock(); err != nil {
		return nil, os.NewSyscallError("WSAStartup", err)
	}
	port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 0)
	if err != nil {
		return nil, os.NewSyscallError("CreateIoCompletionPort", err)
	}
	p := &iocp{
		port:      port,
		watches:   make(map[int]*watch),
		requests:  make(map[uintptr]*request),
		ops:       make(map[uintptr]*Op),
		processes: make(map[uintptr]*process),
	}
	own(p)
	return p, nil
}

func (p *iocp) Name() string { return "iocp" }

// FD is none: a port is nothing that other pollers could watch, and requests that a Wait
// has yet to submit would not show in it.
func (p *iocp) FD() uintptr { return ^uintptr(0) }

func (p *iocp) Wait(events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, os.NewSyscallError("GetQueuedCompletionStatusEx", syscall.EINVAL)
	}
	block := timeout != 0
	sleeps := block && p.state.CompareAndSwap(awake, asleep)
	var end time.Time
	if sleeps {
		end = deadline(timeout)
		// Consumes also a Wake that came after the events: this Wait was blocked and returns. Its
		// packet, if still to come, finds nobody it concerns. Swap, because a Store would not order
		// what the Wake published before it.
		defer p.state.Swap(awake)
	}
	for {
		if err := p.prepare(sleeps); err != nil {
			return 0, err
		}
		ms := 0
		if sleeps && p.state.Load() == asleep {
			ms = millis(end)
		}
		n, err := p.take(events, ms)
		switch {
		case n != 0 || err != nil || !block:
			return n, err
		case !sleeps:
			p.state.Swap(awake) // by the Wake that came before
			return 0, nil
		case p.state.Load() == woken || over(end):
			return 0, nil
		}
	}
}

// prepare submits the requests that are due. After that, if Wait is going to sleep, those who change
// something submit what follows from it.
func (p *iocp) prepare(sleeps bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.turn++
	p.blocked = sleeps
	for i, w := range p.due {
		p.due[i] = nil
		w.due = false
		p.submit(w)
	}
	p.due = p.due[:0]
	for i, f := range p.ended {
		p.ended[i] = nil
		if p.processes[f.id] == f {
			if err := post(p.port, keyProcess, f.id); err != nil {
				return os.NewSyscallError("PostQueuedCompletionStatus", err)
			}
		}
	}
	p.ended = p.ended[:0]
	return nil
}

// take collects packets and makes events of them.
func (p *iocp) take(events []Event, ms int) (int, error) {
	if cap(p.raw) < len(events) {
		p.raw = make([]packet, len(events))
	}
	for {
		raw := p.raw[:len(events)]
		got, err := dequeue(p.port, raw, ms)
		p.mu.Lock()
		p.blocked = false
		n := 0
		for i := range raw[:got] {
			if p.convert(&raw[i], &events[n]) {
				n++
			}
		}
		p.mu.Unlock()
		if err != nil {
			return 0, os.NewSyscallError("GetQueuedCompletionStatusEx", err)
		}
		// What means nothing may have filled the buffer.
		if n != 0 || got < len(raw) {
			return n, nil
		}
		ms = 0
	}
}

// convert makes ev of a packet, and reports false if it means nothing. The caller holds mu.
func (p *iocp) convert(raw *packet, ev *Event) bool {
	switch raw.key {
	case keyPoll:
		return p.polled(raw.ov, ev)
	case keyOp:
		op := p.ops[raw.ov]
		return op != nil && p.done(op, ev)
	case keyProcess:
		f := p.processes[raw.ov]
		if f == nil {
			return false
		}
		p.ended = append(p.ended, f)
		*ev = Event{Tag: f.tag, Ready: Read}
		return true
	}
	return false
}

func (p *iocp) Wake() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.state.Swap(woken) != asleep {
		return nil
	}
	return p.kick()
}

// kick makes a blocked Wait look at the state. The caller holds mu.
func (p *iocp) kick() error {
	return os.NewSyscallError("PostQueuedCompletionStatus", post(p.port, keyWake, 0))
}

func (p *iocp) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	err := p.closeWatches()
	disown(p)
	return errors.Join(err, os.NewSyscallError("CloseHandle", windows.CloseHandle(p.port)))
}
