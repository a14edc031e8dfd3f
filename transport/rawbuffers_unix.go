//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris || (linux && (386 || s390x || race || msan || asan))

package transport

import (
	"os"

	"golang.org/x/sys/unix"
)

// sysWriteBuffers writes up to limit bytes of bufs, which has some, to a socket.
func sysWriteBuffers(fd int, bufs [][]byte, limit int) (int, error) {
	var some [][]byte
	for _, b := range bufs {
		b = b[:min(len(b), limit)]
		if len(b) > 0 {
			some = append(some, b)
		}
		if limit -= len(b); limit == 0 || len(some) == maxBuffers {
			break
		}
	}
	for {
		n, err := unix.SendmsgBuffers(fd, some, nil, nil, 0)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			return 0, errAgain
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("sendmsg", err)
		}
	}
}
