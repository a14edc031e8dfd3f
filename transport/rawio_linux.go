//go:build linux && !386 && !s390x && !race && !msan && !asan

package transport

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Reading and writing go through RawSyscall: the sockets do not block, so the scheduler need not
// know, which saves its book-keeping and keeps its monitor from taking the P away. The calls are
// those for sockets, which leave out what the kernel does for files.

func sysRead(fd int, p []byte) (int, error)     { return rawRead(unix.SYS_RECVFROM, fd, p) }
func sysReadFile(fd int, p []byte) (int, error) { return rawRead(unix.SYS_READ, fd, p) }

// rawRead makes the system call without a look at the size of the stack, of which it needs little: that look would double the
// stack of most tasks that serve a connection.
//
//go:nosplit
func rawRead(trap uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, errAgain
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("read", errno)
		}
	}
}

func sysWrite(fd int, p []byte) (int, error)     { return rawWrite(unix.SYS_SENDTO, fd, p) }
func sysWriteFile(fd int, p []byte) (int, error) { return rawWrite(unix.SYS_WRITE, fd, p) }

// rawWrite is rawRead for writing.
//
//go:nosplit
func rawWrite(trap uintptr, fd int, p []byte) (int, error) {
	for {
		// The fourth argument is that of sendto.
		n, _, errno := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, errAgain
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("write", errno)
		}
	}
}
