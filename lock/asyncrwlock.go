package lock

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// AsyncRWLock is a lock that one writer or any number of readers hold, and whose holders
// may wait. The zero value is an unlocked lock. It must not be copied after first use.
//
// It pays where readers hold it for long, or wait inside, and writers are few. For sections that are
// short an [AsyncLock] is as fast.
//
// Fairness: strictly by arrival, readers and writers in one queue. Readers that stand in it one behind
// the other enter together; a reader that comes while a writer waits goes behind that
// writer. So neither side starves. A Try call fails while others wait.
//
// Cancellation: a wait that is canceled leaves the queue and nothing else behind; readers that
// only the canceled writer kept from those who read enter at once. If the lock was handed over first,
// the call succeeds all the same, and the cancel shows in the next wait with that context.
//
// Memory ordering: a Release or Downgrade happens before the return of every call that
// gets the lock later; an RRelease happens before the return of the next call that gets it for writing.
//
// The lock has no owner: any task or goroutine may release it. It is not re-entrant, for
// reading neither: who reads and asks to read again waits for itself if a writer has come in
// between. There is no way from reading to writing but to release and to acquire: two readers that
// wanted it would wait for each other. While core.Track is on, a task that ends and has not given back
// what it acquired is reported.
type AsyncRWLock struct {
	state atomic.Uint64
	mu    sync.Mutex // guards the queue, and the changes of state while queued is set
	queue xsync.WaitQueue[mode]

	holders park.Holders
}

// mode is what a caller wants the lock for.
type mode bool

const (
	reading mode = false
	writing mode = true
)

// The state of an AsyncRWLock is the sum of these; 0 is unlocked.
const (
	// writer: somebody writes. Excludes readers.
	writer = 1 << iota
	// queued: somebody waits or is about to, so that nobody may change the state without the
	// mutex. Set under the mutex by a caller about to queue, or by one that gives the lock
	// back; cleared under it by who finds the queue empty. If the last waiter gives up it stays until then.
	queued
	// reader: one for each that reads, of which there is room for 2⁶²-1: more than can ever come.
	reader
)

// Acquire waits until nobody holds the lock and all who came before have had it, and takes it for
// writing. If ctx ends first, or is done at the call, it returns ctx.Err() and the lock is
// as it was.
func (l *AsyncRWLock) Acquire(ctx context.Context) error { return l.enter(ctx, writing) }

// RAcquire is Acquire for reading: it waits until nobody writes, and all writers that came before
// have had the lock.
func (l *AsyncRWLock) RAcquire(ctx context.Context) error { return l.enter(ctx, reading) }

// TryAcquire takes the lock for writing if nobody holds it, and reports whether it did.
func (l *AsyncRWLock) TryAcquire() bool { return l.try(writing) }

// TryRAcquire takes the lock for reading if nobody writes and nobody waits, and reports whether
// it did.
func (l *AsyncRWLock) TryRAcquire() bool { return l.try(reading) }

// Release gives back the lock that is held for writing, and lets those go who are next in the
// queue: one writer, or all readers up to the next writer. It panics if nobody writes.
func (l *AsyncRWLock) Release() { l.leave(writing) }

// RRelease gives back the lock that is held for reading. The last reader lets the next writer go. It
// panics if nobody reads.
func (l *AsyncRWLock) RRelease() { l.leave(reading) }

// enter is where the lock is taken by callers that may wait.
func (l *AsyncRWLock) enter(ctx context.Context, m mode) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if l.quick(m) {
		l.took()
		return nil
	}
	_, err := l.queue.Wait(ctx, &l.mu, m, l.take)
	if err == nil {
		l.took()
	}
	return err
}

// try is where the lock is taken by callers that do not wait.
func (l *AsyncRWLock) try(m mode) bool {
	ok := l.quick(m)
	if !ok && m == reading && l.state.Load()&writer == 0 {
		// It is held for reading, and queued may be left over from a writer that gave up.
		_, ok, _ = l.queue.Try(&l.mu, m, l.take)
	}
	if ok {
		l.took()
	}
	return ok
}

// took tells a simulation, and tracking, who has taken the lock.
func (l *AsyncRWLock) took() {
	if park.Observed() {
		l.holders.Took(l, 1, true)
	}
}

// held reports whether in state s somebody holds the lock for m.
func held(s uint64, m mode) bool {
	if m == writing {
		return s&writer != 0
	}
	return s >= reader
}

// quick takes the lock where one atomic operation can.
func (l *AsyncRWLock) quick(m mode) bool {
	if m == writing {
		return l.state.CompareAndSwap(0, writer)
	}
	for {
		s := l.state.Load()
		if s&(writer|queued) != 0 {
			return false
		}
		if l.state.CompareAndSwap(s, s+reader) {
			return true
		}
	}
}

// take says whether one that wants the lock for m may go.
func (l *AsyncRWLock) take(m *mode) (bool, error) {
	for {
		s := l.state.Load()
		next, ok := s|queued, false
		switch {
		case *m == reading && s&writer == 0:
			next, ok = s+reader, true
		case *m == writing && s&^queued == 0:
			next, ok = s+writer, true
		}
		if ok && l.queue.Len() <= 1 { // a newcomer, or the last in the queue
			next &^= queued
		}
		if l.state.CompareAndSwap(s, next) {
			return ok, nil
		}
	}
}

// leave is where the lock is given back.
func (l *AsyncRWLock) leave(m mode) {
	if park.Observed() && held(l.state.Load(), m) { // else it panics, and nothing is given back
		l.holders.Took(l, -1, true)
	}
	if m == writing {
		if !l.state.CompareAndSwap(writer, 0) {
			l.change(writer, 0, "lock: release of AsyncRWLock that nobody holds for writing")
		}
		return
	}
	for {
		s := l.state.Load()
		if s < reader || s&queued != 0 {
			l.change(reader, 0, "lock: release of AsyncRWLock that nobody holds for reading")
			return
		}
		if l.state.CompareAndSwap(s, s-reader) {
			return
		}
	}
}

// Downgrade turns the lock that is held for writing into one that is held for reading, with no
// other writer in between. Readers that are next in the queue enter, too. It panics if nobody writes.
func (l *AsyncRWLock) Downgrade() {
	if !l.state.CompareAndSwap(writer, reader) {
		l.change(writer, reader, "lock: downgrade of AsyncRWLock that nobody holds for writing")
	}
}

// change takes from the state, adds to it, and lets those go who may. It panics with the text if there
// is nothing to take.
func (l *AsyncRWLock) change(from, to uint64, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		s := l.state.Load()
		if from == writer && s&writer == 0 || from == reader && s < reader {
			panic(text)
		}
		// Until the queue has had its turn nobody else may look.
		if l.state.CompareAndSwap(s, (s-from+to)|queued) {
			break
		}
	}
	l.queue.Settle(l.take)
	if l.queue.Len() == 0 {
		l.state.And(^uint64(queued))
	}
}

// Do runs fn while it holds the lock for writing. It returns the error of fn, or ctx.Err() if
// ctx ended before fn began. The lock is released when fn returns, panics or ends its goroutine; fn
// must not release or downgrade it. A nil fn panics.
func (l *AsyncRWLock) Do(ctx context.Context, fn func(ctx context.Context) error) error {
	if fn == nil {
		panic("lock: Do of nil")
	}
	if err := l.Acquire(ctx); err != nil {
		return err
	}
	defer l.Release()
	return fn(ctx)
}

// RDo is Do for reading.
func (l *AsyncRWLock) RDo(ctx context.Context, fn func(ctx context.Context) error) error {
	if fn == nil {
		panic("lock: RDo of nil")
	}
	if err := l.RAcquire(ctx); err != nil {
		return err
	}
	defer l.RRelease()
	return fn(ctx)
}

// RWStats is what an AsyncRWLock knows of itself at one moment.
type RWStats struct {
	Writing        bool       // somebody holds the lock for writing
	Readers        int        // those who hold it for reading
	Waiting        int        // callers in the queue
	WaitingWriters int        // those of them who want to write
	Who            *xsync.Who // who holds it and who waits, while core.Track is on; else nil
}

// Stats returns the state of the lock, for tests and diagnosis.
func (l *AsyncRWLock) Stats() RWStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.state.Load()
	s := RWStats{Writing: state&writer != 0, Readers: int(state / reader), Waiting: l.queue.Len(), Who: who(&l.queue, &l.holders)}
	for m := range l.queue.All() {
		if m == writing {
			s.WaitingWriters++
		}
	}
	return s
}
