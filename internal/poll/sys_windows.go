package poll

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// The calls of the system that package windows lacks, or has in a form that allocates.

var (
	kernel32 = windows.NewLazySystemDLL("kernel32.dll")
	ntdll    = windows.NewLazySystemDLL("ntdll.dll")
	ws2      = windows.NewLazySystemDLL("ws2_32.dll")

	procGetQueuedCompletionStatusEx = kernel32.NewProc("GetQueuedCompletionStatusEx")
	procPost                        = kernel32.NewProc("PostQueuedCompletionStatus")
	procRegisterWait                = kernel32.NewProc("RegisterWaitForSingleObject")
	procUnregisterWait              = kernel32.NewProc("UnregisterWaitEx")
	procNtDeviceIoControlFile       = ntdll.NewProc("NtDeviceIoControlFile")
	procRecv                        = ws2.NewProc("recv")
	procRecvfrom                    = ws2.NewProc("recvfrom")
	procSend                        = ws2.NewProc("send")
	procSendto                      = ws2.NewProc("sendto")
	procWSASend                     = ws2.NewProc("WSASend")
	procWSARecvFrom                 = ws2.NewProc("WSARecvFrom")
	procWSASendTo                   = ws2.NewProc("WSASendTo")
	procIoctlsocket                 = ws2.NewProc("ioctlsocket")
	procBind                        = ws2.NewProc("bind")
	procConnect                     = ws2.NewProc("connect")
	procGetsockname                 = ws2.NewProc("getsockname")
	procGetpeername                 = ws2.NewProc("getpeername")
)

const (
	statusPending        = windows.NTStatus(0x103)
	statusCancelled      = windows.NTStatus(0xc0000120)
	statusBufferOverflow = windows.NTStatus(0x80000005)
)

// failed reports whether an asynchronous call with this status has ended without
// leaving a completion: that is so of errors, not of successes and warnings.
func failed(s windows.NTStatus) bool { return s>>30 == 3 }

// unusual reports whether s is an error or a warning.
func unusual(s windows.NTStatus) bool { return s>>30 >= 2 }

// packet is OVERLAPPED_ENTRY, one completion as a port hands it out.
type packet struct {
	key uintptr
	// ov identifies an operation. It is not a pointer, because anybody can post anything.
	ov       uintptr
	internal uintptr
	bytes    uint32
}

// dequeue takes packets from port, at least one, within ms milliseconds, -1 being for ever.
func dequeue(port windows.Handle, to []packet, ms int) (int, error) {
	var n uint32
	r, _, errno := syscall.SyscallN(procGetQueuedCompletionStatusEx.Addr(), uintptr(port),
		uintptr(unsafe.Pointer(&to[0])), uintptr(len(to)), uintptr(unsafe.Pointer(&n)), uintptr(uint32(ms)), 0)
	if r != 0 {
		return int(n), nil
	}
	if errno == syscall.Errno(windows.WAIT_TIMEOUT) {
		return 0, nil
	}
	return 0, errno
}

// post queues a packet.
func post(port windows.Handle, key, ov uintptr) error {
	r, _, errno := syscall.SyscallN(procPost.Addr(), uintptr(port), 0, key, ov)
	if r == 0 {
		return errno
	}
	return nil
}

// startWinsock must have come before any call of it. What it counts is left to the end of
// the process: the last WSACleanup would end the caller's sockets too.
var startWinsock = sync.OnceValue(func() error {
	var data windows.WSAData
	return windows.WSAStartup(0x202, &data)
})

// newSocket makes a socket that is not inherited and does overlapped operations.
func newSocket(family, kind, protocol int) (windows.Handle, error) {
	return windows.WSASocket(int32(family), int32(kind), int32(protocol), nil, 0,
		windows.WSA_FLAG_OVERLAPPED|windows.WSA_FLAG_NO_HANDLE_INHERIT)
}

func setNonblock(s windows.Handle) error { return setMode(s, 1) }
func setBlocking(s windows.Handle) error { return setMode(s, 0) }

func setMode(s windows.Handle, on uint32) error {
	const fionbio = 0x8004667e
	return winsock(syscall.SyscallN(procIoctlsocket.Addr(), uintptr(s), fionbio, uintptr(unsafe.Pointer(&on))))
}

// socketType is SO_TYPE; the error tells whether s is a socket at all.
func socketType(s windows.Handle) (int, error) {
	var kind int32
	size := int32(unsafe.Sizeof(kind))
	const soType = 0x1008
	err := windows.Getsockopt(s, windows.SOL_SOCKET, soType, (*byte)(unsafe.Pointer(&kind)), &size)
	return int(kind), err
}

// name is the call proc, one of those that have the form of getsockname.
func (a *SockAddr) name(proc *windows.LazyProc, s windows.Handle) error {
	*a = SockAddr{n: sockAddrRoom}
	err := winsock(syscall.SyscallN(proc.Addr(), uintptr(s), uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.n))))
	if err != nil {
		a.n = 0
	}
	return err
}

// give is the call proc, one of those that have the form of connect.
func (a *SockAddr) give(proc *windows.LazyProc, s windows.Handle) error {
	return winsock(syscall.SyscallN(proc.Addr(), uintptr(s), uintptr(unsafe.Pointer(&a.raw)), uintptr(a.n)))
}

// winsock is the error of a call that returns 0 if there is none.
func winsock(r, _ uintptr, errno syscall.Errno) error {
	if int32(r) == 0 {
		return nil
	}
	return failure(errno)
}

// These are made once, since an Errno in an error is an allocation.
var (
	pending    error = windows.ERROR_IO_PENDING
	wouldBlock error = windows.WSAEWOULDBLOCK
)

// failure is errno as an error.
func failure(errno syscall.Errno) error {
	switch errno {
	case windows.ERROR_IO_PENDING:
		return pending
	case windows.WSAEWOULDBLOCK:
		return wouldBlock
	}
	return errno
}

// extension looks up a function that only a socket can tell.
func extension(s windows.Handle, id windows.GUID) (uintptr, error) {
	var f uintptr
	var n uint32
	err := windows.WSAIoctl(s, windows.SIO_GET_EXTENSION_FUNCTION_POINTER, (*byte)(unsafe.Pointer(&id)), uint32(unsafe.Sizeof(id)),
		(*byte)(unsafe.Pointer(&f)), uint32(unsafe.Sizeof(f)), &n, nil, 0)
	return f, err
}
