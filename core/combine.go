package core

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// onlooker waits for the first of several promises, or for all of them.
type onlooker struct {
	mu    sync.Mutex
	left  int // promises that are still to come
	first int // the one that has decided; -1: none yet
	queue park.Queue[struct{}]
	seats []watcher
	ps    []*promise
}

// await waits until one of ps has decided or all are finished, and leaves no trace at any of
// them. A promise decides if decides says so when it is finished. The result is the
// index of the first that did, -1 if none has.
func await(ctx context.Context, ps []*promise, decides func(*promise) bool) (int, error) {
	o := &onlooker{ps: ps, left: len(ps), first: -1, seats: make([]watcher, len(ps))}
	defer o.forget() // also if the wait panics, in a callback
	for i, p := range ps {
		w := &o.seats[i]
		w.fn = func() { o.ended(i, decides(p)) }
		if !p.look(w) {
			w.gone = true
			w.fn()
		}
	}
	_, err := o.queue.Wait(ctx, &o.mu, struct{}{}, o.take)
	o.mu.Lock()
	defer o.mu.Unlock()
	if done, _ := o.take(nil); done {
		err = nil // ctx was late
	}
	return o.first, err
}

// ended hears that promise i is finished.
func (o *onlooker) ended(i int, decides bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left--
	if decides && o.first < 0 {
		o.first = i
	}
	o.queue.Settle(o.take)
}

func (o *onlooker) take(*struct{}) (bool, error) { return o.first >= 0 || o.left == 0, nil }

func (o *onlooker) forget() {
	for i, p := range o.ps {
		p.forget(&o.seats[i])
	}
}

// isSelf reports whether p is the end of the task that the caller runs in.
func (p *promise) isSelf() bool { return p.task != nil && p.task.inside() }

// completed waits until all of ps are completed, or one is finished otherwise, whose error it
// returns.
func completed(ctx context.Context, ps ...*promise) error {
	pending, self := false, false
	for _, p := range ps {
		p.looked() // also those after the first that has failed
	}
	for _, p := range ps {
		switch p.State() {
		case StatePending:
			pending, self = true, self || p.isSelf()
		case StateFailed, StateCanceled:
			return p.err
		}
	}
	switch {
	case self:
		return ErrSelf
	case !pending:
		return nil
	}
	i, err := await(ctx, ps, func(p *promise) bool { return p.State() != StateCompleted })
	if err != nil {
		return err
	}
	if i >= 0 {
		return ps[i].err
	}
	return nil
}

// All waits until all futures are completed, and returns their values in the order of
// the arguments. It ends with the first error of a future: with the first in the order of the
// arguments if several have failed before the call. If ctx ends first, it returns
// ctx.Err(). With an error it returns no values. Futures that are all finished already are
// returned even if ctx is done. The futures are not touched: those that are pending go on,
// and hold no memory of the call. A future may be given more than once. A task that waits
// for its own end so gets ErrSelf. A nil future panics, here and in all functions that wait for
// futures: nothing would ever finish it.
//
// [All2] and [All3] are for values of different types, [AllFinished] waits for the end of all
// however that is, and [Gather] starts functions and cancels the rest when one fails.
func All[T any](ctx context.Context, fs ...*Future[T]) ([]T, error) {
	ps := make([]*promise, len(fs))
	for i, f := range fs {
		ps[i] = f.promiseIn("All")
	}
	if err := completed(ctx, ps...); err != nil {
		return nil, err
	}
	vals := make([]T, len(fs))
	for i, f := range fs {
		vals[i] = f.val
	}
	return vals, nil
}

// All2 is [All] for two futures of different types. With an error it returns zero values.
func All2[A, B any](ctx context.Context, a *Future[A], b *Future[B]) (va A, vb B, err error) {
	if err := completed(ctx, a.promiseIn("All2"), b.promiseIn("All2")); err != nil {
		return va, vb, err
	}
	return a.val, b.val, nil
}

// All3 is [All] for three futures of different types. With an error it returns zero values.
func All3[A, B, C any](ctx context.Context, a *Future[A], b *Future[B], c *Future[C]) (va A, vb B, vc C, err error) {
	if err := completed(ctx, a.promiseIn("All3"), b.promiseIn("All3"), c.promiseIn("All3")); err != nil {
		return va, vb, vc, err
	}
	return a.val, b.val, c.val, nil
}

// AllFinished waits until all of ws have ended, whether they were completed, have failed or
// were canceled: it never fails because one of them did. What became of each one is there to
// be asked. If ctx ends first, it returns ctx.Err(); if nothing is pending, it
// returns nil at once even if ctx is done. A task that waits for its own end so gets
// ErrSelf.
//
// For futures and tasks together name the type: AllFinished[Waitable](ctx, f, task).
func AllFinished[W Waitable](ctx context.Context, ws ...W) error {
	self := false
	for _, w := range ws {
		self = promiseOf("AllFinished", w).isSelf() || self
	}
	if self {
		return ErrSelf
	}
	// One after the other: that all have ended is seen when the last one is.
	for _, w := range ws {
		if err := Join(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// Join waits until w has ended and ignores how. If ctx ends first, it returns ctx.Err(), and
// w is not touched; if w has ended already, it returns nil even if ctx is done. A task that
// waits for its own end gets ErrSelf.
func Join(ctx context.Context, w Waitable) error {
	p := promiseOf("Join", w)
	if !w.Finished() {
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	p.looked()
	return nil
}
