package poll

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// opSys is what the system works on while it has an operation.
type opSys struct {
	ov     windows.Overlapped
	buf    windows.WSABuf
	flags  uint32
	moved  uint32 // by a send; AcceptEx and ConnectEx want to be given it
	name   string // of the call
	err    error  // of a call that failed at once
	socket windows.Handle
	room   []byte  // in which AcceptEx puts addresses
	one    [1]byte // what a receive into no buffer receives into

	request  *request // a send waits for room, and for the answer to this,
	helper   *helper  // which this has
	canceled bool     // Cancel was called
}

// The room that AcceptEx wants for each of two addresses, 16 bytes more than the largest.
const acceptRoom = (sockAddrRoom + 16 + 7) &^ 7

// errTooLarge is the result for a datagram that was cut off.
var errTooLarge = fmt.Errorf("%w: %w", ErrTruncated, windows.WSAEMSGSIZE)

// Stream reports whether fd is a socket for a stream of bytes; glued, that a receive which has not
// filled its buffer has taken all there was.
func Stream(fd int) (stream, glued bool, err error) {
	kind, err := socketType(windows.Handle(fd))
	if err != nil {
		return false, false, os.NewSyscallError("getsockopt", err)
	}
	return kind == windows.SOCK_STREAM, kind == windows.SOCK_STREAM, nil
}

// owners tells which of our ports a handle belongs to. The system only tells that it belongs to
// one. An entry outlives a handle that was closed by other means than CloseFD, which makes no
// difference unless its number comes back on a handle of somebody else's port.
var owners = struct {
	sync.Mutex
	of map[int]*iocp
	// open has all ports until they are closed: the system would write to the memory of those that
	// are forgotten.
	open map[*iocp]bool
}{of: make(map[int]*iocp), open: make(map[*iocp]bool)}

// own begins what disown ends.
func own(p *iocp) {
	owners.Lock()
	defer owners.Unlock()
	owners.open[p] = true
}

// disown forgets p and its handles.
func disown(p *iocp) {
	owners.Lock()
	defer owners.Unlock()
	delete(owners.open, p)
	maps.DeleteFunc(owners.of, func(_ int, q *iocp) bool { return q == p })
}

func (p *iocp) Operations() bool { return true }

func (p *iocp) Bind(fd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if fd < 0 {
		return os.NewSyscallError("CreateIoCompletionPort", syscall.EBADF)
	}
	owners.Lock()
	defer owners.Unlock()
	s := windows.Handle(fd)
	_, err := windows.CreateIoCompletionPort(s, p.port, keyOp, 0)
	switch {
	case err == nil:
		// What sends must not wait, and the system does not tell whether it would.
		if err := setNonblock(s); err != nil {
			return os.NewSyscallError("ioctlsocket", err)
		}
		owners.of[fd] = p
		var peer SockAddr
		unreachable(s, peer.name(procGetpeername, s) == nil)
		return nil
	case errors.Is(err, windows.ERROR_INVALID_PARAMETER) && owners.of[fd] == p:
		return nil
	case errors.Is(err, windows.ERROR_INVALID_PARAMETER):
		return fmt.Errorf("%w: %w", ErrBound, os.NewSyscallError("CreateIoCompletionPort", err))
	case errors.Is(err, windows.ERROR_INVALID_HANDLE):
		err = syscall.EBADF
	}
	return os.NewSyscallError("CreateIoCompletionPort", err)
}

// unreachable says whether s, if it is for datagrams, hears that something it sent was not
// delivered. The system reports that as an error of receiving, which on a socket with many peers is
// nobody's; elsewhere only connected sockets hear it. Wine cannot be told.
func unreachable(s windows.Handle, hears bool) {
	if kind, err := socketType(s); err != nil || kind != windows.SOCK_DGRAM {
		return
	}
	var on, n uint32
	if hears {
		on = 1
	}
	for _, code := range []uint32{windows.SIO_UDP_CONNRESET, windows.SIO_UDP_NETRESET} {
		_ = windows.WSAIoctl(s, code, (*byte)(unsafe.Pointer(&on)), uint32(unsafe.Sizeof(on)), nil, 0, &n, nil, 0)
	}
}

func (p *iocp) Submit(op *Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.ops[op.id()] != nil {
		return fmt.Errorf("poll: operation is submitted already: %w", syscall.EINVAL)
	}
	if !p.owns(op.FD) {
		return fmt.Errorf("poll: descriptor is not bound: %w", syscall.EINVAL)
	}
	return p.begin(op)
}

// id is how packets name op.
func (op *Op) id() uintptr { return uintptr(unsafe.Pointer(&op.sys.ov)) }

// begin starts op. The caller holds mu, as that of what follows.
func (p *iocp) begin(op *Op) error {
	op.N, op.Accepted, op.Err = 0, -1, nil
	op.sys = opSys{
		ov:   windows.Overlapped{Internal: uintptr(statusPending)},
		buf:  windows.WSABuf{Len: uint32(min(len(op.Buf), 1<<30)), Buf: unsafe.SliceData(op.Buf)},
		room: op.sys.room,
	}
	done, err := op.start()
	if op.sends() && err == wouldBlock {
		if err = p.awaitRoom(op); err == nil {
			p.ops[op.id()] = op
			return nil
		}
	}
	if err == nil && !done || errors.Is(err, windows.ERROR_IO_PENDING) {
		p.ops[op.id()] = op
		return nil
	}
	if op.sys.name == "" {
		return err
	}
	// A call that fails at once leaves no packet, so this one is ours. Should there be two, the
	// second finds nothing, or the next operation in the same place with its status pending.
	op.sys.ov.Internal, op.sys.err = 0, err
	p.ops[op.id()] = op
	if err := post(p.port, keyOp, op.id()); err != nil {
		delete(p.ops, op.id())
		op.discard()
		return os.NewSyscallError("PostQueuedCompletionStatus", err)
	}
	return nil
}

// done makes ev of an operation that a packet is about, and reports false if it has not come to its end.
func (p *iocp) done(op *Op, ev *Event) bool {
	if !op.sys.finish(op) {
		if op.sys.canceled {
			if told, _ := op.cancel(); !told {
				windows.SleepEx(1, false)
				_ = p.cancelLater(op)
			}
		}
		return false
	}
	delete(p.ops, op.id())
	if op.Kind == OpAccept && gone(op.Err) {
		err := context.Canceled
		if !op.sys.canceled {
			err = p.begin(op)
		}
		if err == nil {
			return false
		}
		op.Err = err
	}
	*ev = Event{Op: op}
	return true
}

// gone reports whether err of an accept belongs to a connection that has ended before it was
// accepted: the next one may be good. Wine says that there is no connection, Windows says so of no
// listener.
func gone(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED) ||
		errors.Is(err, windows.ERROR_NETNAME_DELETED) || errors.Is(err, windows.WSAENOTCONN)
}

func (p *iocp) owns(fd int) bool {
	owners.Lock()
	defer owners.Unlock()
	return owners.of[fd] == p
}

// start makes the call. Its packet follows if err is nil or ERROR_IO_PENDING, unless it is
// done already.
func (op *Op) start() (done bool, err error) {
	s, sys := windows.Handle(op.FD), &op.sys
	switch op.Kind {
	case OpRecv, OpRecvFrom:
		if len(op.Buf) == 0 {
			if !op.Messages {
				sys.name = "WSARecv"
				return true, nil // the system would wait for the first byte
			}
			// A system that has nowhere to put something does not always tell that there was something.
			sys.buf = windows.WSABuf{Len: 1, Buf: &sys.one[0]}
		}
		op.Addr.n = 0
		if op.Kind == OpRecv || !op.Messages {
			sys.name = "WSARecv"
			return false, windows.WSARecv(s, &sys.buf, 1, nil, &sys.flags, &sys.ov, nil)
		}
		sys.name = "WSARecvFrom"
		op.Addr = SockAddr{n: sockAddrRoom}
		return false, winsock(syscall.SyscallN(procWSARecvFrom.Addr(), uintptr(s), uintptr(unsafe.Pointer(&sys.buf)), 1, 0,
			uintptr(unsafe.Pointer(&sys.flags)), uintptr(unsafe.Pointer(&op.Addr.raw)), uintptr(unsafe.Pointer(&op.Addr.n)),
			uintptr(unsafe.Pointer(&sys.ov)), 0))
	case OpReadable:
		// A receive of nothing ends when there is something. On a stream it takes nothing; that a
		// message stays where it is has to be asked for. The manual of WSARecv has MSG_PEEK for calls that are
		// not overlapped alone; libuv waits for messages by one that is, too (src/win/udp.c).
		sys.name, sys.buf = "WSARecv", windows.WSABuf{Buf: &sys.one[0]}
		if op.Messages {
			sys.flags = windows.MSG_PEEK
		}
		return false, windows.WSARecv(s, &sys.buf, 1, nil, &sys.flags, &sys.ov, nil)
	case OpSend, OpSendTo, OpWritable:
		return true, op.send()
	case OpAccept:
		sys.name = "AcceptEx"
		return false, op.accept(s)
	case OpConnect:
		return op.connect(s)
	}
	return false, fmt.Errorf("poll: operation of unknown kind %d: %w", op.Kind, syscall.EINVAL)
}

func (op *Op) accept(listener windows.Handle) error {
	sys := &op.sys
	if err := op.Addr.name(procGetsockname, listener); err != nil {
		return err
	}
	s, err := newSocket(op.Addr.family(), windows.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	sys.socket = s
	if sys.room == nil {
		sys.room = make([]byte, 2*acceptRoom)
	}
	return windows.AcceptEx(listener, s, &sys.room[0], 0, acceptRoom, acceptRoom, &sys.moved, &sys.ov)
}

// connectEx is the address of the function, which is the same for all stream sockets.
var connectEx = sync.OnceValues(func() (uintptr, error) {
	s, err := newSocket(windows.AF_INET, windows.SOCK_STREAM, 0)
	if err != nil {
		s, err = newSocket(windows.AF_INET6, windows.SOCK_STREAM, 0)
	}
	if err != nil {
		return 0, err
	}
	defer windows.Closesocket(s)
	return extension(s, windows.WSAID_CONNECTEX)
})

func (op *Op) connect(s windows.Handle) (done bool, err error) {
	sys := &op.sys
	if kind, err := socketType(s); err == nil && kind != windows.SOCK_STREAM {
		sys.name = "connect" // which waits for nobody
		err := op.Addr.give(procConnect, s)
		if err == nil {
			unreachable(s, true)
		}
		return true, err
	}
	sys.name = "ConnectEx"
	f, err := connectEx()
	if err != nil {
		return false, err
	}
	// ConnectEx wants a socket that is bound: all zeros but the family is any address. EINVAL says
	// that it is bound.
	any := SockAddr{n: op.Addr.n}
	if op.Addr.n >= portAt {
		any.setFamily(op.Addr.family(), int(op.Addr.n))
	}
	if err := any.give(procBind, s); err != nil && !errors.Is(err, windows.WSAEINVAL) {
		return false, err
	}
	r, _, errno := syscall.SyscallN(f, uintptr(s), uintptr(unsafe.Pointer(&op.Addr.raw)), uintptr(op.Addr.n), 0, 0,
		uintptr(unsafe.Pointer(&sys.moved)), uintptr(unsafe.Pointer(&sys.ov)))
	if r == 0 {
		return false, failure(errno)
	}
	return false, nil
}

// finish fills the result in. It reports false if the system still has the operation.
func (sys *opSys) finish(op *Op) bool {
	status := windows.NTStatus(sys.ov.Internal)
	if status == statusPending {
		return false
	}
	err := sys.err
	if err == nil && unusual(status) && status != statusCancelled && status != statusBufferOverflow {
		err = sys.result(op)
	}
	n := int(sys.ov.InternalHigh)
	tooLarge := status == statusBufferOverflow || errors.Is(err, windows.WSAEMSGSIZE) || err == nil && n > len(op.Buf)
	switch {
	case tooLarge && op.Kind == OpReadable:
		op.N, op.Err = 0, nil // there is a message
		return true
	case tooLarge && op.receives():
		op.N, op.Err = min(int(sys.buf.Len), len(op.Buf)), errTooLarge
		return true
	case err == nil && status == statusCancelled, errors.Is(err, windows.ERROR_OPERATION_ABORTED):
		op.Err = context.Canceled
	case err != nil:
		op.Err = os.NewSyscallError(sys.name, err)
	default:
		op.N = n
		op.Err = op.settle()
	}
	if op.Err != nil {
		op.discard()
	}
	return true
}

// receives reports whether op receives data.
func (op *Op) receives() bool { return op.Kind == OpRecv || op.Kind == OpRecvFrom }

// result translates the status of an operation that did not succeed.
func (sys *opSys) result(op *Op) error {
	var n, flags uint32
	err := windows.WSAGetOverlappedResult(windows.Handle(op.FD), &sys.ov, &n, false, &flags)
	if errors.Is(err, windows.WSAENOTSOCK) {
		return windows.NTStatus(sys.ov.Internal).Errno() // the socket was closed meanwhile
	}
	return err
}

// settle makes a normal socket of one that was accepted or connected.
func (op *Op) settle() error {
	s := windows.Handle(op.FD)
	switch op.Kind {
	case OpConnect:
		op.N = 0
		if op.sys.name == "ConnectEx" {
			return os.NewSyscallError("setsockopt", windows.Setsockopt(s, windows.SOL_SOCKET, windows.SO_UPDATE_CONNECT_CONTEXT, nil, 0))
		}
	case OpAccept:
		op.N = 0
		a := op.sys.socket
		err := windows.Setsockopt(a, windows.SOL_SOCKET, windows.SO_UPDATE_ACCEPT_CONTEXT, (*byte)(unsafe.Pointer(&s)), int32(unsafe.Sizeof(s)))
		if err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		if err := setNonblock(a); err != nil {
			return os.NewSyscallError("ioctlsocket", err)
		}
		_ = op.Addr.name(procGetpeername, a) // it fails if the peer has gone already, and leaves no address
		op.Accepted = int(a)
		op.sys.socket = 0
	}
	return nil
}

// discard closes the socket that an accept had ready.
func (op *Op) discard() {
	if op.sys.socket != 0 {
		windows.Closesocket(op.sys.socket)
		op.sys.socket = 0
	}
}

func (p *iocp) Cancel(op *Op) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	if p.ops[op.id()] != op {
		return nil
	}
	op.sys.canceled = true
	for range maxTries {
		if told, err := op.cancel(); told || err != nil {
			return err
		}
		windows.SleepEx(1, false)
	}
	return p.cancelLater(op)
}

// maxTries bounds how many milliseconds Cancel waits.
const maxTries = 100

// cancel tells the system that op shall end. It reports false if the system is just about to finish
// it. On Windows that is a moment. Under Wine it lasts until the thread that began op has been
// interrupted, which may then find nothing to do and leave op where it was; and it looks the socket up
// by number for that, so the socket had better not be closed before.
func (op *Op) cancel() (told bool, err error) {
	s, ov := windows.Handle(op.FD), &op.sys.ov
	if r := op.sys.request; r != nil {
		s, ov = r.helper.s, &r.status
	}
	err = windows.CancelIoEx(s, ov)
	if errors.Is(err, windows.ERROR_NOT_FOUND) {
		// Otherwise it is done, and its packet in the port.
		return windows.NTStatus(atomic.LoadUintptr(&ov.Internal)) != statusPending, nil
	}
	return true, os.NewSyscallError("CancelIoEx", err)
}

// cancelLater makes the next Wait cancel op.
func (p *iocp) cancelLater(op *Op) error {
	return os.NewSyscallError("PostQueuedCompletionStatus", post(p.port, keyOp, op.id()))
}
