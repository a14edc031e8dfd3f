package dispatch

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
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
	// ErrFDClosed after CloseFD, ErrClosed after Close. After CloseFD the number
	// may belong to another file already.
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

	count  atomic.Int32 // watches, changed under mu
	open   atomic.Int32 // registered descriptors that the poller may report
	always atomic.Int32 // registered descriptors that are always ready
}

// slot is one registered descriptor.
type slot struct {
	fd     FD
	gen    uint32 // counts the uses of the slot, so that late events are told apart
	used   bool
	always bool       // a regular file, which the poller refuses
	have   poll.Mode  // what the poller watches, in callback mode
	latch  seam.Latch // not nil: operation mode
	reads  []*Watch   // in order of insertion
	writes []*Watch
}

// Watch is a callback on a descriptor. It is made by [Dispatcher.AddRead] and
// [Dispatcher.AddWrite].
type Watch struct {
	d      *Dispatcher
	cb     func(FDEvent) bool
	fd     FD
	slot   uint32 // guarded by io.mu, as what follows
	write  bool
	queued bool // in the FIFO
	ended  bool // the callback will not be called again, but for err
	err    error
}

func (s *slot) tag(i uint32) poll.Tag { return poll.Tag(s.gen)<<32 | poll.Tag(i) }

// add registers fd in a new slot. The io mutex is held.
func (d *Dispatcher) add(fd FD) (uint32, error) {
	x := &d.io
	if i, ok := x.byFD[fd]; ok {
		if x.slots[i].latch != nil {
			return 0, ErrMode
		}
		return 0, ErrRegistered
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != open {
		return 0, ErrClosed
	}
	if x.poller == nil {
		p, err := poll.Open(d.pollConfig())
		if err != nil {
			return 0, err
		}
		x.poller = p
		x.byFD = make(map[FD]uint32)
	}
	var i uint32
	if n := len(x.free); n > 0 {
		i = x.free[n-1]
		x.free = x.free[:n-1]
	} else {
		i = uint32(len(x.slots))
		x.slots = append(x.slots, slot{})
	}
	x.byFD[fd] = i
	x.slots[i] = slot{fd: fd, gen: x.slots[i].gen + 1, used: true}
	x.open.Add(1)
	d.wake() // a loop that sleeps on its channel has to sleep in the poller from now on
	return i, nil
}

func (d *Dispatcher) pollConfig() poll.Config {
	c := poll.Config{Backend: d.cfg.Backend, Wait: poll.Auto}
	if d.cfg.Wait == WaitBlock {
		c.Wait = poll.Block
	}
	return c
}

// drop frees a slot and returns the watches it had. The io mutex is held.
func (d *Dispatcher) drop(i uint32) []*Watch {
	x := &d.io
	s := &x.slots[i]
	if s.have != 0 || s.latch != nil {
		// It fails only where the descriptor was closed behind our back.
		_ = x.poller.Remove(int(s.fd))
	}
	if s.always {
		x.always.Add(-1)
	}
	watches := slices.Concat(s.reads, s.writes)
	x.count.Add(-int32(len(watches)))
	delete(x.byFD, s.fd)
	x.slots[i] = slot{gen: s.gen}
	x.free = append(x.free, i)
	x.open.Add(-1)
	return watches
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
// while fd stays readable, whatever the backend. All callbacks of a descriptor run, in the order
// they were added in. Regular files are always ready.
//
// When the descriptor or the dispatcher is closed the callback runs once more, with
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
	if s.latch != nil {
		return nil, ErrMode
	}
	w := &Watch{d: d, cb: cb, fd: fd, slot: i, write: write}
	list := s.list(write)
	*list = append(*list, w)
	if err := d.update(i); err != nil {
		*list = (*list)[:len(*list)-1]
		return nil, err
	}
	x.count.Add(1)
	return w, nil
}

func (s *slot) list(write bool) *[]*Watch {
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
	if s.always && want != 0 {
		d.interrupt()
	}
	if s.always || want == s.have {
		return nil
	}
	var err error
	switch {
	case s.have == 0:
		err = x.poller.Add(int(s.fd), s.tag(i), want, poll.Level)
		if errors.Is(err, poll.ErrAlwaysReady) {
			s.always = true
			x.always.Add(1)
			d.interrupt()
			return nil
		}
	case want == 0:
		err = x.poller.Remove(int(s.fd))
	default:
		err = x.poller.Modify(int(s.fd), s.tag(i), want, poll.Level)
	}
	if err == nil {
		s.have = want
	}
	return err
}

// Stop ends the watch and reports whether it was still going on; the callback does not run
// any more then.
func (w *Watch) Stop() bool {
	x := &w.d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	return w.stop()
}

func (w *Watch) stop() bool {
	if w.ended {
		return false
	}
	w.ended = true
	x := &w.d.io
	list := x.slots[w.slot].list(w.write)
	*list = slices.DeleteFunc(*list, func(o *Watch) bool { return o == w })
	x.count.Add(-1)
	w.d.mu.Lock()
	w.d.gone()
	w.d.mu.Unlock()
	// To watch less cannot fail, but where the descriptor was closed behind our back.
	_ = w.d.update(w.slot)
	return true
}

// RunReady makes the FIFO call a watch.
func (w *watchRun) RunReady() {
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
	if w.cb(FDEvent{w.fd, err}) && err == nil {
		(*Watch)(w).Stop()
	}
}

// watchRun is a Watch as the FIFO sees it.
type watchRun Watch

// end ends watches with err, in the FIFO. The io mutex is held.
func (d *Dispatcher) end(watches []*Watch, err error) {
	for _, w := range watches {
		w.ended, w.err = true, err
		if !w.queued {
			w.queued = true
			d.mu.Lock()
			d.push((*watchRun)(w))
			d.mu.Unlock()
		}
	}
}

// CloseFD closes a registered descriptor and forgets it. Its watches run once more,
// with FDEvent.Err set to ErrFDClosed. It returns ErrNotRegistered, ErrMode if
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
	if x.slots[i].latch != nil {
		return ErrMode
	}
	d.end(d.drop(i), ErrFDClosed)
	return poll.CloseFD(int(fd))
}

// hit is an event whose slot has been found.
type hit struct {
	latch seam.Latch
	ready poll.Mode
	hup   bool
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
	n, err := d.io.poller.Wait(d.events[:], time.Duration(wait))
	if n == 0 {
		return err
	}
	x := &d.io
	x.mu.Lock()
	for i := range d.events[:n] {
		e := &d.events[i]
		s := &x.slots[uint32(e.Tag)]
		switch {
		case s.gen != uint32(e.Tag>>32) || !s.used: // its descriptor is gone
		case s.latch != nil:
			d.hits = append(d.hits, hit{s.latch, e.Ready, e.Hup || e.Err || e.Urgent})
		default:
			if e.Ready&poll.Read != 0 {
				d.queue(s.reads)
			}
			if e.Ready&poll.Write != 0 {
				d.queue(s.writes)
			}
		}
	}
	x.mu.Unlock()
	for i := range d.hits {
		h := &d.hits[i]
		h.latch.Ready(h.ready&poll.Read != 0, h.ready&poll.Write != 0, h.hup)
		*h = hit{}
	}
	d.hits = d.hits[:0]
	return err
}

// queue puts watches into the FIFO. The io mutex is held.
func (d *Dispatcher) queue(watches []*Watch) {
	for _, w := range watches {
		if !w.queued {
			w.queued = true
			d.enqueue((*watchRun)(w))
		}
	}
}

// readyAlways puts the watches of regular files into the FIFO.
func (x *io) readyAlways(d *Dispatcher) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.slots {
		if s := &x.slots[i]; s.always {
			d.queue(s.reads)
			d.queue(s.writes)
		}
	}
}
