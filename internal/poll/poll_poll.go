//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// poller is the backend poll(2).
//
// The kernel keeps nothing between two calls, so a change of the
// registrations reaches a blocked Wait only by interrupting it, through a
// pipe. Remove does that too, since some kernels keep the file open, and so
// its peer waiting, as long as a poll refers to it.
//
// Edge is made of one-shot interest: Arm sets the direction's bit, the report
// clears it. A registration without bits is not handed to the kernel at all,
// which would report Hup and Err of it all the same.
type poller struct {
	noOperations

	pipe [2]int // read end, write end; both non-blocking

	mu      sync.Mutex
	closed  bool // the rest is guarded by mu
	byFD    map[int]*entry
	entries []*entry // the same, in the order of reports
	next    int      // index in entries where the next report begins
	dirty   bool     // set is out of date
	asleep  bool     // a Wait polls with a timeout
	kicked  bool     // the pipe is not empty
	woken   bool     // a Wake is not yet consumed

	set     []unix.PollFd // used by Wait only; set[0] is the pipe
	members []*entry      // members[i] is set[i+1]
	start   int           // member where the next report begins
}

// entry is one registration. All fields are guarded by poller.mu.
type entry struct {
	fd      int
	index   int // in poller.entries, -1 when removed
	tag     Tag
	watch   Mode // Level: the interest; Edge: the armed directions
	allowed Mode // Edge: the interest
	trigger Trigger
}

func openPoll(style WaitStyle) (Poller, error) {
	if style == Park {
		return nil, fmt.Errorf("poll: backend poll cannot park: %w", errors.ErrUnsupported)
	}
	p := &poller{byFD: make(map[int]*entry), dirty: true}
	var ends [2]int
	// pipe2 does not exist everywhere; the lock keeps a fork from inheriting.
	syscall.ForkLock.RLock()
	err := unix.Pipe(ends[:])
	if err == nil {
		unix.CloseOnExec(ends[0])
		unix.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	p.pipe = ends
	if err := errors.Join(unix.SetNonblock(ends[0], true), unix.SetNonblock(ends[1], true)); err != nil {
		p.Close()
		return nil, os.NewSyscallError("fcntl", err)
	}
	return p, nil
}

func (p *poller) Name() string { return "poll" }

func (p *poller) FD() uintptr { return ^uintptr(0) }

func (p *poller) Add(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if kind := uint32(st.Mode) & unix.S_IFMT; kind == unix.S_IFREG || kind == unix.S_IFDIR {
		return ErrAlwaysReady
	}
	return p.insert(fd, tag, interest, trigger)
}

// add is Add for a descriptor that is worth watching.
func (p *poller) add(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	return p.insert(fd, tag, interest, trigger)
}

// insert is the second half of Add. The caller holds mu.
func (p *poller) insert(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if p.byFD[fd] != nil {
		return os.NewSyscallError("register", unix.EEXIST)
	}
	e := &entry{fd: fd, index: len(p.entries)}
	e.init(tag, interest, trigger)
	p.byFD[fd] = e
	p.entries = append(p.entries, e)
	return p.changed()
}

func (p *poller) Modify(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	return p.update(fd, func(e *entry) bool {
		e.init(tag, interest, trigger)
		return true
	})
}

func (p *poller) Remove(fd int) error {
	return p.update(fd, func(e *entry) bool {
		p.forget(e)
		return true
	})
}

func (p *poller) Arm(fd int, mode Mode) error {
	return p.update(fd, func(e *entry) bool {
		mode &= e.allowed
		changed := e.watch|mode != e.watch
		e.watch |= mode
		return changed
	})
}

// update calls f under the lock with the registration of fd, and interrupts
// Wait if f says that it changed what the kernel must be asked.
func (p *poller) update(fd int, f func(*entry) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	e := p.byFD[fd]
	if e == nil {
		return os.NewSyscallError("register", unix.ENOENT)
	}
	if !f(e) {
		return nil
	}
	return p.changed()
}

// forget drops e. The last entry takes its place, which may cost that one a
// turn in the order of reports, once. The caller holds mu.
func (p *poller) forget(e *entry) {
	last := len(p.entries) - 1
	moved := p.entries[last]
	p.entries[e.index], moved.index = moved, e.index
	p.entries[last] = nil
	p.entries = p.entries[:last]
	delete(p.byFD, e.fd)
	e.index = -1
}

// changed makes the next Wait, or the blocked one, rebuild its set. The caller
// holds mu.
func (p *poller) changed() error {
	p.dirty = true
	return p.kick()
}

// kick interrupts a blocked Wait. The caller holds mu.
func (p *poller) kick() error {
	if !p.asleep || p.kicked {
		return nil
	}
	if _, err := unix.Write(p.pipe[1], []byte{0}); err != nil {
		return os.NewSyscallError("write", err)
	}
	p.kicked = true
	return nil
}

func (p *poller) Wait(events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, os.NewSyscallError("poll", unix.EINVAL)
	}
	var end time.Time
	if timeout > 0 {
		end = deadline(timeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.closed {
			return 0, ErrClosed
		}
		if p.dirty {
			p.rebuild()
		}
		ms := 0
		if timeout != 0 && !p.woken {
			ms = millis(end)
		}
		p.asleep = ms != 0
		p.mu.Unlock()
		ready, err := unix.Poll(p.set, ms)
		p.mu.Lock()
		p.asleep = false
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, os.NewSyscallError("poll", err)
		}
		if p.kicked {
			var buf [8]byte
			unix.Read(p.pipe[0], buf[:])
			p.kicked = false
		}
		n := 0
		if err == nil && ready > 0 {
			n = p.report(events)
		}
		switch {
		case n == 0 && p.woken && timeout != 0, n > 0 && ms != 0:
			// Also a Wake that came with the events: this Wait was blocked.
			p.woken = false
			return n, nil
		case n > 0 || timeout == 0 || over(end):
			return n, nil
		}
	}
}

// rebuild copies the registrations into the set. The caller holds mu.
func (p *poller) rebuild() {
	p.set = append(p.set[:0], unix.PollFd{Fd: int32(p.pipe[0]), Events: unix.POLLIN})
	clear(p.members)
	p.members = p.members[:0]
	p.start = 0
	for i, e := range p.entries {
		if e.watch == 0 {
			continue
		}
		if i < p.next {
			p.start++
		}
		var want int16
		if e.watch&Read != 0 {
			want |= unix.POLLIN | pollRDHUP
		}
		if e.watch&Write != 0 {
			want |= unix.POLLOUT
		}
		p.set = append(p.set, unix.PollFd{Fd: int32(e.fd), Events: want})
		p.members = append(p.members, e)
	}
	p.dirty = false
}

// report fills events from what the kernel said about the set, beginning
// behind the last one reported. The caller holds mu.
func (p *poller) report(events []Event) int {
	n, last := 0, 0
	for k := range p.members {
		if n == len(events) {
			break
		}
		i := (p.start + k) % len(p.members)
		e, got := p.members[i], p.set[i+1].Revents
		if got == 0 || e.index < 0 {
			continue // removed meanwhile; the number may have a new owner
		}
		ev := Event{Tag: e.tag}
		if got&(unix.POLLIN|pollRDHUP) != 0 {
			ev.Ready |= Read
		}
		if got&unix.POLLOUT != 0 {
			ev.Ready |= Write
		}
		ev.Ready &= e.watch // which Modify may have changed meanwhile
		if got&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0 {
			ev.Ready = Read | Write
		}
		ev.Hup = got&(unix.POLLHUP|pollRDHUP) != 0
		ev.Err = got&(unix.POLLERR|unix.POLLNVAL) != 0
		if ev.Ready&e.watch == 0 {
			continue
		}
		events[n] = ev
		n++
		p.next, last = e.index+1, i
		if e.trigger == Edge {
			e.watch &^= ev.Ready
			p.dirty = true
		}
		if got&unix.POLLNVAL != 0 {
			p.forget(e)
			p.dirty = true
		}
	}
	if n > 0 {
		p.start = last + 1
	}
	return n
}

func (e *entry) init(tag Tag, interest Mode, trigger Trigger) {
	e.tag, e.trigger = tag, trigger
	e.watch, e.allowed = interest, 0
	if trigger == Edge {
		e.watch, e.allowed = 0, interest
	}
}

func (p *poller) Wake() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.woken = true
	return p.kick()
}

func (p *poller) AddProcess(pid int, tag Tag) (Process, error) { return addProcess(p, p.add, pid, tag) }

func (p *poller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.byFD, p.entries, p.members = nil, nil, nil
	return os.NewSyscallError("close", errors.Join(unix.Close(p.pipe[0]), unix.Close(p.pipe[1])))
}
