//go:build linux

package poll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The states of an epoller, seen from Wake.
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

// epoller is the backend epoll(7).
//
// System calls that cannot block go through RawSyscall: a Syscall would let
// the runtime's monitor take the P from a loop that is seen in one again and
// again.
//
// Wake kicks only a Wait in state asleep. With Block a kick is a write to an
// edge-triggered eventfd, which is never read: each write is a new edge. With
// Park it is a read deadline in the past, which readies the goroutine without
// any system call: more than twice as fast as an eventfd there (the rejected
// alternative). Either kick may come late and hit a Wait that does not
// concern it, so Wait believes only the state and otherwise goes on.
type epoller struct {
	noOperations

	fd    int
	state atomic.Uint32
	raw   []unix.EpollEvent // used by Wait only

	// mu keeps Close from freeing the descriptor numbers while another
	// goroutine uses them; those hold it shared.
	mu     sync.RWMutex
	closed atomic.Bool // written under mu

	eventfd int // Block only, else -1

	file    *os.File // Park only, as all that follows, and used by Wait only
	conn    syscall.RawConn
	timed   bool // file may have a deadline
	dst     []Event
	n       int
	err     error
	collect func(fd uintptr) bool // p.ready, bound once
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// noPwait2 is set when the system turns out to have no epoll_pwait2.
var noPwait2 atomic.Bool

func openEpoll(style WaitStyle) (Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	p := &epoller{fd: fd, eventfd: -1}
	if style == Block {
		err = p.initBlock()
	} else {
		err = p.initPark()
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *epoller) initBlock() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return os.NewSyscallError("eventfd2", err)
	}
	p.eventfd = fd
	return p.ctl(unix.EPOLL_CTL_ADD, fd, reservedTag, unix.EPOLLIN|unix.EPOLLET)
}

func (p *epoller) initPark() error {
	// Without O_NONBLOCK os.NewFile would not register with Go's poller.
	if err := unix.SetNonblock(p.fd, true); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	p.file = os.NewFile(uintptr(p.fd), "epoll")
	if err := p.file.SetReadDeadline(time.Time{}); err != nil {
		return fmt.Errorf("poll: epoll descriptor does not park (%w): %w", err, errors.ErrUnsupported)
	}
	conn, err := p.file.SyscallConn()
	if err != nil {
		return err
	}
	p.conn = conn
	p.collect = p.ready
	return nil
}

func (p *epoller) Name() string { return "epoll" }

func (p *epoller) FD() uintptr { return uintptr(p.fd) }

func (p *epoller) Add(fd int, tag Tag, interest Mode, trigger Trigger) error {
	return p.register(unix.EPOLL_CTL_ADD, fd, tag, interest, trigger)
}

func (p *epoller) Modify(fd int, tag Tag, interest Mode, trigger Trigger) error {
	return p.register(unix.EPOLL_CTL_MOD, fd, tag, interest, trigger)
}

func (p *epoller) Remove(fd int) error {
	return p.ctl(unix.EPOLL_CTL_DEL, fd, 0, 0)
}

// Arm has nothing to do: with EPOLLET each transition to ready is reported,
// and EAGAIN proved that the next one is still to come or not yet reported.
func (p *epoller) Arm(int, Mode) error { return nil }

// Edges tells that Arm does nothing.
func (p *epoller) Edges() bool { return true }

func (p *epoller) register(op, fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	var events uint32
	if interest&Read != 0 {
		events |= unix.EPOLLIN | unix.EPOLLRDHUP
	}
	if interest&Write != 0 {
		events |= unix.EPOLLOUT
	}
	if trigger == Edge {
		events |= unix.EPOLLET
		if interest&Read != 0 {
			events |= unix.EPOLLPRI
		}
	}
	err := p.ctl(op, fd, tag, events)
	if op == unix.EPOLL_CTL_ADD && errors.Is(err, unix.EPERM) {
		return ErrAlwaysReady
	}
	return err
}

func (p *epoller) ctl(op, fd int, tag Tag, events uint32) error {
	ev := unix.EpollEvent{Events: events, Fd: int32(tag), Pad: int32(tag >> 32)}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed.Load() {
		return ErrClosed
	}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

func (p *epoller) Wait(events []Event, timeout time.Duration) (int, error) {
	if p.closed.Load() {
		return 0, ErrClosed
	}
	if len(events) == 0 {
		return 0, os.NewSyscallError("epoll_wait", unix.EINVAL)
	}
	if n, err := p.ask(events); n != 0 || err != nil || timeout == 0 {
		return n, err
	}
	if !p.state.CompareAndSwap(awake, asleep) {
		p.state.Swap(awake)
		return 0, nil
	}
	wait := p.block
	if p.file != nil {
		wait = p.park
	}
	n, err := wait(events, deadline(timeout))
	// Consumes also a Wake that came after the events: this Wait was blocked
	// and returns. Its kick, if still to come, finds nobody it concerns. Swap,
	// because a Store would not order what the Wake published before it.
	p.state.Swap(awake)
	return n, err
}

// ask collects what is ready now.
func (p *epoller) ask(events []Event) (int, error) {
	for {
		buf := p.buffer(len(events))
		r, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0, 0, 0)
		n, err := p.convert(events, r, errno)
		// The eventfd alone may have filled a small buffer.
		if n != 0 || err != nil || errno == 0 && r == 0 {
			return n, err
		}
	}
}

// block is Wait in state asleep, in the style Block.
func (p *epoller) block(events []Event, end time.Time) (int, error) {
	for {
		r, errno := p.enter(p.buffer(len(events)), end)
		n, err := p.convert(events, r, errno)
		if n != 0 || err != nil || p.state.Load() == woken || over(end) {
			return n, err
		}
	}
}

// enter is epoll_wait, with the precision of nanoseconds where there is
// epoll_pwait2 (Linux 5.11).
func (p *epoller) enter(buf []unix.EpollEvent, end time.Time) (uintptr, syscall.Errno) {
	if !end.IsZero() && !noPwait2.Load() {
		d := max(time.Until(end), 0)
		// The kernel wants 64-bit fields here on every architecture.
		ts := struct{ sec, nsec int64 }{int64(d / time.Second), int64(d % time.Second)}
		r, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), uintptr(unsafe.Pointer(&ts)), 0, 0)
		// Some seccomp filters say EPERM of calls they do not know.
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return r, errno
		}
		noPwait2.Store(true)
	}
	r, _, errno := syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), uintptr(millis(end)), 0, 0)
	return r, errno
}

// park is Wait in state asleep, in the style Park.
func (p *epoller) park(events []Event, end time.Time) (int, error) {
	p.dst, p.n, p.err = events, 0, nil
	defer func() { p.dst = nil }()
	for {
		if p.timed || !end.IsZero() {
			if err := p.file.SetReadDeadline(end); err != nil {
				return 0, err
			}
			p.timed = !end.IsZero()
		}
		// Only now: the line above may have overwritten a kick, but the state
		// was set before the kick.
		if p.state.Load() == woken {
			return 0, nil
		}
		err := p.conn.Read(p.collect)
		if p.n != 0 || p.err != nil {
			return p.n, p.err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if over(end) {
			return 0, nil
		}
		p.timed = true // by a kick; the state tells whether it was for this Wait
	}
}

// ready asks for park and reports whether it is worth returning. It is called
// anew after Go's poller was prepared, so what came since Wait asked is seen.
func (p *epoller) ready(uintptr) bool {
	p.n, p.err = p.ask(p.dst)
	return p.n != 0 || p.err != nil
}

func (p *epoller) buffer(n int) []unix.EpollEvent {
	if n > cap(p.raw) {
		p.raw = make([]unix.EpollEvent, n)
	}
	return p.raw[:n]
}

// convert makes events of the first r in p.raw, leaving out the eventfd.
func (p *epoller) convert(events []Event, r uintptr, errno syscall.Errno) (int, error) {
	if errno == unix.EINTR {
		return 0, nil
	}
	if errno != 0 {
		return 0, os.NewSyscallError("epoll_wait", errno)
	}
	n := 0
	for i := range p.raw[:r] {
		raw := &p.raw[i]
		tag := Tag(uint32(raw.Pad))<<32 | Tag(uint32(raw.Fd))
		if tag == reservedTag {
			continue
		}
		ev := Event{Tag: tag}
		if raw.Events&(unix.EPOLLIN|unix.EPOLLRDHUP) != 0 {
			ev.Ready |= Read
		}
		if raw.Events&unix.EPOLLOUT != 0 {
			ev.Ready |= Write
		}
		if raw.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0 {
			ev.Ready = Read | Write
		}
		ev.Hup = raw.Events&(unix.EPOLLHUP|unix.EPOLLRDHUP) != 0
		ev.Err = raw.Events&unix.EPOLLERR != 0
		ev.Urgent = raw.Events&unix.EPOLLPRI != 0
		events[n] = ev
		n++
	}
	return n, nil
}

func (p *epoller) Wake() error {
	if p.closed.Load() {
		return ErrClosed
	}
	if p.state.Swap(woken) != asleep {
		return nil
	}
	return p.kick()
}

// kick makes a blocked Wait look at the state.
func (p *epoller) kick() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.closed.Load() {
		return ErrClosed
	}
	if p.file != nil {
		return p.file.SetReadDeadline(past)
	}
	one := uint64(1)
	_, _, errno := syscall.RawSyscall(unix.SYS_WRITE, uintptr(p.eventfd), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
	if errno != 0 {
		return os.NewSyscallError("write", errno)
	}
	return nil
}

func (p *epoller) AddProcess(pid int, tag Tag) (Process, error) {
	return addProcess(p, p.Add, pid, tag)
}

func (p *epoller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Swap(true) {
		return nil
	}
	if p.eventfd >= 0 {
		unix.Close(p.eventfd)
	}
	if p.file != nil {
		return p.file.Close()
	}
	return os.NewSyscallError("close", unix.Close(p.fd))
}
