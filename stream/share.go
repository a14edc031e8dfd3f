package stream

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Share is a stream whose sinks share one run of s. It begins with the first sink that runs it, and
// ends when the last of them has: that one stops s and waits for its end. A sink that comes
// while the run goes on gets the values from then on. One that comes when s has ended, or is
// being stopped, waits until the others are done, and begins another run.
//
// The policy is that all sinks get every value, in order, and its end: the slowest one holds
// up s and the others. A sink that is done, canceled or stopped is out, and holds up nobody. To
// let others go ahead, or to lose values rather than to hold them up, put a [Buffer] in front
// of the slow one. For readers that may lag, each at its own place in a log, there is
// event.AsyncEventQueue.
//
// s runs on a task of its own, where the first sink would start one, and with the values of its
// ctx, but not its end: it is canceled by the last sink to leave, and when its dispatcher closes.
// It is one value ahead of the slowest sink, and holds another one. A panic of s leaves every sink
// that is there. The sinks get the same value: what it points to is not theirs to change.
//
// [Tee] is for a known number of sinks of which none may miss a value.
func Share[T any](s Stream[T]) Stream[T] {
	needStream("Share", s)
	return &hub[T]{src: s, need: 1, late: true}
}

// Tee is a stream that n sinks run at the same time, each of which gets all values of s, in one run of
// it: that begins when all n are there. A sink that comes later waits until all are done, and is
// the first of another run. The rest is as with [Share]: the slowest sink holds up s and the
// others, one that is done is out.
//
// The sinks may be stages of one pipeline that meet again:
//
//	both := stream.Tee(s, 2)
//	pairs := stream.Zip(stream.Map(both, f), stream.Map(both, g), join)
//
// Sinks that run one after the other wait for each other for ever, and so do those that wait for one that never comes,
// because its ctx has ended before: let them run in one core.WithGroup, so that its end is that of all. Tee panics if
// n is less than 1.
func Tee[T any](s Stream[T], n int) Stream[T] {
	needStream("Tee", s)
	if n < 1 {
		panic(fmt.Sprintf("stream: tee of %d", n))
	}
	return &hub[T]{src: s, need: n}
}

// The phases of a hub.
type phase uint8

const (
	gathering phase = iota // no run; becomes running when enough subscribers are there
	running                // becomes drained at the end of the source, closing with the last subscriber
	drained                // the source has ended, subscribers are left; becomes closing
	closing                // the last one waits for the end of the task; becomes gathering
)

// hub hands the values of one run to its subscribers.
type hub[T any] struct {
	src  Stream[T]
	need int  // subscribers with which a run begins
	late bool // others may join it

	mu       sync.Mutex
	phase    phase
	subs     int // subscribers
	task     *core.Task
	cur      T   // the latest value
	seq      int // its number
	pending  int // subscribers that have not taken it
	end      error
	panicked *core.PanicError
	seats    xsync.WaitQueue[*subscriber[T]] // until there is a place
	readers  xsync.WaitQueue[*subscriber[T]] // until there is a value they have not seen
	source   xsync.WaitQueue[T]              // until nothing is pending
}

// subscriber is one sink.
type subscriber[T any] struct {
	v   T
	seq int // of the latest value it has taken
}

func (h *hub[T]) run(ctx context.Context, emit func(T) error) (err error) {
	// Where nobody can wait nobody may join: the last one to leave has to wait, and what would be
	// left of the run by one that panics there is in the way of all others.
	park.Self()
	s := new(subscriber[T])
	if _, err := h.seats.Wait(ctx, &h.mu, s, h.sit); err != nil {
		return err
	}
	returned := false
	defer func() {
		if p := h.leave(ctx, s); p != nil && returned {
			panic(p)
		}
	}()
	if err = h.begin(ctx); err == nil {
		err = h.drain(ctx, s, emit)
	}
	returned = true
	return err
}

// sit is the take function of seats.
func (h *hub[T]) sit(s **subscriber[T]) (bool, error) {
	if h.phase == gathering && h.subs < h.need || h.phase == running && h.late {
		h.subs++
		(*s).seq = h.seq
		return true, nil
	}
	return false, nil
}

// begin starts the source if all are there and nobody else does.
func (h *hub[T]) begin(ctx context.Context) error {
	h.mu.Lock()
	if h.phase != gathering || h.subs < h.need {
		h.mu.Unlock()
		return nil
	}
	h.phase = running
	h.seats.Settle(h.sit)
	h.mu.Unlock()
	task, err := launch(core.Detach(ctx), h.drive)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.task = task
	if err != nil {
		h.over(err)
	}
	return err
}

// drive is the work of the task of the source.
func (h *hub[T]) drive(ctx context.Context) error {
	err, returned := core.ErrGoexit, false
	defer func() {
		var pe *core.PanicError
		if !returned {
			if p := recover(); p != nil {
				var ok bool
				if pe, ok = p.(*core.PanicError); !ok {
					pe = &core.PanicError{Value: p, Stack: debug.Stack()}
				}
			}
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		h.panicked = pe
		h.over(err)
	}()
	err2 := h.src.run(ctx, func(v T) error { return h.give(ctx, v) })
	if err = err2; err == nil {
		err = errEnd
	}
	returned = true
	return nil
}

// over is the end of the source, behind what is pending.
func (h *hub[T]) over(end error) {
	if h.phase == running {
		h.phase, h.end = drained, end
	}
	h.readers.Fail(-1, end)
}

// give waits until all have taken the value before.
func (h *hub[T]) give(ctx context.Context, v T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	if h.phase != running { // all have left, and the cancel is on its way: the next run is not to find v
		h.mu.Unlock()
		return errClosed
	}
	if h.pending > 0 {
		_, err := h.source.WaitLocked(ctx, &h.mu, v, nil)
		return err
	}
	h.set(v)
	h.mu.Unlock()
	return nil
}

// set makes v the latest value, and hands it to those who wait.
func (h *hub[T]) set(v T) {
	h.cur, h.pending = v, h.subs
	h.seq++
	for s := h.readers.First(); s != nil; s = h.readers.First() {
		h.take(*s)
		h.readers.Grant()
	}
}

func (h *hub[T]) take(s *subscriber[T]) {
	s.v, s.seq = h.cur, h.seq
	if h.pending--; h.pending == 0 {
		var zero T
		h.cur = zero
	}
}

// proceed lets the source go on if nothing is pending.
func (h *hub[T]) proceed() {
	if v := h.source.First(); v != nil && h.pending == 0 {
		h.set(*v)
		h.source.Grant()
	}
}

func (h *hub[T]) drain(ctx context.Context, s *subscriber[T], emit func(T) error) error {
	for {
		err := h.next(ctx, s)
		if err == nil {
			v := s.v
			var zero T
			s.v = zero
			err = emit(v)
		}
		if err == errEnd {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// next waits for a value that s has not seen and puts it there.
func (h *hub[T]) next(ctx context.Context, s *subscriber[T]) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	h.mu.Lock()
	switch {
	case s.seq != h.seq:
		h.take(s)
		h.proceed()
	case h.phase == drained:
		end := h.end
		h.mu.Unlock()
		return endOf(ctx, end)
	default:
		_, err := h.readers.WaitLocked(ctx, &h.mu, s, nil)
		return err
	}
	h.mu.Unlock()
	return nil
}

// leave takes s out. The last one ends the run and waits for that. It returns the panic of
// the source, if that is for s.
func (h *hub[T]) leave(ctx context.Context, s *subscriber[T]) *core.PanicError {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.subs--
	if s.seq != h.seq {
		h.take(s)
		var zero T
		s.v = zero
	}
	switch {
	case h.subs > 0:
		h.proceed()
		h.seats.Settle(h.sit)
		return h.panicked
	case h.phase == gathering:
		h.seats.Settle(h.sit)
		return nil
	}
	h.phase = closing
	task := h.task
	h.mu.Unlock()
	_ = join(ctx, task, true) // its error is in end, its panic in panicked
	h.mu.Lock()
	p := h.panicked
	h.phase, h.task, h.end, h.panicked = gathering, nil, nil, nil
	h.seats.Settle(h.sit)
	return p
}
