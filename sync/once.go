package xsync

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Once makes a value at its first use, once, while all who need it wait, as
// [sync.OnceValues] does, with a context, and with another try after a failure. The zero
// value is ready. It must not be copied after first use.
//
// Prefer [sync.OnceValue] where making the value cannot fail and does not wait.
//
// Fairness: if an initialiser fails, the next one to try is the first who waits; when the value
// is made, all who wait go, in order of arrival.
//
// Cancellation: a waiter that is canceled leaves the queue and nothing else behind. If it is
// the one whose turn it is to try, the turn passes to the next. A caller that runs its
// initialiser is canceled by its ctx, which the initialiser is given. The others wait
// on and try themselves.
//
// Memory ordering: the return of the initialiser that succeeded happens before the return of
// every Do and Value that yields its value.
type Once[T any] struct {
	done  atomic.Bool // set once, with mu held, after value
	value T
	mu    sync.Mutex
	busy  bool // somebody runs an initialiser, or has been told to
	queue WaitQueue[turn]
}

// turn is what a waiter takes away from a [Once].
type turn bool

const (
	over turn = false // the value is there
	try  turn = true  // it is the waiter's turn to make it
)

// Do returns the value of the first initialiser that has succeeded. If there is none, it calls fn,
// on the caller's task or goroutine, and keeps its value if the error is nil; if another
// caller's is running, it waits for its end first.
//
// If fn fails, Do returns its error with its value, and the next caller tries its own
// fn; so it is if fn panics or ends its goroutine, which it does to the caller then. If ctx ends
// before fn began, or is done at the call, Do returns ctx.Err(). A value that is there is returned even if ctx
// is done. A fn that calls Do of the same Once waits for itself until ctx ends.
func (o *Once[T]) Do(ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	if o.done.Load() {
		return o.value, nil
	}
	return o.wait(ctx, fn)
}

func (o *Once[T]) wait(ctx context.Context, fn func(ctx context.Context) (T, error)) (v T, err error) {
	if err := ctx.Err(); err != nil {
		return v, park.Failed(err)
	}
	o.mu.Lock()
	switch {
	case o.done.Load():
		o.mu.Unlock()
		return o.value, nil
	case !o.busy: // so nobody waits
		o.busy = true
		o.mu.Unlock()
	default:
		got, err := o.queue.WaitLocked(ctx, &o.mu, over, nil)
		if err != nil {
			return v, err
		}
		if got == over {
			return o.value, nil
		}
	}
	return o.run(ctx, fn)
}

// run calls fn. It is the caller's turn, which passes on if there is no value then.
func (o *Once[T]) run(ctx context.Context, fn func(ctx context.Context) (T, error)) (v T, err error) {
	made := false
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		switch {
		case made:
			o.value = v
			o.done.Store(true)
			o.queue.GrantN(-1)
		case !o.queue.Hand(try):
			o.busy = false
		}
	}()
	if err = ctx.Err(); err != nil { // canceled in the moment of its turn
		return v, err
	}
	v, err = fn(ctx)
	made = err == nil
	return v, err
}

// Value returns the value, if it is there, and reports whether it is. It does not wait.
func (o *Once[T]) Value() (v T, ok bool) {
	if !o.done.Load() {
		return v, false
	}
	return o.value, true
}

// OnceStats is what a [Once] knows of itself at one moment.
type OnceStats struct {
	Done    bool // the value is there
	Running bool // a caller makes it, or is about to
	Waiting int  // callers in the queue
	Who     *Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the Once, for tests and diagnosis.
func (o *Once[T]) Stats() OnceStats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return OnceStats{Done: o.done.Load(), Running: o.busy && !o.done.Load(), Waiting: o.queue.Len(), Who: o.queue.Who()}
}
