package transport

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"golang.org/x/sys/windows"
)

var pipes atomic.Int64

// makePipe makes a named pipe, since only such a one has overlapped ends, whose calls can be ended: the first
// that is returned is, and the second if it is not for a child.
func makePipe(reads, child bool) (ours, other *os.File, err error) {
	name, err := windows.UTF16PtrFromString(fmt.Sprintf(`\\.\pipe\turnstile-%d-%d`, os.Getpid(), pipes.Add(1)))
	if err != nil {
		return nil, nil, err
	}
	const size = 64 << 10
	mode, access := uint32(windows.PIPE_ACCESS_OUTBOUND), uint32(windows.GENERIC_READ)
	if reads {
		mode, access = windows.PIPE_ACCESS_INBOUND, windows.GENERIC_WRITE
	}
	a, err := windows.CreateNamedPipe(name, mode|windows.FILE_FLAG_OVERLAPPED|windows.FILE_FLAG_FIRST_PIPE_INSTANCE,
		windows.PIPE_TYPE_BYTE|windows.PIPE_REJECT_REMOTE_CLIENTS, 1, size, size, 0, nil)
	if err != nil {
		return nil, nil, os.NewSyscallError("CreateNamedPipe", err)
	}
	flags := uint32(windows.FILE_FLAG_OVERLAPPED)
	if child {
		flags = 0
	}
	b, err := windows.CreateFile(name, access, 0, nil, windows.OPEN_EXISTING, flags, 0)
	if err != nil {
		windows.CloseHandle(a)
		return nil, nil, os.NewSyscallError("CreateFile", err)
	}
	return os.NewFile(uintptr(a), "|ours"), os.NewFile(uintptr(b), "|other"), nil
}

// letGo ends the call that is inside the system, as far as that can be done to a handle that is not overlapped.
func (h slowHandle) letGo() {
	_ = h.control(func(fd uintptr) { _ = windows.CancelIoEx(windows.Handle(fd), nil) })
}

// sysAborted reports whether a call was ended by letGo.
func sysAborted(err error) bool { return errors.Is(err, windows.ERROR_OPERATION_ABORTED) }
