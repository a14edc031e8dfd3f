//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package poll

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kqueue is the system behind a kqueuer.
type kqueue struct {
	fd              int
	pipe            [2]int
	changes, events []unix.Kevent_t
	limit           unix.Timespec // of the Wait
}

// The flags must have the numbers of the system: any difference is an index out of range here.
var _ = [1]struct{}{
	(evAdd ^ unix.EV_ADD) | (evDelete ^ unix.EV_DELETE) | (evEnable ^ unix.EV_ENABLE) |
		(evOneshot ^ unix.EV_ONESHOT) | (evClear ^ unix.EV_CLEAR) | (evError ^ unix.EV_ERROR) |
		(evEOF ^ unix.EV_EOF) | (noteExit ^ unix.NOTE_EXIT): {},
}

func openKqueue(style WaitStyle) (Poller, error) {
	if style == Park {
		// Go's poller registers a descriptor for both directions, and a kqueue can be watched for
		// reading only; nor does O_NONBLOCK, which os.NewFile looks for, exist for it.
		return nil, fmt.Errorf("poll: backend kqueue cannot park: %w", errors.ErrUnsupported)
	}
	k := &kqueue{pipe: [2]int{-1, -1}}
	// Not every system can make one that is closed on exec; the lock keeps a fork from coming between.
	syscall.ForkLock.RLock()
	fd, err := unix.Kqueue()
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("kqueue", err)
	}
	k.fd = fd
	if !hasUserEvents {
		if err := k.openPipe(); err != nil {
			k.close()
			return nil, err
		}
	}
	p, err := newKqueuer(k, kqueueTraits{fd: fd, pipe: k.pipe, exitStatus: noteExitStatus})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (k *kqueue) openPipe() error {
	var ends [2]int
	syscall.ForkLock.RLock()
	err := unix.Pipe(ends[:])
	if err == nil {
		unix.CloseOnExec(ends[0])
		unix.CloseOnExec(ends[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return os.NewSyscallError("pipe", err)
	}
	k.pipe = ends
	if err := errors.Join(unix.SetNonblock(ends[0], true), unix.SetNonblock(ends[1], true)); err != nil {
		return os.NewSyscallError("fcntl", err)
	}
	return nil
}

func (k *kqueue) kevent(changes, events []kevent, timeout time.Duration) (int, error) {
	if len(changes) > 0 {
		k.changes = room(k.changes, len(changes))
		for i := range changes {
			set(&k.changes[i], &changes[i])
		}
		return unix.Kevent(k.fd, k.changes, nil, nil)
	}
	k.events = room(k.events, len(events))
	var limit *unix.Timespec
	if timeout >= 0 {
		// Darwin refuses times that are too long. The caller looks at the clock.
		const most = 1e6 * time.Second
		k.limit = unix.NsecToTimespec(int64(min(timeout, most)))
		limit = &k.limit
	}
	n, err := unix.Kevent(k.fd, nil, k.events, limit)
	if err != nil {
		return 0, err
	}
	for i := range n {
		get(&events[i], &k.events[i])
	}
	return n, nil
}

// room is list with length n. Udata is a pointer on most systems, but holds a number here, so the
// memory is such that the garbage collector sees no pointers in it; and a field at a time is
// written, as a number.
func room(list []unix.Kevent_t, n int) []unix.Kevent_t {
	if n <= cap(list) {
		return list[:n]
	}
	const size = unsafe.Sizeof(unix.Kevent_t{})
	words := make([]uint64, (uintptr(n)*size+7)/8)
	return unsafe.Slice((*unix.Kevent_t)(unsafe.Pointer(&words[0])), n)
}

func set(to *unix.Kevent_t, from *kevent) {
	unix.SetKevent(to, int(from.ident), filterNumbers[from.filter], int(from.flags))
	to.Fflags, to.Data = from.fflags, from.data
	*(*uintptr)(unsafe.Pointer(&to.Udata)) = uintptr(from.mark)
}

func get(to *kevent, from *unix.Kevent_t) {
	*to = kevent{
		ident: uint64(from.Ident), filter: filterOther, flags: uint32(from.Flags), fflags: from.Fflags, data: from.Data,
		mark: uint32(*(*uintptr)(unsafe.Pointer(&from.Udata))),
	}
	for i, number := range filterNumbers {
		if int(from.Filter) == number {
			to.filter = kfilter(i)
		}
	}
}

func (k *kqueue) fileType(fd int) (kind uint32, access int, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, err
	}
	if kind = uint32(st.Mode) & unix.S_IFMT; kind == unix.S_IFIFO {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			return 0, 0, err
		}
		access = flags & unix.O_ACCMODE
	}
	return kind, access, nil
}

// alive reports whether kill(2) finds a process, which may have ended without having been
// collected.
func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

func (k *kqueue) kickPipe() error {
	_, err := unix.Write(k.pipe[1], []byte{0})
	return err
}

func (k *kqueue) drainPipe() {
	var buf [8]byte
	unix.Read(k.pipe[0], buf[:])
}

func (k *kqueue) close() error {
	err := unix.Close(k.fd)
	if k.pipe[0] >= 0 {
		err = errors.Join(err, unix.Close(k.pipe[0]), unix.Close(k.pipe[1]))
	}
	return os.NewSyscallError("close", err)
}
