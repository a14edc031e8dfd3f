//go:build linux && !386 && !s390x && !race && !msan && !asan

package transport

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sysWriteBuffers writes up to limit bytes of bufs, which has some, to a socket.
func sysWriteBuffers(fd int, bufs [][]byte, limit int) (int, error) {
	var few [8]unix.Iovec
	iov := few[:0]
	for _, b := range bufs {
		b = b[:min(len(b), limit)]
		if len(b) > 0 {
			v := unix.Iovec{Base: unsafe.SliceData(b)}
			v.SetLen(len(b))
			iov = append(iov, v)
		}
		if limit -= len(b); limit == 0 || len(iov) == maxBuffers {
			break
		}
	}
	msg := unix.Msghdr{Iov: unsafe.SliceData(iov)}
	msg.SetIovlen(len(iov))
	for {
		n, _, errno := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EAGAIN:
			return 0, errAgain
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("sendmsg", errno)
		}
	}
}
