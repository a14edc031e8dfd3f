package event

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Watch is a value whose changes can be waited for. The zero value holds the zero value of T with
// the version 0, which means that nothing was set yet. It must not be copied after first use.
//
// Each Set raises the version by one. Whoever remembers the version it has seen learns of every
// change, and gets the latest value; values that were replaced before it came to look it does not
// get. Where every value counts, use an [AsyncEventQueue].
//
//	for v, version, err := w.Changed(ctx, 0); err == nil; v, version, err = w.Changed(ctx, version) {
//		apply(v)
//	}
//
// The value is shared by all who load it: what it points to must not be changed.
//
// Fairness: waiters go in order of arrival, all of them at each Set.
//
// Cancellation: a wait that is canceled leaves nothing behind. A waiter that was let go by a Set returns
// the value even if its context has ended since.
//
// Memory ordering: a Set happens before the return of every call that returns its value or a later
// one.
type Watch[T any] struct {
	now   atomic.Pointer[version[T]] // nil: nothing was set; written under mu
	mu    sync.Mutex
	queue xsync.WaitQueue[uint64] // of the versions that the waiters have seen
}

type version[T any] struct {
	v T
	n uint64
}

// Set replaces the value and lets all go who wait for a change. It allocates room for the value.
func (w *Watch[T]) Set(v T) {
	next := &version[T]{v: v}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, n := w.Load()
	next.n = n + 1
	w.now.Store(next)
	w.queue.GrantN(-1) // those who wait have seen the last version
}

// Load returns the value and its version. It takes one atomic load.
func (w *Watch[T]) Load() (T, uint64) {
	if now := w.now.Load(); now != nil {
		return now.v, now.n
	}
	var zero T
	return zero, 0
}

// Changed waits until the version is another than since, the one that the caller has seen, and returns
// the value and its version. With a since of 0 it waits for the first Set, if there was
// none. If ctx ends first, or is done at the call, the error is ctx.Err(), and the value and the
// version are those of the moment.
func (w *Watch[T]) Changed(ctx context.Context, since uint64) (T, uint64, error) {
	v, n := w.Load()
	if err := ctx.Err(); err != nil {
		return v, n, park.Failed(err)
	}
	if n != since {
		return v, n, nil // this load and no later one: a since from elsewhere may be a version still to come
	}
	w.mu.Lock()
	// The queue does not ask for a newcomer while others wait, who may have seen a later version.
	if v, n = w.Load(); n != since {
		w.mu.Unlock()
		return v, n, nil
	}
	_, err := w.queue.WaitLocked(ctx, &w.mu, since, w.take)
	v, n = w.Load()
	return v, n, err
}

func (w *Watch[T]) take(since *uint64) (bool, error) {
	_, n := w.Load()
	return n != *since, nil
}

// WaitFor waits until pred answers true for the value, and returns that value and its version. The
// zero value of a Watch that was never set is asked about too. No lock is held while pred runs, on
// the caller's own task or goroutine; a value that is replaced before pred has looked at it is
// passed over. If ctx ends first, or is done at the call, the error is ctx.Err(), and the value
// and the version are those of the moment. A nil pred panics.
func (w *Watch[T]) WaitFor(ctx context.Context, pred func(T) bool) (T, uint64, error) {
	if pred == nil {
		panic("event: WaitFor of nil")
	}
	v, n := w.Load()
	if err := ctx.Err(); err != nil {
		return v, n, park.Failed(err)
	}
	for !pred(v) {
		var err error
		if v, n, err = w.Changed(ctx, n); err != nil {
			return v, n, err
		}
	}
	return v, n, nil
}

// WatchStats is what a Watch knows of itself at one moment.
type WatchStats struct {
	Version uint64     // that of the value: how often it was set
	Waiting int        // callers in the queue
	Who     *xsync.Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the watch, for tests and diagnosis.
func (w *Watch[T]) Stats() WatchStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, n := w.Load()
	return WatchStats{Version: n, Waiting: w.queue.Len(), Who: w.queue.Who()}
}
