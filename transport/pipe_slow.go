package transport

import (
	"context"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// slowFile is a file that no poller takes, or that must not be taken out of blocking mode. Its system
// calls are made by core.Blocking, one at a time in each direction.
type slowFile struct {
	d      *dispatch.Dispatcher
	h      slowHandle
	rd, wr slowSide

	mu   sync.Mutex
	shut bool // h is closed, or is to be
	gone bool // h is closed
	used int  // by so many functions of control, so h must stay open
}

// slowSide is one direction of a slowFile: those who wait for their turn.
type slowSide struct {
	file   *slowFile
	writes bool

	mu       sync.Mutex // guards what follows; before that of the file
	queue    park.Queue[struct{}]
	busy     bool // a call has its turn
	err      error
	late     bool // the deadline has passed
	deadline time.Time
	wake     func() // has the call that waits in the system look again; nil: none does
}

func newSlowFile(d *dispatch.Dispatcher, h slowHandle) *slowFile {
	f := &slowFile{d: d, h: h}
	f.rd.file, f.wr.file = f, f
	f.wr.writes = true
	return f
}

func (f *slowFile) side(write bool) *slowSide {
	if write {
		return &f.wr
	}
	return &f.rd
}

// take gives a call its turn.
func (s *slowSide) take(*struct{}) (bool, error) {
	if err := s.failed(); err != nil {
		return true, err
	}
	if s.busy {
		return false, nil
	}
	s.busy = true
	return true, nil
}

// failed returns why no call may go on. The mutex is held.
func (s *slowSide) failed() error {
	if s.err != nil {
		return s.err
	}
	if !s.late && !s.deadline.IsZero() && !s.file.d.Now().Before(s.deadline) {
		s.late = true
	}
	if s.late {
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (s *slowSide) alive() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// call has work run by core.Blocking when its turn has come.
func (s *slowSide) call(ctx context.Context, work func(ctx context.Context) (int, error)) (int, error) {
	if ctx == ownCtx {
		ctx = context.Background()
		if g := park.Current(); g != nil && g.Host != nil {
			ctx = g.Host.Context()
		}
	}
	if _, err := s.queue.Wait(ctx, &s.mu, struct{}{}, s.take); err != nil {
		return 0, err
	}
	type result struct { // Blocking returns no value with an error
		n   int
		err error
	}
	r, err := blocking(ctx, func(ctx context.Context) (r result, err error) {
		defer s.free()
		r.n, r.err = work(ctx)
		return r, nil
	}, s.free, func(result) {})
	if err != nil {
		return 0, err
	}
	return r.n, r.err
}

// free gives the turn to the next one.
func (s *slowSide) free() {
	s.mu.Lock()
	s.busy = false
	s.queue.Settle(s.take)
	s.mu.Unlock()
	_ = s.file.release() // there is nobody to tell
}

// over returns why the call that has its turn must not wait any more, and else has wake called when it should
// look again.
func (s *slowSide) over(ctx context.Context, wake func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.failed()
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		s.wake = wake
	}
	return err
}

// awake says that the call does not wait any more.
func (s *slowSide) awake() {
	s.mu.Lock()
	s.wake = nil
	s.mu.Unlock()
}

// remains returns how long it is to the deadline, if there is one.
func (s *slowSide) remains() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deadline.Sub(s.file.d.Now()), !s.deadline.IsZero()
}

// stir has those who wait look again. The mutex is held.
func (s *slowSide) stir() {
	s.queue.Settle(s.take)
	if s.wake != nil {
		s.wake()
	}
}

// ring hears that a deadline may have passed.
func (s *slowSide) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stir()
}

func (s *slowSide) setDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.late, s.deadline = false, t
	s.file.h.setDeadline(s.writes, t)
	s.stir()
	return nil
}

func (f *slowFile) setDeadline(t time.Time) error {
	if err := f.rd.setDeadline(t); err != nil {
		return err
	}
	return f.wr.setDeadline(t)
}

// end ends a side, and reports whether that was new.
func (s *slowSide) end() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false
	}
	s.err = net.ErrClosed
	s.stir()
	return true
}

func (f *slowFile) close() error {
	if !f.rd.end() {
		return net.ErrClosed
	}
	f.wr.end()
	f.mu.Lock()
	f.shut = true
	f.mu.Unlock()
	return f.release()
}

// release closes the descriptor once the file is shut and nobody is inside a system call on it.
func (f *slowFile) release() error {
	if f.rd.isBusy() || f.wr.isBusy() {
		return nil
	}
	f.mu.Lock()
	now := f.shut && !f.gone && f.used == 0
	f.gone = f.gone || now
	f.mu.Unlock()
	if !now {
		return nil
	}
	return f.h.close()
}

func (s *slowSide) isBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy
}

// control calls fn with the descriptor, which stays open meanwhile, also if it is closed. No mutex is held.
func (f *slowFile) control(fn func(fd uintptr)) error {
	f.mu.Lock()
	shut := f.shut
	if !shut {
		f.used++
	}
	f.mu.Unlock()
	if shut {
		return net.ErrClosed
	}
	defer func() {
		f.mu.Lock()
		f.used--
		f.mu.Unlock()
		_ = f.release() // there is nobody to tell
	}()
	return f.h.control(fn)
}
