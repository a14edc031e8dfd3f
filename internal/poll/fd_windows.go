package poll

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// CloseFD closes a socket or another handle. It has been closed even if an error is returned, but
// for one that errors.Is syscall.EBADF: there was nothing to close.
func CloseFD(fd int) error {
	if fd < 0 {
		return os.NewSyscallError("CloseHandle", syscall.EBADF)
	}
	// First, because once it is closed the number may be given out again.
	owners.Lock()
	delete(owners.of, fd)
	owners.Unlock()
	err := windows.Closesocket(windows.Handle(fd))
	if errors.Is(err, windows.WSAEWOULDBLOCK) {
		// It lingers (SO_LINGER), and only a socket that blocks is closed then.
		_ = setBlocking(windows.Handle(fd))
		err = windows.Closesocket(windows.Handle(fd))
	}
	if !errors.Is(err, windows.WSAENOTSOCK) {
		return os.NewSyscallError("closesocket", err)
	}
	err = windows.CloseHandle(windows.Handle(fd))
	if errors.Is(err, windows.ERROR_INVALID_HANDLE) {
		err = syscall.EBADF
	}
	return os.NewSyscallError("CloseHandle", err)
}

// Valid reports whether fd can be a descriptor.
func Valid(fd uintptr) bool { return fd != ^uintptr(0) }

// Blocks is for systems whose poller tells readiness only.
func Blocks(int) bool { return false }
