//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris || (linux && (386 || s390x || race || msan || asan))

package transport

import (
	"os"
	"syscall"
)

// Package syscall tells the detectors what it touches, and that what came before a write comes before
// the read of it, also where package net is on the other end.

func sysRead(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		switch err {
		case nil:
			return n, nil
		case syscall.EAGAIN:
			return 0, errAgain
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError("read", err)
		}
	}
}

func sysWrite(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, p)
		switch err {
		case nil:
			return n, nil
		case syscall.EAGAIN:
			return 0, errAgain
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError("write", err)
		}
	}
}

func sysReadFile(fd int, p []byte) (int, error)  { return sysRead(fd, p) }
func sysWriteFile(fd int, p []byte) (int, error) { return sysWrite(fd, p) }
