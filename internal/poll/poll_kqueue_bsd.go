//go:build dragonfly || freebsd || netbsd || openbsd

package poll

// noteExitStatus is nothing to ask for: these systems always give the exit status.
const noteExitStatus = 0

// exited finds what kevent says ESRCH of on NetBSD and OpenBSD, a process that has ended and is not
// collected. How it ended is not known then.
func (k *kqueue) exited(pid int) (ExitState, bool) {
	return ExitState{Code: -1}, alive(pid)
}
