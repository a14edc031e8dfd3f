package poll

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Try makes the system call of o, which must not be with a poller. It reports false if that
// would wait, or has to be left to the poller, as an accept and the connect of a stream have: nothing
// has happened then. The descriptor has to be non-blocking.
func (o *Op) Try() bool {
	name, err := o.try()
	switch {
	case err == wouldBlock:
		return false
	case err == nil || errors.Is(err, ErrTruncated):
		o.Err = err
	default:
		o.Err = os.NewSyscallError(name, err)
	}
	return true
}

func (o *Op) try() (call string, err error) {
	switch o.Kind {
	case OpRecv, OpRecvFrom:
		return "recv", o.tryRecv()
	case OpSend, OpSendTo:
		return "send", o.trySend()
	case OpAccept:
		return "accept", wouldBlock
	case OpConnect:
		s := windows.Handle(o.FD)
		if kind, err := socketType(s); err != nil || kind == windows.SOCK_STREAM {
			return "connect", wouldBlock
		}
		err := o.Addr.give(procConnect, s)
		if err == nil {
			unreachable(s, true)
		}
		return "connect", err
	}
	return "operation", windows.WSAEINVAL
}

func (o *Op) tryRecv() error {
	p := o.Buf
	if len(p) == 0 {
		if !o.Messages {
			return nil // the system would wait for the first byte
		}
		p = make([]byte, 1) // it does not tell of a message that it has nowhere to put
	}
	o.Addr.n = 0
	var n int
	var err error
	if o.Kind == OpRecvFrom && o.Messages {
		o.Addr = SockAddr{n: sockAddrRoom}
		n, err = moved(syscall.SyscallN(procRecvfrom.Addr(), uintptr(o.FD),
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), 1<<30)), 0,
			uintptr(unsafe.Pointer(&o.Addr.raw)), uintptr(unsafe.Pointer(&o.Addr.n))))
	} else {
		n, err = Recv(o.FD, p)
	}
	switch {
	case err == nil && n <= len(o.Buf):
		o.N = n
	case err == nil, errors.Is(err, windows.WSAEMSGSIZE):
		o.N = len(o.Buf)
		return errTooLarge
	}
	return err
}

func (o *Op) trySend() (err error) {
	p := o.Buf
	if !o.Messages {
		p = p[:min(len(p), maxSend)]
	}
	if o.Kind == OpSend {
		o.N, err = Send(o.FD, p)
		return err
	}
	o.N, err = moved(syscall.SyscallN(procSendto.Addr(), uintptr(o.FD),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0,
		uintptr(unsafe.Pointer(&o.Addr.raw)), uintptr(o.Addr.n)))
	return err
}

// moved is the result of a call that returns a number of bytes.
func moved(r, _ uintptr, errno syscall.Errno) (int, error) {
	if int32(r) < 0 {
		return 0, failure(errno)
	}
	return int(int32(r)), nil
}

// Recv receives from a socket that is connected. The error is nil, that of a call that would wait, for
// which [Waits] is true, or another Errno of the system.
func Recv(fd int, p []byte) (int, error) {
	return moved(syscall.SyscallN(procRecv.Addr(), uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), 1<<30)), 0))
}

// RecvFrom receives from any socket, and tells from whom a message is. With peek it leaves there what
// it receives. The error may also be ErrTruncated.
func RecvFrom(fd int, p []byte, peek bool, from *SockAddr) (int, error) {
	flags := 0
	if peek {
		flags = windows.MSG_PEEK
	}
	*from = SockAddr{n: sockAddrRoom}
	n, err := moved(syscall.SyscallN(procRecvfrom.Addr(), uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), 1<<30)), uintptr(flags),
		uintptr(unsafe.Pointer(&from.raw)), uintptr(unsafe.Pointer(&from.n))))
	if from.family() == 0 {
		from.n = 0 // that of a stream
	}
	if errors.Is(err, windows.WSAEMSGSIZE) {
		return len(p), errTooLarge
	}
	return n, err
}

// Send sends to the peer of a socket; its results are those of Recv.
func Send(fd int, p []byte) (int, error) {
	return moved(syscall.SyscallN(procSend.Addr(), uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), 1<<30)), 0))
}

// Waits reports whether err says that a call would wait.
func Waits(err error) bool { return err == wouldBlock }

// LocalAddr returns the address that the socket fd is bound to, none if it is not.
func LocalAddr(fd int) (a SockAddr, err error) {
	err = a.name(procGetsockname, windows.Handle(fd))
	return a, os.NewSyscallError("getsockname", err)
}

// PeerAddr returns the address that the socket fd is connected to.
func PeerAddr(fd int) (a SockAddr, err error) {
	err = a.name(procGetpeername, windows.Handle(fd))
	return a, os.NewSyscallError("getpeername", err)
}

// BindAddr gives the socket fd a local address.
func BindAddr(fd int, a *SockAddr) error {
	return os.NewSyscallError("bind", a.give(procBind, windows.Handle(fd)))
}

// NewSocket makes a socket that is not inherited by child processes and can have operations. A
// [Poller.Bind] makes it non-blocking.
func NewSocket(family, kind, protocol int) (int, error) {
	if err := startWinsock(); err != nil {
		return -1, os.NewSyscallError("WSAStartup", err)
	}
	s, err := newSocket(family, kind, protocol)
	if err != nil {
		return -1, os.NewSyscallError("WSASocket", err)
	}
	return int(s), nil
}
