//go:build linux

package poll

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// FakeKernel is a kqueue by the book, kqueue(2) of FreeBSD, with what the other systems do otherwise
// on request. Descriptors from FakeBase on are files of its own making, with any state a test
// likes; those below are the real ones of this process, whose state it asks poll(2) for, so that the
// conformance suite runs over it. It proves our reading of the book, not a kernel.
type FakeKernel struct {
	FakeOptions
	fd int // an eventfd, readable when a blocked kevent has to look again

	mu     sync.Mutex // guards all that follows
	knotes []*fakeKnote
	files  map[int]*FakeFile
	procs  map[int]*FakeProcess
	eintr  int
	refuse map[fakeFilter]error // the answer to EV_ADD
	calls  int

	collected func() // called between the collection of events and their return
	missed    func() // called when exited is
	refused   func() // called when a change was refused

	set []unix.PollFd // of the blocked kevent
}

// FakeOptions are the differences between the systems.
type FakeOptions struct {
	NoUser        bool // no EVFILT_USER
	ZombiesAreESR bool // EVFILT_PROC does not find what has ended
	AskForStatus  bool // the exit status is for parents only, and for NOTE_EXITSTATUS only
	PipeEBADF     bool // a pipe that nobody reads is refused with EBADF instead of EPIPE
}

// FakeBase is the first of the fake descriptors, and of the fake processes.
const FakeBase = 1 << 20

const (
	fakeDispatch   = 0x80      // EV_DISPATCH
	fakeExitStatus = 0x4000000 // NOTE_EXITSTATUS
	fakeDisable    = 0x8       // EV_DISABLE
)

// FakeFile is the state of a fake descriptor, by direction.
type FakeFile struct {
	k        *FakeKernel
	Kind     uint32 // S_IFMT as in fstat; 0 is as good as a socket
	Access   int    // O_ACCMODE
	ready    [2]bool
	eof      [2]bool
	errno    uint32
	activity [2]int // counts what EV_CLEAR tells of
	noFilter [2]bool
}

// FakeProcess is a fake process.
type FakeProcess struct {
	k         *FakeKernel
	Child     bool
	status    int
	ended     bool
	collected bool
}

type fakeFilter struct {
	ident  uint64
	filter kfilter
}

// fakeKnote is one entry of the kqueue. They are in the order in which they are looked at.
type fakeKnote struct {
	kevent
	disabled  bool
	triggered bool
	seen      int
	inode     uint64 // of a real descriptor
	pidfd     int    // of a real process, else -1
	proc      *FakeProcess
}

// NewFake is a kqueuer on a FakeKernel.
func NewFake(o FakeOptions) (*FakeKernel, Poller, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, nil, err
	}
	k := &FakeKernel{FakeOptions: o, fd: fd, files: map[int]*FakeFile{}, procs: map[int]*FakeProcess{}, refuse: map[fakeFilter]error{}}
	traits := kqueueTraits{fd: fd, pipe: [2]int{-1, -1}}
	if o.AskForStatus {
		traits.exitStatus = fakeExitStatus
	}
	if o.NoUser {
		traits.pipe = [2]int{FakeBase - 2, FakeBase - 1}
		k.files[traits.pipe[0]] = &FakeFile{k: k, Kind: unix.S_IFIFO}
		k.files[traits.pipe[1]] = &FakeFile{k: k, Kind: unix.S_IFIFO, ready: [2]bool{false, true}}
	}
	p, err := newKqueuer(k, traits)
	if err != nil {
		return nil, nil, err
	}
	return k, p, nil
}

// WithFake adds the backend kqueue, on a FakeKernel, while f runs.
func WithFake(o FakeOptions, f func()) {
	old := backends
	defer func() { backends = old }()
	backends = append(slices.Clone(old), backend{"kqueue", func(WaitStyle) (Poller, error) {
		_, p, err := NewFake(o)
		return p, err
	}})
	f()
}

// Asleep reports whether a Wait blocks or is about to.
func (p *kqueuer) Asleep() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asleep
}

// StaleKick interrupts Wait for no reason.
func (p *kqueuer) StaleKick() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kick()
}

// Undrained reports whether the waking event is pending when nothing is to be waked.
func (p *kqueuer) Undrained() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kicked
}

func (k *FakeKernel) kevent(changes, events []kevent, timeout time.Duration) (int, error) {
	if len(changes) > 0 {
		return 0, k.registerAll(changes)
	}
	end := deadline(timeout)
	for {
		k.mu.Lock()
		if k.eintr > 0 {
			k.eintr--
			k.mu.Unlock()
			return 0, unix.EINTR
		}
		n := k.collect(events)
		if n == 0 {
			k.interest()
		}
		hook := k.collected
		k.mu.Unlock()
		if n > 0 {
			if hook != nil {
				hook()
			}
			return n, nil
		}
		if over(end) {
			return 0, nil
		}
		if _, err := unix.Poll(k.set, millis(end)); err != nil {
			return 0, err
		}
		var buf [8]byte
		unix.Read(k.fd, buf[:])
	}
}

// changed makes a blocked kevent look again. The kernel's mutex is held.
func (k *FakeKernel) changed() error {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, err := unix.Write(k.fd, one[:])
	return err
}

// registerAll makes changes, up to the first that is refused. A signal can only come behind them.
func (k *FakeKernel) registerAll(changes []kevent) error {
	k.mu.Lock()
	k.calls++
	var err error
	for i := range changes {
		if err = k.register(&changes[i]); err != nil {
			break
		}
	}
	if err == nil && k.eintr > 0 {
		k.eintr--
		err = unix.EINTR
	}
	k.changed()
	hook := k.refused
	k.mu.Unlock()
	if err != nil && err != unix.EINTR && hook != nil {
		hook()
	}
	return err
}

// register makes one change.
func (k *FakeKernel) register(c *kevent) error {
	var inode uint64
	file := k.files[int(c.ident)]
	if fd := c.filter == filterRead || c.filter == filterWrite; fd && file == nil {
		var st unix.Stat_t
		if c.ident >= FakeBase-2 || unix.Fstat(int(c.ident), &st) != nil {
			return unix.EBADF
		}
		inode = st.Ino
	}
	if c.filter == filterUser && k.NoUser {
		return unix.EINVAL
	}
	i := slices.IndexFunc(k.knotes, func(n *fakeKnote) bool { return n.ident == c.ident && n.filter == c.filter })
	if i >= 0 && k.knotes[i].inode != inode {
		k.drop(i) // its descriptor was closed
		i = -1
	}
	if c.flags&evDelete != 0 {
		if i < 0 {
			return unix.ENOENT
		}
		k.drop(i)
		return nil
	}
	if i < 0 {
		if c.flags&evAdd == 0 {
			return unix.ENOENT
		}
		n := &fakeKnote{kevent: *c, inode: inode, pidfd: -1}
		if err := k.attach(n, file); err != nil {
			return err
		}
		k.knotes = append(k.knotes, n)
		i = len(k.knotes) - 1
	}
	n := k.knotes[i]
	if c.flags&evAdd != 0 {
		// An existing entry gets a new udata; its flags stay.
		n.mark = c.mark
		n.seen = -1 // the condition is evaluated anew
	}
	if c.flags&fakeDisable != 0 {
		n.disabled = true
	}
	if c.flags&evEnable != 0 {
		n.disabled = false
		n.seen = -1
	}
	if c.filter == filterUser && c.fflags&noteTrigger != 0 {
		n.triggered = true
	}
	return nil
}

// attach is what a filter does when it is added.
func (k *FakeKernel) attach(n *fakeKnote, file *FakeFile) error {
	if err := k.refuse[fakeFilter{n.ident, n.filter}]; err != nil {
		return err
	}
	switch {
	case n.filter == filterProc:
		return k.attachProcess(n)
	case n.filter == filterUser:
	case file != nil:
		if file.noFilter[n.filter] {
			return unix.EINVAL
		}
		if file.Kind == unix.S_IFIFO && n.filter == filterWrite && file.eof[filterWrite] {
			return k.nobodyReads()
		}
	default:
		if kind, _, _ := (*FakeKernel)(nil).fileType(int(n.ident)); kind == unix.S_IFIFO && n.filter == filterWrite && revents(int(n.ident), unix.POLLOUT)&unix.POLLERR != 0 {
			return k.nobodyReads()
		}
	}
	return nil
}

func (k *FakeKernel) nobodyReads() error {
	if k.PipeEBADF {
		return unix.EBADF
	}
	return unix.EPIPE
}

func (k *FakeKernel) attachProcess(n *fakeKnote) error {
	pid := int(n.ident)
	n.proc = k.procs[pid]
	if n.proc == nil {
		if pid >= FakeBase {
			return unix.ESRCH
		}
		return k.attachRealProcess(n)
	}
	switch {
	case n.proc.collected, n.proc.ended && k.ZombiesAreESR:
		return unix.ESRCH
	case k.AskForStatus && n.fflags&fakeExitStatus != 0 && !n.proc.Child:
		return unix.EACCES
	}
	return nil
}

// drop takes out an entry.
func (k *FakeKernel) drop(i int) {
	if n := k.knotes[i]; n.pidfd >= 0 {
		unix.Close(n.pidfd)
	}
	k.knotes = slices.Delete(k.knotes, i, i+1)
}

// collect hands out what is active. What stays active goes behind all others.
func (k *FakeKernel) collect(events []kevent) int {
	count := 0
	for i, left := 0, len(k.knotes); left > 0 && count < len(events); left-- {
		n := k.knotes[i]
		if n.inode != 0 {
			var st unix.Stat_t
			if unix.Fstat(int(n.ident), &st) != nil || st.Ino != n.inode {
				k.drop(i)
				continue
			}
		}
		out, active := n.kevent, false
		if !n.disabled {
			active = k.active(n, &out)
		}
		if !active {
			i++
			continue
		}
		events[count] = out
		count++
		switch {
		case out.flags&evOneshot != 0:
			k.drop(i)
			continue
		case n.flags&fakeDispatch != 0:
			n.disabled = true
		case n.flags&evClear != 0:
			n.triggered = false
			if f := k.files[int(n.ident)]; f != nil && n.filter <= filterWrite {
				n.seen = f.activity[n.filter]
			}
		}
		copy(k.knotes[i:], k.knotes[i+1:])
		k.knotes[len(k.knotes)-1] = n
	}
	return count
}

// active reports whether the condition of n holds, and completes the event.
func (k *FakeKernel) active(n *fakeKnote, out *kevent) bool {
	out.flags &^= evAdd | evEnable
	out.fflags = 0
	switch n.filter {
	case filterUser:
		return n.triggered
	case filterProc:
		return k.processEnded(n, out)
	}
	f := k.files[int(n.ident)]
	if f == nil {
		return realActive(n, out)
	}
	if n.flags&evClear != 0 && n.seen == f.activity[n.filter] {
		return false
	}
	if f.eof[n.filter] {
		out.flags |= evEOF
		out.fflags = f.errno
	}
	return f.ready[n.filter] || f.eof[n.filter]
}

func (k *FakeKernel) processEnded(n *fakeKnote, out *kevent) bool {
	switch {
	case n.pidfd >= 0 && revents(n.pidfd, unix.POLLIN) != 0:
		s := (&pidfd{fd: n.pidfd}).State()
		out.data = int64(max(s.Code, 0)<<8 | s.Signal)
	case n.proc != nil && n.proc.ended:
		out.data = int64(n.proc.status)
	default:
		return false
	}
	out.flags |= evEOF | evOneshot
	out.fflags = noteExit | n.fflags&fakeExitStatus
	return true
}

// interest makes the set that a blocked kevent waits for.
func (k *FakeKernel) interest() {
	k.set = append(k.set[:0], unix.PollFd{Fd: int32(k.fd), Events: unix.POLLIN})
	for _, n := range k.knotes {
		switch {
		case n.disabled:
		case n.pidfd >= 0:
			k.set = append(k.set, unix.PollFd{Fd: int32(n.pidfd), Events: unix.POLLIN})
		case n.inode != 0 && n.filter == filterRead:
			k.set = append(k.set, unix.PollFd{Fd: int32(n.ident), Events: unix.POLLIN | unix.POLLRDHUP})
		case n.inode != 0:
			k.set = append(k.set, unix.PollFd{Fd: int32(n.ident), Events: unix.POLLOUT})
		}
	}
}

func (k *FakeKernel) fileType(fd int) (kind uint32, access int, err error) {
	if k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		if f := k.files[fd]; f != nil {
			return f.Kind, f.Access, nil
		}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, err
	}
	flags, _ := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return st.Mode & unix.S_IFMT, flags & unix.O_ACCMODE, nil
}

func (k *FakeKernel) exited(pid int) (ExitState, bool) {
	if k.missed != nil {
		k.missed()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if f := k.procs[pid]; f != nil {
		return ExitState{Code: -1}, !f.collected
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return ExitState{}, false
	}
	defer unix.Close(fd)
	return (&pidfd{fd: fd}).State(), true
}

func (k *FakeKernel) kickPipe() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.files[FakeBase-2].become(filterRead, true)
}

func (k *FakeKernel) drainPipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.files[FakeBase-2].ready[filterRead] = false
}

func (k *FakeKernel) close() error {
	for len(k.knotes) > 0 {
		k.drop(0)
	}
	return unix.Close(k.fd)
}

func (f *FakeFile) become(dir kfilter, ready bool) error {
	f.ready[dir] = ready
	f.activity[dir]++
	return f.k.changed()
}
