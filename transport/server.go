package transport

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// server is what the kinds of servers share: it takes in what there is to serve, knows how many are
// alive, and stops.
type server struct {
	d      *dispatch.Dispatcher            // of its task
	intake func(ctx context.Context) error // until ctx ends, with nil, or nothing can come any more
	shut   func()                          // nothing is taken in any more
	grace  time.Duration

	// What follows is for connections.
	l      *Listener
	limit  *xsync.Semaphore // nil: none
	berths []*berth         // where connections live
	least  bool             // the berth with the least gets the next one, not each in turn
	turn   int              // of berths

	// open takes a connection over that was accepted, on the loop of h. It has been counted as alive
	// until gone is called.
	open   func(h *berth, fd int, from *poll.SockAddr)
	report func(err error) // OnError of an error of accepting
	calmed func()          // or nil: the stop begins
	forced func(err error) // or nil: the grace is over, or it was cut short by err

	alive xsync.WaitGroup
	base  context.Context // of handlers
	stops stops
	calm  context.Context // ends when the stop begins
}

// berth is a dispatcher on which connections live.
type berth struct {
	d      *dispatch.Dispatcher
	alive  atomic.Int64
	events *eventLoop // or nil
}

// How long accepting pauses after an error.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

func newServer(l *Listener, limit int, grace time.Duration) *server {
	s := &server{d: l.sock.d, l: l, grace: grace, berths: []*berth{{d: l.sock.d}}}
	s.intake = s.acceptAll
	s.shut = func() { _ = l.Close() } // an error says that it is
	if limit > 0 {
		s.limit = xsync.NewSemaphore(limit)
	}
	return s
}

// serve runs the server until ctx has ended.
func (s *server) serve(ctx context.Context) error {
	t := core.Start(core.On(ctx, s.d), s.run)
	err := t.Wait(core.Shield(ctx))
	s.shut() // where run has not
	if err == nil && ctx.Err() == nil {
		return dispatch.ErrClosed // nothing else has canceled the task
	}
	return err
}

// run is the task of the server.
func (s *server) run(ctx context.Context) error {
	base, cancel := core.WithCancel(core.Detach(ctx))
	defer cancel()
	calm, begin := core.WithCancel(base)
	defer begin()
	s.base, s.calm = base, calm
	err := s.intake(ctx)
	s.shut()
	begin()
	s.stops.begin()
	if s.calmed != nil {
		s.calmed()
	}
	late := s.wait(ctx)
	cancel()
	if s.forced != nil {
		s.forced(late)
	}
	err = errors.Join(err, late)
	return errors.Join(err, s.alive.Wait(core.Shield(ctx)))
}

// wait waits for the end of all handlers, as long as the grace lasts.
func (s *server) wait(ctx context.Context) error {
	if s.grace == 0 {
		return nil
	}
	limited := core.Shield(ctx)
	if s.grace > 0 {
		var cancel context.CancelFunc
		limited, cancel = core.ShieldTimeout(ctx, s.grace)
		defer cancel()
	}
	switch err := s.alive.Wait(limited); err {
	case nil:
		if s.d.Post(func() {}) != nil {
			return dispatch.ErrClosed // which has canceled them
		}
		return nil
	case context.DeadlineExceeded:
		n := 0
		for _, h := range s.berths {
			n += int(h.alive.Load())
		}
		return &StopError{Canceled: n, Grace: s.grace}
	case context.Canceled:
		return dispatch.ErrClosed // before the time was over
	default:
		return err
	}
}

// acceptAll accepts connections until ctx ends, and returns nil, or until the listener is closed.
func (s *server) acceptAll(ctx context.Context) error {
	pause := time.Duration(0)
	for {
		if s.limit != nil && s.limit.Acquire(ctx) != nil {
			return nil
		}
		fd, from, err := s.accept(ctx)
		if err == nil {
			pause = 0
			s.hand(fd, from)
			continue
		}
		if s.limit != nil {
			s.limit.Release()
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed), errors.Is(err, dispatch.ErrClosed):
			return err
		}
		s.report(err)
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		if core.Sleep(ctx, pause) != nil {
			return nil
		}
	}
}

// accept waits for the next connection.
func (s *server) accept(ctx context.Context) (fd int, from poll.SockAddr, err error) {
	if err := ctx.Err(); err != nil {
		return -1, from, err
	}
	x := newExtra()
	defer x.free()
	fd, err = s.l.acceptFD(ctx, x)
	return fd, x.sys.Addr, err
}

// hand gives a new connection to a dispatcher.
func (s *server) hand(fd int, from poll.SockAddr) {
	h := s.berths[s.turn%len(s.berths)]
	s.turn++
	if s.least {
		for i := range s.berths { // from the next in turn on, for those that are equal
			if other := s.berths[(s.turn-1+i)%len(s.berths)]; other.alive.Load() < h.alive.Load() {
				h = other
			}
		}
	}
	s.alive.Add(1)
	h.alive.Add(1)
	if h.d == s.d {
		s.open(h, fd, &from)
		return
	}
	if h.d.Post(func() { s.open(h, fd, &from) }) != nil {
		_ = sysClose(fd)
		s.gone(h)
	}
}

// gone tells that a connection is closed and forgotten.
func (s *server) gone(h *berth) {
	h.alive.Add(-1)
	if s.limit != nil {
		s.limit.Release()
	}
	s.alive.Done()
}

// meant reports whether err, of a handler with ctx, only says that the server stops.
func (s *server) meant(ctx context.Context, err error) bool {
	if ctx.Err() == nil && s.calm.Err() == nil {
		return false
	}
	var p *core.PanicError
	return !errors.As(err, &p) && (errors.Is(err, context.Canceled) || errors.Is(err, dispatch.ErrClosed))
}
