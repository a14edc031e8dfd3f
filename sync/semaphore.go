package xsync

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// ErrTooMany is returned by [Semaphore.AcquireN] for more permits than the semaphore has.
var ErrTooMany = errors.New("xsync: more permits than the semaphore has")

// Semaphore bounds how much of something is in use at a time: it has a number of permits,
// its size, which callers acquire and release, one or several at once. The size can be
// changed at any time. The zero value is a semaphore of size 0. It must not be copied after
// first use.
//
// Prefer lock.AsyncLock to a semaphore of size 1: it says what it is. Prefer [TokenBucket]
// to bound how often something happens, other than how much of it at a time.
//
// Fairness: strictly by arrival, whatever the number of permits. While the first waiter
// wants more than there is, those behind it wait too, and so does a Try call, even if there
// is enough for them: so a large request is never starved by small ones.
//
// Cancellation: a wait that is canceled leaves the queue and nothing else behind. If it was
// the one that kept others waiting, they go at once. If the permits were granted first, the
// call succeeds all the same, and the cancel shows in the next wait with that context.
//
// Memory ordering: each Release happens before the return of every Acquire and TryAcquire
// that succeeds after it.
//
// Permits have no owner: any task or goroutine may release what another has acquired.
type Semaphore struct {
	// state is the number of free permits, times two, plus contended. The number is
	// negative while more permits are held than a Resize has left.
	state atomic.Int64
	size  atomic.Int64 // written with mu held
	// mu guards queue. While contended is set, it guards state too.
	mu    sync.Mutex
	queue WaitQueue[int64] // how many permits each one wants

	holders park.Holders
}

// contended is a bit of Semaphore.state: somebody waits, or is about to, so that every call
// has to take the mutex. It is set with the mutex held, and taken back by the next
// one who has the mutex when nobody waits.
const contended = 1

// maxPermits is the size that fits beside the bit.
const maxPermits = 1<<62 - 1

// NewSemaphore returns a semaphore with n free permits. With a size of 0 nobody waits: every acquire
// gets [ErrTooMany] until [Semaphore.Resize]. A negative n panics, and so does one beyond 2⁶²-1.
func NewSemaphore(n int) *Semaphore {
	s := new(Semaphore)
	s.Resize(n)
	return s
}

// Acquire is AcquireN of one permit.
func (s *Semaphore) Acquire(ctx context.Context) error { return s.AcquireN(ctx, 1) }

// AcquireN waits until all who came before have had their permits and n are free, and takes
// these. If ctx ends first, or is done at the call, it returns ctx.Err(). If n is larger than
// the size, it returns [ErrTooMany] at once. With an error it has taken nothing.
//
// An n of 0 takes nothing and does not wait; with a ctx that is done it fails all the same. A negative
// n panics.
func (s *Semaphore) AcquireN(ctx context.Context, n int) error {
	if n < 0 {
		panic("xsync: acquire of a negative number of permits")
	}
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if n > 0 && !s.take(int64(n), false) {
		if err := s.wait(ctx, int64(n)); err != nil {
			return err
		}
	}
	s.tell(int64(n))
	return nil
}

// tell tells a simulation, and tracking, that the caller has taken n permits, or given -n back.
func (s *Semaphore) tell(n int64) {
	if park.Observed() && n != 0 {
		s.holders.Took(s, n, false)
	}
}

func (s *Semaphore) wait(ctx context.Context, n int64) error {
	s.lock()
	if n > s.size.Load() {
		s.unlock()
		return ErrTooMany
	}
	if s.queue.Len() == 0 && s.take(n, true) {
		s.unlock()
		return nil
	}
	_, err := s.queue.WaitLocked(ctx, &s.mu, n, s.next)
	return err
}

// TryAcquire is TryAcquireN of one permit.
func (s *Semaphore) TryAcquire() bool { return s.TryAcquireN(1) }

// TryAcquireN takes n permits if they are free and nobody waits, and reports whether it did.
// An n of 0 takes nothing and succeeds. A negative n panics.
func (s *Semaphore) TryAcquireN(n int) bool {
	if n < 0 {
		panic("xsync: acquire of a negative number of permits")
	}
	ok := n == 0 || s.try(int64(n))
	if ok {
		s.tell(int64(n))
	}
	return ok
}

func (s *Semaphore) try(n int64) bool {
	for {
		st := s.state.Load()
		switch {
		case st&contended != 0: // which does not say that somebody waits
			s.lock()
			defer s.unlock()
			return s.queue.Len() == 0 && s.take(n, true)
		case n > st>>1:
			return false
		case s.state.CompareAndSwap(st, st-2*n):
			return true
		}
	}
}

// Release is ReleaseN of one permit.
func (s *Semaphore) Release() { s.ReleaseN(1) }

// ReleaseN gives n permits back, and hands what is free to those who wait, in their order. An
// n of 0 does nothing. A negative n panics, and so does one of more permits than are
// held, with the state as it was; it may go unnoticed if the semaphore is resized at the
// same moment.
func (s *Semaphore) ReleaseN(n int) {
	if n < 0 {
		panic("xsync: release of a negative number of permits")
	}
	if park.Observed() && s.held() >= int64(n) { // else it panics, and nothing is given back
		s.tell(int64(-n))
	}
	if s.give(int64(n), false) {
		return
	}
	s.lock()
	defer s.unlock()
	if !s.give(int64(n), true) {
		panic("xsync: release of more permits than are held")
	}
	s.queue.Settle(s.next)
}

// Resize changes the size to n, and lets those go for whom there is enough now. Permits that are
// held stay with their holders: if they are more than n, none is granted until enough have
// been released. A waiter that wants more than n gets [ErrTooMany] when its turn comes, unless the
// size has grown again by then. A negative n panics, and so does one beyond 2⁶²-1.
func (s *Semaphore) Resize(n int) {
	if n < 0 || int64(n) > maxPermits {
		panic("xsync: size of a Semaphore out of range")
	}
	s.lock()
	defer s.unlock()
	more := int64(n) - s.size.Load()
	s.size.Store(int64(n))
	s.state.Add(2 * more)
	s.queue.Settle(s.next)
}

// Available returns the number of permits that are free at the moment. Those who wait have the
// first claim to them.
func (s *Semaphore) Available() int { return int(max(s.state.Load()>>1, 0)) }

// held returns the number of permits that are held.
func (s *Semaphore) held() int64 {
	s.mu.Lock() // or a Resize could be half done
	defer s.mu.Unlock()
	return s.size.Load() - s.state.Load()>>1
}

// SemaphoreStats is what a [Semaphore] knows of itself at one moment.
type SemaphoreStats struct {
	Size    int  // permits there are, held or free
	Held    int  // permits that are held; more than Size after a Resize to less
	Waiting int  // callers in the queue
	Who     *Who // who holds permits and who waits, while core.Track is on; else nil
}

// Stats returns the state of the semaphore, for tests and diagnosis.
func (s *Semaphore) Stats() SemaphoreStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := s.size.Load()
	st := SemaphoreStats{Size: int(size), Held: int(size - s.state.Load()>>1), Waiting: s.queue.Len()}
	if !park.Tracking() {
		return st
	}
	st.Who = &Who{}
	for c, n := range s.queue.q.Waiters() {
		c.N = int(n)
		st.Who.Waiters = append(st.Who.Waiters, Caller(c))
	}
	for _, c := range s.holders.All() {
		st.Who.Holders = append(st.Who.Holders, Caller(c))
	}
	return st
}

// next says when a waiter may go. One that may not is in the queue then, so that contended has to be
// set before it is decided.
func (s *Semaphore) next(n *int64) (bool, error) {
	s.state.Or(contended)
	if *n > s.size.Load() {
		return true, ErrTooMany
	}
	return s.take(*n, true), nil
}

// take takes n permits if they are free. Every permit is taken here or by try. Without the lock it
// fails if somebody may wait.
func (s *Semaphore) take(n int64, locked bool) bool {
	for {
		st := s.state.Load()
		switch {
		case !locked && st&contended != 0, n > st>>1:
			return false
		case s.state.CompareAndSwap(st, st-2*n):
			return true
		}
	}
}

// give gives n permits back if so many are held. Every permit is given here. Without the lock it
// fails if somebody may wait, and cannot be sure of the size.
func (s *Semaphore) give(n int64, locked bool) bool {
	for {
		st := s.state.Load()
		switch {
		case !locked && st&contended != 0, n > s.size.Load()-st>>1:
			return false
		case s.state.CompareAndSwap(st, st+2*n):
			return true
		}
	}
}

// lock takes the mutex, and makes all others who change the state want it too.
func (s *Semaphore) lock() {
	s.mu.Lock()
	s.state.Or(contended)
}

// unlock gives the mutex back.
func (s *Semaphore) unlock() {
	if s.queue.Len() == 0 {
		s.state.And(^contended)
	}
	s.mu.Unlock()
}
