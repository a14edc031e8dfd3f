package poll

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noteExitStatus asks for the exit status of a child in the event; the other systems give it always.
const noteExitStatus = unix.NOTE_EXITSTATUS

// exited finds what kevent says ESRCH of: children that have ended or are about to, and others
// that have ended. It does so by waitid(2), which leaves the child to be collected.
func (k *kqueue) exited(pid int) (ExitState, bool) {
	// siginfo_t, as far as waitid fills it.
	var info struct {
		signo, errno, code, pid, uid, status int32
		rest                                 [80]byte
	}
	const pPid, wNoHang, wExited, wNoWait = 1, 0x1, 0x4, 0x20 // P_PID and so on, sys/wait.h
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_WAITID, pPid, uintptr(pid), uintptr(unsafe.Pointer(&info)), wNoHang|wExited|wNoWait, 0, 0)
		if errors.Is(errno, unix.EINTR) {
			continue
		}
		if errno != 0 { // ECHILD: somebody else's
			return ExitState{Code: -1}, alive(pid)
		}
		break
	}
	const exited, killed, dumped = 1, 2, 3 // CLD_EXITED and so on
	switch info.code {
	case exited:
		// All that was given to _exit(2), of which others see the lower eight bits.
		return ExitState{Known: true, Code: int(info.status & 0xff)}, true
	case killed, dumped:
		if info.status == 0 { // some versions leave the signal out
			return ExitState{Code: -1}, true
		}
		return ExitState{Known: true, Code: -1, Signal: int(info.status)}, true
	}
	// A child that is neither running, by kevent, nor waitable: it is about to end.
	return ExitState{Code: -1}, true
}
