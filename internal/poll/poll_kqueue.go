//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package poll

import (
	"errors"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// kqueuer is the backend kqueue(2). It reaches the system through kqueueOS only, and is built
// on Linux too, where its tests run it against a kernel of their own making: those prove that
// it is right by our reading of kqueue(2), not that the kernels behave as we read.
//
// Level is EV_ADD, and Edge is EV_ADD with EV_ONESHOT, by Add and again by each Arm. Every system
// evaluates the condition at EV_ADD, so it makes no difference whether it came to hold before or
// after; and so a read that urgent data has cut short, which not all systems tell of, is
// continued. EV_CLEAR needs no arming, but relies on a further arrival; EV_DISPATCH is
// missing on NetBSD. As with epoll, Add of an Edge registration may be followed by an event
// that nobody has armed.
//
// Errors come back from the call that makes a change because each such call has no room for
// events: kevent(2) then fails with the error of the first change that is refused. A second call,
// with one change at a time, finds out which that was. EV_RECEIPT, missing on NetBSD, would tell as much.
//
// An event is matched with its registration by descriptor and mark, a count of the registrations
// that travels in udata. One that was collected before Remove, and finds the number given out again,
// has an old mark.
//
// The two filters of a descriptor are two conditions to the kernel, which hands them out in turn:
// where one Wait has no room for both, they come in two. A device without kqueue support is
// refused with the error of the system, since whether it waits is unknown; on Darwin that is so of /dev/tty
// and /dev/null. Nor does Darwin tell the readers of a FIFO with a name that its last writer has closed it, for
// which reason package os does not watch those there. The write end of a pipe that is watched for reading only
// tells of its reader's end on some of them.
type kqueuer struct {
	noOperations

	os kqueueOS
	kqueueTraits

	mu     sync.Mutex
	closed bool // the rest is guarded by mu
	byFD   map[int]*knote
	byPID  map[int]*exitNote
	marks  uint32
	batch  uint64    // counts the calls of report
	asleep bool      // a Wait asks with a timeout
	kicked bool      // the waking event is pending
	woken  bool      // a Wake is not yet consumed
	change [4]kevent // scratch of apply

	ended   []*kprocess // reported in each turn
	owed    []*kprocess // reported before the kernel is asked again
	turning bool        // the turn note is registered

	raw []kevent // used by Wait only
}

// kqueueOS is what kqueuer needs of the system. Calls with changes, and kickPipe, are made under
// kqueuer.mu; calls with events by Wait alone.
type kqueueOS interface {
	// kevent is kevent(2): changes, or events with a timeout, negative for none.
	kevent(changes, events []kevent, timeout time.Duration) (int, error)
	// fileType is the S_IFMT part of what fstat(2) says, and of a FIFO the O_ACCMODE part of its flags.
	fileType(fd int) (kind uint32, access int, err error)
	// exited tells of a process that kevent did not find whether it is one that has ended and
	// is not collected.
	exited(pid int) (ExitState, bool)
	// kickPipe writes to the pipe, drainPipe empties it.
	kickPipe() error
	drainPipe()
	close() error
}

// kqueueTraits is what differs between the systems.
type kqueueTraits struct {
	fd         int    // the kqueue
	pipe       [2]int // both ends of a non-blocking pipe, where there is no EVFILT_USER; else -1
	exitStatus uint32 // NOTE_EXITSTATUS where it must be asked for, else 0
}

// kevent is struct kevent with fields that are the same everywhere.
type kevent struct {
	ident  uint64
	filter kfilter
	flags  uint32
	fflags uint32
	data   int64
	mark   uint32 // in udata
}

// kfilter is a filter, independent of the number it has on a system.
type kfilter uint8

const (
	filterRead kfilter = iota
	filterWrite
	filterProc
	filterUser
	filterOther
)

// Flags and notes of kevent(2), the same on all systems.
const (
	evAdd       = 0x1
	evDelete    = 0x2
	evEnable    = 0x4
	evOneshot   = 0x10
	evClear     = 0x20
	evError     = 0x4000
	evEOF       = 0x8000
	noteTrigger = 0x1000000
	noteExit    = 0x80000000
)

// The idents of the user events.
const (
	wakeIdent = iota
	turnIdent
)

// knote is one registration. All fields are guarded by kqueuer.mu.
type knote struct {
	fd       int
	mark     uint32
	tag      Tag
	interest Mode
	trigger  Trigger
	fifo     bool
	have     Mode // the filters that the kernel has; Edge: the armed ones
	refused  Mode // directions that the descriptor does not have
	access   int  // of a FIFO, as open(2) has it: some systems have one way to and fro all the same
	broken   bool // the filter for reading stands for writing too: nobody reads this FIFO any more
	batch    uint64
	at       int // in batch, the index of its event
}

func newKqueuer(sys kqueueOS, traits kqueueTraits) (*kqueuer, error) {
	p := &kqueuer{os: sys, kqueueTraits: traits, byFD: make(map[int]*knote), byPID: make(map[int]*exitNote)}
	wake := kevent{ident: wakeIdent, filter: filterUser, flags: evAdd | evClear}
	if p.pipe[0] >= 0 {
		wake = kevent{ident: uint64(p.pipe[0]), filter: filterRead, flags: evAdd}
	}
	if err := p.apply(wake); err != nil {
		sys.close()
		return nil, err
	}
	return p, nil
}

func (p *kqueuer) Name() string { return "kqueue" }

func (p *kqueuer) FD() uintptr { return uintptr(p.fd) }

// apply makes changes. The caller holds mu.
func (p *kqueuer) apply(changes ...kevent) error {
	list := p.change[:copy(p.change[:], changes)]
	_, err := p.os.kevent(list, nil, 0)
	if errors.Is(err, unix.EINTR) {
		// All changes are made before the system looks for events, which is when a signal may come
		// (kevent(2) of FreeBSD). Made again, an EV_DELETE would find nothing.
		return nil
	}
	return os.NewSyscallError("kevent", err)
}

func (p *kqueuer) Add(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	kind, access, err := p.os.fileType(fd)
	if err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if kind == unix.S_IFREG || kind == unix.S_IFDIR {
		return ErrAlwaysReady
	}
	if e := p.byFD[fd]; e != nil && !p.forgotten(e) {
		return os.NewSyscallError("register", unix.EEXIST)
	}
	e := p.newNote(fd, tag, interest, trigger)
	e.fifo, e.access = kind == unix.S_IFIFO, access
	if err := p.attach(e, interest); err != nil {
		return err
	}
	p.byFD[fd] = e
	return nil
}

func (p *kqueuer) newNote(fd int, tag Tag, interest Mode, trigger Trigger) *knote {
	p.marks++
	return &knote{fd: fd, mark: p.marks, tag: tag, interest: interest, trigger: trigger}
}

// forgotten reports whether the kernel has dropped the filters of e because its descriptor was
// closed, and forgets it then. The caller holds mu.
func (p *kqueuer) forgotten(e *knote) bool {
	for _, m := range [...]Mode{Read, Write} {
		if e.have&m != 0 && p.apply(e.change(m, evEnable)) == nil {
			return false
		}
	}
	if e.have == 0 { // a report has used up its filters, so there is nothing to ask for
		return false
	}
	delete(p.byFD, e.fd)
	return true
}

func (p *kqueuer) Modify(fd int, tag Tag, interest Mode, trigger Trigger) error {
	if err := checkRegistration(tag, interest, trigger); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	old := p.byFD[fd]
	if old == nil {
		return os.NewSyscallError("register", unix.ENOENT)
	}
	had := old.have
	if err := p.detach(old); err != nil {
		delete(p.byFD, fd)
		return err
	}
	e := p.newNote(fd, tag, interest, trigger)
	e.fifo, e.access = old.fifo, old.access
	if err := p.attach(e, interest); err != nil {
		return errors.Join(err, p.attach(old, had))
	}
	p.byFD[fd] = e
	return nil
}

func (p *kqueuer) Remove(fd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	e := p.byFD[fd]
	if e == nil {
		return os.NewSyscallError("register", unix.ENOENT)
	}
	delete(p.byFD, fd)
	return p.detach(e)
}

func (p *kqueuer) Arm(fd int, mode Mode) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	e := p.byFD[fd]
	if e == nil {
		return os.NewSyscallError("register", unix.ENOENT)
	}
	// A filter that has fired counts as armed until Wait reports it, which is still to come.
	mode &= e.interest &^ e.refused &^ e.have
	if e.trigger == Level || mode == 0 {
		return nil
	}
	return p.attach(e, mode)
}

// attach gives the kernel the filters of e for mode. The caller holds mu.
func (p *kqueuer) attach(e *knote, mode Mode) error {
	flags := uint32(evAdd)
	if e.trigger == Edge {
		flags |= evOneshot
	}
	if e.fifo && e.access == unix.O_RDONLY && e.interest == Read|Write {
		// Its other direction would only tell the same, and as something else.
		e.refused = Write
		mode &= Read
	}
	if mode == Read|Write {
		if p.apply(e.change(Read, flags), e.change(Write, flags)) == nil {
			e.have |= mode
			return nil
		}
		p.remark(e)
	}
	var refusal error
	for _, m := range [...]Mode{Read, Write} {
		if mode&m == 0 {
			continue
		}
		err := p.apply(e.change(m, flags))
		if m == Write && e.fifo && (errors.Is(err, unix.EPIPE) || errors.Is(err, unix.EBADF)) {
			// So do the systems refuse a pipe that nobody reads any more; NetBSD says EBADF. Its
			// other filter has an EOF to report.
			e.broken = true
			p.remark(e)
			m, err = Read, p.apply(e.change(Read, flags))
		}
		switch {
		case err == nil:
			e.have |= m
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENODEV), errors.Is(err, unix.EOPNOTSUPP):
			// As for writing to a FIFO that is open for reading: the call would fail at once, so
			// nobody can wait for it.
			e.refused |= m
			refusal = err
		default:
			return errors.Join(err, p.detach(e))
		}
	}
	if e.refused == e.interest {
		return refusal
	}
	return nil
}

// remark comes before a filter is added that may have been added before: a Wait may have collected the
// event of the first one, which is not to use the second one up. That would stay with the kernel, and
// for good make a one-shot of a Level registration that follows. The kernel has no other filter of e. The
// caller holds mu.
func (p *kqueuer) remark(e *knote) {
	p.marks++
	e.mark = p.marks
}

// detach takes the filters of e from the kernel. The caller holds mu.
func (p *kqueuer) detach(e *knote) error {
	var errs error
	for _, m := range [...]Mode{Read, Write} {
		if e.have&m == 0 {
			continue
		}
		err := p.apply(e.change(m, evDelete))
		if e.trigger == Edge && errors.Is(err, unix.ENOENT) {
			err = nil // it has fired, and waits for mu to be reported
		}
		errs = errors.Join(errs, err)
	}
	e.have = 0
	return errs
}

// change is a change of e's filter for m.
func (e *knote) change(m Mode, flags uint32) kevent {
	k := kevent{ident: uint64(e.fd), filter: filterRead, flags: flags, mark: e.mark}
	if m == Write {
		k.filter = filterWrite
	}
	return k
}

func (p *kqueuer) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	p.byFD, p.byPID, p.ended, p.owed = nil, nil, nil, nil
	return p.os.close()
}

// remove takes x out of list, keeping the order.
func remove[T comparable](list []T, x T) []T {
	return slices.DeleteFunc(list, func(y T) bool { return y == x })
}
