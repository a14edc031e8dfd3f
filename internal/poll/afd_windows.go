package poll

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Readiness of sockets, which Windows has no public asynchronous call for. Underneath
// select is a request of the driver behind all sockets, IOCTL_AFD_POLL, which is a normal
// overlapped one: it completes with the first of the events that were asked for. wepoll, libuv
// and mio are built on it too.
//
// A request is made with a helper, a socket of our own that belongs to the port, so that
// the sockets that are watched need not: they may belong to whatever port they like. It is never
// changed while the system has it, but given up, and replaced by another one. When a watch
// has been reported, the next Wait makes its next request, which completes at once
// if the condition still holds: that is how Level comes about.
//
// A condition may have ended when its packet is taken, so unless the request was made by this
// very Wait, the driver is asked again without waiting.

// What a request may ask for and be answered with (AFD_POLL_…).
const (
	afdReceive     = 0x1
	afdSend        = 0x4
	afdDisconnect  = 0x8 // the peer has closed its writing half
	afdAbort       = 0x10
	afdLocalClose  = 0x20
	afdAccept      = 0x80
	afdConnectFail = 0x100

	afdUnasked = afdAbort | afdLocalClose | afdConnectFail
)

const (
	ioctlAfdPoll = 0x12024
	never        = 1<<63 - 1 // as a timeout of pollInfo
	pollInfoSize = 32        // of AFD_POLL_INFO with one socket, which is padded so on 386
	perHelper    = 32        // users: cancelling searches all requests of the helper
)

// watch is one registration. All fields are guarded by iocp.mu.
type watch struct {
	fd       int
	base     windows.Handle // the driver's socket, below what may have been put on top of it
	helper   *helper
	tag      Tag
	interest Mode
	armed    Mode // Level: the interest; Edge: the armed directions
	trigger  Trigger
	request  *request // with the system, or nil
	due      bool     // is in iocp.due
}

// helper is a socket of ours by which requests are made.
type helper struct {
	s     windows.Handle
	users int // watches, and operations that wait for room
}

// pollInfo is AFD_POLL_INFO with one socket, question and answer.
type pollInfo struct {
	timeout   int64 // in units of 100 ns
	count     uint32
	exclusive uint32
	handle    windows.Handle
	events    uint32
	status    windows.NTStatus
	_         uint32
}

// request is one asynchronous poll. While the system has it, it must stay where it is.
type request struct {
	status windows.Overlapped // its beginning is the IO_STATUS_BLOCK
	info   pollInfo
	asked  uint32
	turn   uint64
	helper *helper
	watch  *watch   // nil when given up, or
	op     *Op      // the operation that it is for
	next   *request // in iocp.free
}

func (p *iocp) Add(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if err := checkSocket(fd); err != nil {
		return err
	}
	if p.watches[fd] != nil {
		return os.NewSyscallError("register", syscall.EEXIST)
	}
	h, err := p.helperWithRoom()
	if err != nil {
		return err
	}
	h.users++
	w := &watch{fd: fd, base: base(windows.Handle(fd)), helper: h}
	w.init(tag, interest, trigger)
	p.watches[fd] = w
	p.changed(w)
	return nil
}

// checkSocket refuses what cannot be watched, with the errors of Add.
func checkSocket(fd int) error {
	h := windows.Handle(fd)
	if fd < 0 {
		return os.NewSyscallError("register", syscall.EBADF)
	}
	if _, err := socketType(h); !errors.Is(err, windows.WSAENOTSOCK) {
		return os.NewSyscallError("getsockopt", err)
	}
	switch kind, err := windows.GetFileType(h); {
	case kind == windows.FILE_TYPE_DISK:
		return ErrAlwaysReady
	case errors.Is(err, windows.ERROR_INVALID_HANDLE):
		return os.NewSyscallError("register", syscall.EBADF)
	}
	return fmt.Errorf("poll: handle %#x is neither a socket nor a file: %w", fd, errors.ErrUnsupported)
}

// base returns the socket that the driver knows. A program on top of it, a layered
// service provider, may keep it secret; then s is as good as any.
func base(s windows.Handle) windows.Handle {
	const sioBaseHandle, sioBSPHandlePoll = 0x48000022, 0x4800001d
	for _, code := range []uint32{sioBaseHandle, sioBSPHandlePoll} {
		var b windows.Handle
		var n uint32
		err := windows.WSAIoctl(s, code, nil, 0, (*byte)(unsafe.Pointer(&b)), uint32(unsafe.Sizeof(b)), &n, nil, 0)
		if err == nil && b != 0 && b != windows.InvalidHandle {
			return b
		}
	}
	return s
}

func (w *watch) init(tag Tag, interest Mode, trigger Trigger) {
	w.tag, w.interest, w.trigger = tag, interest, trigger
	w.armed = interest
	if trigger == Edge {
		w.armed = 0
	}
}

func (p *iocp) Modify(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	return p.update(fd, func(w *watch) {
		p.giveUp(w)
		w.init(tag, interest, trigger)
		p.changed(w)
	})
}

func (p *iocp) Remove(fd int) error {
	return p.update(fd, p.forget)
}

func (p *iocp) Arm(fd int, mode Mode) error {
	return p.update(fd, func(w *watch) {
		if mode &= w.interest; w.armed|mode != w.armed {
			w.armed |= mode
			p.changed(w)
		}
	})
}

// update calls f under the lock with the registration of fd.
func (p *iocp) update(fd int, f func(*watch)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	w := p.watches[fd]
	if w == nil {
		return os.NewSyscallError("register", syscall.ENOENT)
	}
	f(w)
	return nil
}

// forget drops w. The caller holds mu, as that of all that follow.
func (p *iocp) forget(w *watch) {
	p.giveUp(w)
	delete(p.watches, w.fd)
	w.helper.users--
}

// changed sees to it that w has the right request in every Wait, also one that blocks now.
func (p *iocp) changed(w *watch) {
	if p.blocked {
		p.submit(w)
	} else if !w.due {
		w.due = true
		p.due = append(p.due, w)
	}
}

// submit gives w the request that it should have.
func (p *iocp) submit(w *watch) {
	if p.watches[w.fd] != w {
		return
	}
	ask := w.ask()
	if w.request != nil && w.request.asked == ask {
		return
	}
	p.giveUp(w)
	if w.armed == 0 {
		return
	}
	r, err := p.request(w.helper, w.base, ask)
	if err != nil {
		p.forget(w)
		return
	}
	r.watch, w.request = w, r
}

// request asks the driver by h to tell of events of the socket base. What the answer is for
// is set by the caller.
func (p *iocp) request(h *helper, base windows.Handle, events uint32) (*request, error) {
	r := p.newRequest()
	*r = request{asked: events, turn: p.turn, helper: h}
	r.info = pollInfo{timeout: never, count: 1, handle: base, events: events}
	r.status.Internal = uintptr(statusPending)
	id := uintptr(unsafe.Pointer(&r.status))
	p.requests[id] = r
	if s := pollSockets(h.s, 0, r, id); failed(s) {
		// Most likely the socket was closed without a Remove.
		r.info.events, r.status.Internal = afdLocalClose, 0
		if err := post(p.port, keyPoll, id); err != nil {
			delete(p.requests, id)
			return nil, os.NewSyscallError("PostQueuedCompletionStatus", err)
		}
	}
	return r, nil
}

// ask is what the driver is to tell of.
func (w *watch) ask() uint32 {
	events := uint32(afdUnasked)
	if w.armed&Read != 0 {
		events |= afdReceive | afdAccept | afdDisconnect
	}
	if w.armed&Write != 0 {
		events |= afdSend
	}
	return events
}

// giveUp leaves the request of w, if there is one, to the system: its packet will mean
// nothing.
func (p *iocp) giveUp(w *watch) {
	r := w.request
	if r == nil {
		return
	}
	r.watch, w.request = nil, nil
	_ = windows.CancelIoEx(r.helper.s, &r.status) // it fails if the packet is in the port already
}

// newRequest returns room for a request; Go does not move it.
func (p *iocp) newRequest() *request {
	r := p.free
	if r == nil {
		return new(request)
	}
	p.free = r.next
	return r
}

// pollSockets is the call of the driver. With an id, a packet with it follows, unless it failed.
func pollSockets(by, event windows.Handle, r *request, id uintptr) windows.NTStatus {
	info := uintptr(unsafe.Pointer(&r.info))
	s, _, _ := syscall.SyscallN(procNtDeviceIoControlFile.Addr(), uintptr(by), uintptr(event), 0, id,
		uintptr(unsafe.Pointer(&r.status)), ioctlAfdPoll, info, pollInfoSize, info, pollInfoSize)
	return windows.NTStatus(s)
}

// polled makes ev of the packet of a request, and reports false if it means nothing.
func (p *iocp) polled(id uintptr, ev *Event) bool {
	r := p.requests[id]
	if r == nil || windows.NTStatus(r.status.Internal) == statusPending {
		return false
	}
	delete(p.requests, id)
	w, op, events, fresh := r.watch, r.op, r.answer(), r.turn == p.turn
	*r = request{next: p.free}
	p.free = r
	if op != nil {
		return p.sendAgain(op, events, ev)
	}
	if w == nil {
		return false
	}
	w.request = nil
	if !fresh {
		events = p.look(w)
	}
	*ev = Event{Tag: w.tag}
	if events&afdLocalClose != 0 {
		// There is nothing left to watch.
		p.forget(w)
		ev.Ready, ev.Err = Read|Write, true
		return true
	}
	if events&(afdReceive|afdAccept|afdDisconnect) != 0 {
		ev.Ready |= Read
	}
	if events&afdSend != 0 {
		ev.Ready |= Write
	}
	ev.Ready &= w.armed
	ev.Hup = events&afdDisconnect != 0
	if events&(afdAbort|afdConnectFail) != 0 {
		ev.Ready, ev.Hup, ev.Err = Read|Write, true, true
	}
	if w.trigger == Edge {
		w.armed &^= ev.Ready
	}
	p.changed(w)
	return ev.Ready != 0
}

// answer is what the driver told.
func (r *request) answer() uint32 {
	if failed(windows.NTStatus(r.status.Internal)) || r.info.count == 0 {
		return 0
	}
	return r.info.events
}

// probe is what asks the driver without waiting.
type probe struct {
	s, event windows.Handle
	request  request
}

// look tells what holds for w now.
func (p *iocp) look(w *watch) uint32 {
	r := &p.probe.request
	r.info = pollInfo{count: 1, handle: w.base, events: w.ask()}
	r.status.Internal = uintptr(statusPending)
	s := pollSockets(p.probe.s, p.probe.event, r, 0)
	if s == statusPending {
		// Only for as long as the driver needs to come to it.
		_, _ = windows.WaitForSingleObject(p.probe.event, windows.INFINITE)
	}
	if failed(s) {
		return afdLocalClose
	}
	return r.answer()
}

// helperWithRoom returns a helper for one more watch.
func (p *iocp) helperWithRoom() (*helper, error) {
	if err := p.openProbe(); err != nil {
		return nil, err
	}
	for i := len(p.helpers) - 1; i >= 0; i-- {
		if h := p.helpers[i]; h.users < perHelper {
			return h, nil
		}
	}
	s, err := anySocket()
	if err != nil {
		return nil, err
	}
	if _, err := windows.CreateIoCompletionPort(s, p.port, keyPoll, 0); err != nil {
		windows.Closesocket(s)
		return nil, os.NewSyscallError("CreateIoCompletionPort", err)
	}
	h := &helper{s: s}
	p.helpers = append(p.helpers, h)
	return h, nil
}

func (p *iocp) openProbe() error {
	if p.probe != nil {
		return nil
	}
	s, err := anySocket()
	if err != nil {
		return err
	}
	event, err := windows.CreateEvent(nil, 0, 0, nil)
	if err != nil {
		windows.Closesocket(s)
		return os.NewSyscallError("CreateEvent", err)
	}
	p.probe = &probe{s: s, event: event}
	return nil
}

// anySocket makes a socket to ask the driver with. Its kind makes no difference.
func anySocket() (windows.Handle, error) {
	s, err := newSocket(windows.AF_INET, windows.SOCK_DGRAM, 0)
	if err != nil {
		s, err = newSocket(windows.AF_INET6, windows.SOCK_DGRAM, 0)
	}
	return s, os.NewSyscallError("WSASocket", err)
}

// abandoned keeps requests that the system may still write to, whose port was closed.
var abandoned struct {
	sync.Mutex
	requests []*request
}

// closeWatches ends all requests and waits until the system has let go of them, which it does
// at once.
func (p *iocp) closeWatches() error {
	for _, w := range p.watches {
		p.giveUp(w)
	}
	clear(p.watches)
	p.due = nil
	raw := make([]packet, 64)
	for tries := 0; len(p.requests) > 0 && tries < 100; tries++ {
		n, err := dequeue(p.port, raw, 100)
		if err != nil {
			break
		}
		for i := range raw[:n] {
			if raw[i].key == keyPoll {
				delete(p.requests, raw[i].ov)
			}
		}
	}
	if len(p.requests) > 0 {
		abandoned.Lock()
		abandoned.requests = slices.AppendSeq(abandoned.requests, maps.Values(p.requests))
		abandoned.Unlock()
	}
	var err error
	for _, h := range p.helpers {
		err = errors.Join(err, os.NewSyscallError("closesocket", windows.Closesocket(h.s)))
	}
	if p.probe != nil {
		err = errors.Join(err, os.NewSyscallError("closesocket", windows.Closesocket(p.probe.s)),
			os.NewSyscallError("CloseHandle", windows.CloseHandle(p.probe.event)))
	}
	return err
}
