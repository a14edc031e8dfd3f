package lock

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// AsyncLock is a mutual exclusion lock whose holders may wait. The zero value is
// an unlocked lock. It must not be copied after first use.
//
// Fairness: strictly by arrival. A released lock is handed to the first waiter;
// until that runs nobody else can have it, not even by [AsyncLock.TryAcquire].
//
// Cancellation: a wait that is canceled leaves the queue and nothing else behind.
// If the lock was handed over first, Acquire succeeds all the same, and the
// cancel shows in the next wait with that context.
//
// Memory ordering: a Release happens before the return of the Acquire or TryAcquire
// that gets the lock next.
//
// The lock has no owner: any task or goroutine may release it. It is not
// re-entrant: who acquires it twice waits for itself until its context ends. While
// core.Track is on, a task that ends and has not released what it acquired is reported.
type AsyncLock struct {
	state atomic.Uint32
	mu    sync.Mutex // guards waiters, and the changes of state from and to contended
	queue xsync.WaitQueue[struct{}]

	holders park.Holders
}

// The states of an AsyncLock.
const (
	// unlocked: entered by a Release when nobody waits; locked follows.
	unlocked = iota
	// locked: entered by an acquire on unlocked; unlocked or contended follow.
	locked
	// contended: held, and somebody may wait, so that Release has to take the mutex.
	// Entered under the mutex by a caller about to queue; unlocked follows if the
	// Release finds nobody.
	contended
)

// Acquire waits until the lock is free and all who came before have had it, and takes
// it. If ctx ends first, or is done at the call, it returns ctx.Err() and the lock is
// as it was.
func (l *AsyncLock) Acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if l.state.CompareAndSwap(unlocked, locked) {
		l.took()
		return nil
	}
	_, err := l.queue.Wait(ctx, &l.mu, struct{}{}, l.take)
	if err == nil {
		l.took()
	}
	return err
}

// took tells a simulation, and tracking, who has the lock.
func (l *AsyncLock) took() {
	if park.Observed() {
		l.holders.Took(l, 1, true)
	}
}

// TryAcquire takes the lock if it is free, and reports whether it did. It is
// never free while somebody waits for it.
func (l *AsyncLock) TryAcquire() bool {
	ok := l.state.CompareAndSwap(unlocked, locked)
	if ok {
		l.took()
	}
	return ok
}

// Release hands the lock to the first waiter, or frees it. Releasing a lock that
// nobody holds panics.
func (l *AsyncLock) Release() {
	if park.Observed() && l.Locked() { // else it panics, and nothing is given back
		l.holders.Took(l, -1, true)
	}
	if !l.state.CompareAndSwap(locked, unlocked) {
		l.releaseSlow()
	}
}

func (l *AsyncLock) releaseSlow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Load() == unlocked {
		panic("lock: release of unlocked AsyncLock")
	}
	if !l.queue.Grant() {
		l.state.Store(unlocked)
	}
}

// take is asked for a newcomer when nobody waits, and for the waiter behind one that
// gave up; that one finds the lock held, since a free lock has no waiters.
func (l *AsyncLock) take(*struct{}) (bool, error) {
	for {
		switch s := l.state.Load(); s {
		case unlocked:
			if l.state.CompareAndSwap(unlocked, locked) {
				return true, nil
			}
		case locked:
			if l.state.CompareAndSwap(locked, contended) {
				return false, nil
			}
		default:
			return false, nil
		}
	}
}

// Locked reports whether the lock is held at the moment.
func (l *AsyncLock) Locked() bool { return l.state.Load() != unlocked }

// Do runs fn while it holds the lock. It returns the error of fn, or ctx.Err()
// if ctx ended before fn began. The lock is released when fn returns, panics or
// ends its goroutine; fn must not release it. A nil fn panics.
func (l *AsyncLock) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if fn == nil {
		panic("lock: Do of nil")
	}
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release()
	return fn(ctx)
}

// Stats is what a lock knows of itself at one moment.
type Stats struct {
	Locked  bool       // somebody holds the lock
	Waiting int        // callers in the queue
	Who     *xsync.Who // who holds it and who waits, while core.Track is on; else nil
}

// Stats returns the state of the lock, for tests and diagnosis.
func (l *AsyncLock) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Locked: l.Locked(), Waiting: l.queue.Len(), Who: who(&l.queue, &l.holders)}
}
