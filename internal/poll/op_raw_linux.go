//go:build linux && !386 && !s390x && !race && !msan && !asan

package poll

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Here the calls go through RawSyscall, for the reason that epoller gives, and with
// addresses in the system's form, which allocates nothing.

// internet is what TCP_NODELAY has proved.
func internet(int) bool { return true }

func recv(fd int, p []byte) (int, error) {
	return rawIO(unix.SYS_RECVFROM, fd, p, 0, nil, nil)
}

// recvMessage asks for the true length of the message, to find out that it was cut off.
func recvMessage(fd int, p []byte, from *SockAddr) (int, error) {
	var n int
	var err error
	if from == nil {
		n, err = rawIO(unix.SYS_RECVFROM, fd, p, unix.MSG_TRUNC, nil, nil)
	} else {
		from.n = sockAddrRoom
		n, err = rawIO(unix.SYS_RECVFROM, fd, p, unix.MSG_TRUNC, unsafe.Pointer(&from.raw), unsafe.Pointer(&from.n))
		if err != nil {
			from.n = 0
		}
		from.n = min(from.n, sockAddrRoom)
	}
	if n > len(p) {
		return len(p), ErrTruncated
	}
	return n, err
}

func send(fd int, p []byte) (int, error) {
	return rawIO(unix.SYS_SENDTO, fd, p, unix.MSG_NOSIGNAL, nil, nil)
}

func sendTo(fd int, p []byte, to *SockAddr) (int, error) {
	// The length is the last argument itself here.
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&to.raw)), uintptr(to.n))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func rawIO(trap uintptr, fd int, p []byte, flags uintptr, addr, addrLen unsafe.Pointer) (int, error) {
	n, _, errno := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)),
		flags, uintptr(addr), uintptr(addrLen))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func accept(fd int, from *SockAddr) (int, error) {
	from.n = sockAddrRoom
	r, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&from.raw)), uintptr(unsafe.Pointer(&from.n)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	if errno != 0 {
		from.n = 0
		return -1, errno
	}
	from.n = min(from.n, sockAddrRoom)
	return int(r), nil
}

// LocalAddr returns the address that the socket fd is bound to, none if it is not.
func LocalAddr(fd int) (SockAddr, error) { return name(unix.SYS_GETSOCKNAME, "getsockname", fd) }

// PeerAddr returns the address that the socket fd is connected to.
func PeerAddr(fd int) (SockAddr, error) { return name(unix.SYS_GETPEERNAME, "getpeername", fd) }

func name(trap uintptr, call string, fd int) (SockAddr, error) {
	a := SockAddr{n: sockAddrRoom}
	if _, _, errno := syscall.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.n))); errno != 0 {
		return SockAddr{}, os.NewSyscallError(call, errno)
	}
	a.n = min(a.n, sockAddrRoom)
	return a, nil
}

func connect(fd int, to *SockAddr) error {
	_, _, errno := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), uintptr(to.n))
	if errno != 0 {
		return errno
	}
	return nil
}
