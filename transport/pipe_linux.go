package transport

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// pipeBuf is how much can be written for sure when poll(2) says that something can: PIPE_BUF.
const pipeBuf = 4096

const pollsPipes = true

// sysReopen returns another descriptor of what fd is, with a description of its own that does not
// block (proc_pid_fd(5)).
func sysReopen(fd int) (int, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return -1, os.NewSyscallError("fstat", err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFCHR && uint64(st.Rdev) == unix.Mkdev(5, 2) {
		// The master of a pseudo terminal: to open that makes another terminal (ptmx(4)).
		return -1, fmt.Errorf("transport: a new description of a master: %w", errors.ErrUnsupported)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return -1, os.NewSyscallError("fcntl", err)
	}
	const keep = unix.O_ACCMODE | unix.O_APPEND | unix.O_DIRECT
	again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), flags&keep|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	return again, os.NewSyscallError("open", err)
}

// sysTerminal reports whether fd is a terminal.
func sysTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}
