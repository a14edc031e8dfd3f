package poll

import (
	"errors"
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pidfd is the watch of a process by a descriptor that is readable when the process has
// ended (Linux 5.3, pidfd_open(2)).
type pidfd struct {
	p  Poller
	fd int
}

// addProcess registers a pidfd by add, which takes no account of the type of file: some kernels show
// a pidfd as a regular file.
func addProcess(p Poller, add func(fd int, tag Tag, interest Mode, trigger Trigger) error, pid int, tag Tag) (Process, error) {
	// Of what is not positive pidfd_open says EINVAL, and kill means groups by it. Of what is larger
	// than a pid the kernel takes the lower half.
	if pid <= 0 || pid > math.MaxInt32 {
		return nil, os.NewSyscallError("pidfd_open", unix.ESRCH)
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) { // EPERM: some seccomp filters
		return nil, fmt.Errorf("poll: pidfd_open: %w", errors.ErrUnsupported)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EINVAL) {
		err = unix.ESRCH // a thread that is no process
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	if err := add(fd, tag, Read, Level); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &pidfd{p, fd}, nil
}

func (f *pidfd) State() ExitState {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PIDFD, f.fd, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		// Anything but a child is ECHILD, and so is a child that somebody has collected.
		if err != nil || info.Signo == 0 {
			return ExitState{Code: -1}
		}
		break
	}
	// The status follows the pid and the uid in the union, which is aligned as a pointer is
	// (sigaction(2), CLD_* codes).
	const unionAt = 12 + (unsafe.Sizeof(uintptr(0)) - 4)
	status := *(*int32)(unsafe.Add(unsafe.Pointer(&info), unionAt+8))
	const exited, killed, dumped = 1, 2, 3 // CLD_EXITED and so on
	switch info.Code {
	case exited:
		return ExitState{Known: true, Code: int(status)}
	case killed, dumped:
		return ExitState{Known: true, Code: -1, Signal: int(status)}
	}
	return ExitState{Code: -1}
}

func (f *pidfd) Close() error {
	err := f.p.Remove(f.fd)
	return errors.Join(err, os.NewSyscallError("close", unix.Close(f.fd)))
}
