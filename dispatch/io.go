package dispatch

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// FD is a descriptor of the operating system.
type FD uintptr

// FDEvent is what a watch is told.
type FDEvent struct {
	FD FD // the descriptor
	// Err is nil when the descriptor is ready. Otherwise the watch has ended:
	// ErrFDClosed after CloseFD, ErrNotRegistered after Unregister, ErrClosed after Close.
	// After CloseFD the number may belong to another file already.
	Err error
}

// io is what a dispatcher knows of descriptors.
type io struct {
	// mu guards the fields below, and comes before Dispatcher.mu. No callback runs
	// while it is held.
	mu     sync.Mutex
	poller poll.Poller // opened by the first Register; replaced under Dispatcher.mu too
	slots  []slot
	free   []uint32 // unused slots
	byFD   map[FD]uint32

	ops    atomic.Int32 // operations in flight
	count  atomic.Int32 // watches, changed under mu
	open   atomic.Int32 // slots in use, which the poller may report
	always []uint32     // slots of descriptors that are always ready and have watches
	forced atomic.Int32 // how many those are
	procs  int          // watches of processes
}

// slot is one registered descriptor, or a process.
type slot struct {
	fd     FD
	gen    uint32 // counts the uses of the slot, so that late events are told apart
	used   bool
	always bool       // a regular file, which the poller refuses
	have   poll.Mode  // what the poller watches, in callback mode
	latch  seam.Latch // hears of edges; not nil: operation mode
	ops    opSet      // not nil: operation mode, by an Op and not by package transport
	reads  []*fdWatch // in order of insertion
	writes []*fdWatch
	proc   *procWatch // not nil: a process, and fd means nothing
}

// fdWatch is a callback on a descriptor.
type fdWatch struct {
	Watch
	d      *Dispatcher
	cb     func(FDEvent) bool
	fd     FD
	slot   uint32 // guarded by io.mu, as what follows
	write  bool
	queued bool // in the FIFO
	ended  bool // the callback will not be called again, but for err
	err    error
}

// foreign reports whether package transport uses the descriptor.
func (s *slot) foreign() bool { return s.latch != nil && s.ops == nil }

func (s *slot) tag(i uint32) poll.Tag { return poll.Tag(s.gen)<<32 | poll.Tag(i) }

// add registers fd in a new slot. The io mutex is held.
func (d *Dispatcher) add(fd FD) (uint32, error) {
	x := &d.io
	if !poll.Valid(uintptr(fd)) {
		return 0, os.NewSyscallError("register", syscall.EBADF)
	}
	if i, ok := x.byFD[fd]; ok {
		if x.slots[i].foreign() {
			return 0, ErrMode
		}
		return 0, ErrRegistered
	}
	i, err := d.claim(slot{fd: fd})
	if err == nil {
		x.byFD[fd] = i
	}
	return i, err
}

// claim puts s into an unused slot. The io mutex is held.
func (d *Dispatcher) claim(s slot) (uint32, error) {
	x := &d.io
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != open {
		return 0, ErrClosed
	}
	if err := d.openPoller(); err != nil {
		return 0, err
	}
	var i uint32
	if n := len(x.free); n > 0 {
		i = x.free[n-1]
		x.free = x.free[:n-1]
	} else {
		i = uint32(len(x.slots))
		x.slots = append(x.slots, slot{})
	}
	s.gen, s.used = x.slots[i].gen+1, true
	x.slots[i] = s
	x.open.Add(1)
	d.wake() // a loop that sleeps on its channel has to sleep in the poller from now on
	return i, nil
}

// openPoller opens the native poller if that has not been done. Both mutexes are held.
func (d *Dispatcher) openPoller() error {
	x := &d.io
	if x.poller != nil {
		return nil
	}
	p, err := poll.Open(d.pollConfig())
	if err != nil {
		return err
	}
	x.poller = p
	x.byFD = make(map[FD]uint32)
	return nil
}

func (d *Dispatcher) pollConfig() poll.Config {
	c := poll.Config{Backend: d.cfg.Backend, Wait: poll.Auto}
	if d.cfg.Wait == WaitBlock {
		c.Wait = poll.Block
	}
	return c
}

// drop frees a slot and ends the watches and operations it had with err. The io mutex is held.
func (d *Dispatcher) drop(i uint32, err error) {
	x := &d.io
	s := &x.slots[i]
	if s.ops != nil {
		s.ops.shut(err)
	}
	switch {
	case s.proc != nil:
		s.proc.release()
	default:
		if s.have != 0 || s.latch != nil {
			// It fails only where the descriptor was closed behind our back.
			_ = x.poller.Remove(int(s.fd))
		}
		delete(x.byFD, s.fd)
	}
	x.force(i, false)
	watches := slices.Concat(s.reads, s.writes)
	x.count.Add(-int32(len(watches)))
	x.slots[i] = slot{gen: s.gen}
	x.free = append(x.free, i)
	x.open.Add(-1)
	d.end(watches, err)
}

// Register makes the dispatcher know the descriptor fd, which has to be in
// non-blocking mode, so that AddRead and AddWrite accept it. The dispatcher does not own
// it: see CloseFD. It returns ErrRegistered, ErrMode if package transport uses
// fd, ErrClosed, or the error of opening the native poller. That fd is no open descriptor
// is found by AddRead or AddWrite only.
func (d *Dispatcher) Register(fd FD) error {
	d.io.mu.Lock()
	defer d.io.mu.Unlock()
	_, err := d.add(fd)
	return err
}

// AddRead makes cb run whenever fd is readable, closed by its peer or broken, until it answers that
// it is done. A callback that is not done runs again each time the operating system is asked
// while fd stays readable, whatever the backend. All callbacks of a descriptor run, those of AddRead
// before those of AddWrite, and each kind in the order they were added in. Regular files are always
// ready. macOS cannot watch some devices, /dev/tty for one, and does not tell the readers of a FIFO
// that was opened by its name when the last writer closes it.
//
// When the descriptor or the dispatcher is closed, a callback that is not done runs once more, with
// FDEvent.Err set. AddRead returns ErrNotRegistered, ErrMode, ErrClosed, or the
// error of the native poller.
func (d *Dispatcher) AddRead(fd FD, cb func(FDEvent) (done bool)) (*Watch, error) {
	return d.watch(fd, cb, false)
}

// AddWrite is AddRead for writing.
func (d *Dispatcher) AddWrite(fd FD, cb func(FDEvent) (done bool)) (*Watch, error) {
	return d.watch(fd, cb, true)
}

func (d *Dispatcher) watch(fd FD, cb func(FDEvent) bool, write bool) (*Watch, error) {
	if cb == nil {
		panic("dispatch: nil callback")
	}
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	if d.ending() {
		return nil, ErrClosed
	}
	i, ok := x.byFD[fd]
	if !ok {
		return nil, ErrNotRegistered
	}
	s := &x.slots[i]
	if s.ops != nil && s.ops.leave() {
		if s.latch != nil {
			_ = x.poller.Remove(int(s.fd)) // it may not have come to be watched
		}
		s.ops, s.latch = nil, nil
		s.gen++ // an edge that is on its way is not for a watch
	}
	if s.latch != nil || s.ops != nil {
		return nil, ErrMode
	}
	w := &fdWatch{d: d, cb: cb, fd: fd, slot: i, write: write}
	w.of = w
	list := s.list(write)
	*list = append(*list, w)
	if err := d.update(i); err != nil {
		*list = (*list)[:len(*list)-1]
		return nil, err
	}
	x.count.Add(1)
	return &w.Watch, nil
}

func (s *slot) list(write bool) *[]*fdWatch {
	if write {
		return &s.writes
	}
	return &s.reads
}

// update tells the poller what slot i is to be watched for. The io mutex is
// held.
func (d *Dispatcher) update(i uint32) error {
	x := &d.io
	s := &x.slots[i]
	var want poll.Mode
	if len(s.reads) > 0 {
		want |= poll.Read
	}
	if len(s.writes) > 0 {
		want |= poll.Write
	}
	if s.always {
		if x.force(i, want != 0); want != 0 {
			d.interrupt()
		}
		return nil
	}
	if want == s.have {
		return nil
	}
	var err error
	switch {
	case s.have == 0:
		err = x.poller.Add(int(s.fd), s.tag(i), want, poll.Level)
		if errors.Is(err, poll.ErrAlwaysReady) {
			s.always = true
			x.force(i, true)
			d.interrupt()
			return nil
		}
	case want == 0:
		err = x.poller.Remove(int(s.fd))
		s.have = 0 // an error means that the system has forgotten the descriptor already
	default:
		err = x.poller.Modify(int(s.fd), s.tag(i), want, poll.Level)
	}
	if err == nil {
		s.have = want
	}
	return err
}

func (w *fdWatch) stop() bool {
	x := &w.d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	if w.ended {
		return false
	}
	w.ended = true
	list := x.slots[w.slot].list(w.write)
	*list = slices.DeleteFunc(*list, func(o *fdWatch) bool { return o == w })
	x.count.Add(-1)
	w.d.mu.Lock()
	w.d.gone()
	w.d.mu.Unlock()
	// To watch less cannot fail, but where the descriptor was closed behind our back.
	_ = w.d.update(w.slot)
	return true
}

// RunReady calls the callback, in the FIFO.
func (w *fdWatch) RunReady() {
	x := &w.d.io
	x.mu.Lock()
	w.queued = false
	if w.ended && w.err == nil {
		x.mu.Unlock()
		return
	}
	err := w.err
	w.err = nil
	x.mu.Unlock()
	if w.cb(FDEvent{w.fd, err}) && err == nil && !w.stop() {
		// It has ended its descriptor itself: done is done.
		x.mu.Lock()
		w.err = nil
		x.mu.Unlock()
	}
}

// end ends watches with err, in the FIFO. The io mutex is held.
func (d *Dispatcher) end(watches []*fdWatch, err error) {
	for _, w := range watches {
		w.ended, w.err = true, err
		if !w.queued {
			w.queued = true
			d.mu.Lock()
			d.push(w)
			d.mu.Unlock()
		}
	}
}

// CloseFD closes a registered descriptor and forgets it. Its watches run once more,
// with FDEvent.Err set to ErrFDClosed, and its operations end with that error. It returns ErrNotRegistered, ErrMode if
// package transport uses fd, or the error of the close, after which fd is forgotten
// all the same.
func (d *Dispatcher) CloseFD(fd FD) error {
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	i, ok := x.byFD[fd]
	if !ok {
		return ErrNotRegistered
	}
	if x.slots[i].foreign() {
		return ErrMode
	}
	d.drop(i, ErrFDClosed)
	return poll.CloseFD(int(fd))
}

// askNow asks the operating system without waiting.
func (d *Dispatcher) askNow() error {
	if d.io.open.Load() == 0 {
		return nil
	}
	return d.askWorld(0)
}

// askWorld asks the operating system, and puts what is ready into the FIFO.
func (d *Dispatcher) askWorld(wait int64) error {
	d.done.polls++
	n, err := d.io.poller.Wait(d.events[:], time.Duration(wait))
	if n == 0 {
		return err
	}
	for i := range d.events[:n] {
		e := &d.events[i]
		if p := e.Op; p != nil {
			e.Op = nil
			switch o := p.Owner.(type) {
			case *Op:
				o.port.Load().completed(o)
			case seam.Completer:
				d.io.open.Add(-1)
				o.Completed(p)
			}
			continue
		}
		if l := d.notice(e); l != nil {
			l.Ready(e.Ready&poll.Read != 0, e.Ready&poll.Write != 0, e.Hup || e.Err || e.Urgent)
		}
	}
	return err
}

// notice puts the watches that e is for into the FIFO, or returns the latch it is for.
func (d *Dispatcher) notice(e *poll.Event) seam.Latch {
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	s := &x.slots[uint32(e.Tag)]
	switch {
	case s.gen != uint32(e.Tag>>32) || !s.used: // its descriptor is gone
	case s.proc != nil:
		s.proc.exited()
		d.drop(uint32(e.Tag), nil)
	case s.latch != nil:
		return s.latch
	default:
		if e.Ready&poll.Read != 0 {
			d.queue(s.reads)
		}
		if e.Ready&poll.Write != 0 {
			d.queue(s.writes)
		}
	}
	return nil
}

// queue puts watches into the FIFO. The io mutex is held.
func (d *Dispatcher) queue(watches []*fdWatch) {
	for _, w := range watches {
		if !w.queued {
			w.queued = true
			d.enqueue(w)
		}
	}
	d.mu.Lock()
	d.count() // before somebody else can end a watch, which is pending no more then
	d.mu.Unlock()
}

// readyAlways puts the watches of regular files into the FIFO.
func (x *io) readyAlways(d *Dispatcher) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, i := range x.always {
		d.queue(x.slots[i].reads)
		d.queue(x.slots[i].writes)
	}
}

// force adds slot i to those that are ready whatever the poller says, or takes it out. The mutex is
// held.
func (x *io) force(i uint32, on bool) {
	at := slices.Index(x.always, i)
	switch {
	case on && at < 0:
		x.always = append(x.always, i)
	case !on && at >= 0:
		x.always = slices.Delete(x.always, at, at+1)
	}
	x.forced.Store(int32(len(x.always)))
}
