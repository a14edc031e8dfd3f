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

// watch looks on at ps. A promise decides if decides says so when it is finished.
func (o *onlooker) watch(ps []*promise, decides func(*promise) bool) {
	o.ps, o.left, o.first = ps, len(ps), -1
	o.seats = make([]watcher, len(ps))
	for i, p := range ps {
		w := &o.seats[i]
		w.fn = func() { o.ended(i, decides(p)) }
		if !p.look(w) {
			w.gone = true
			w.fn()
		}
	}
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

// wait waits until a promise has decided or all are finished, and leaves no
// trace at any of them.
func (o *onlooker) wait(ctx context.Context) error {
	defer func() { // also if the wait panics, in a callback
		for i, p := range o.ps {
			p.forget(&o.seats[i])
		}
	}()
	_, err := o.queue.Wait(ctx, &o.mu, struct{}{}, o.take)
	return err
}

// All waits until all futures are completed, and returns their values in the order of
// the arguments. It ends with the first error of a future: with the first in the order of the
// arguments if several have failed before the call. If ctx ends first, it returns
// ctx.Err(). With an error it returns no values. Futures that are all finished already are
// returned even if ctx is done. The futures are not touched: those that are pending go on.
func All[T any](ctx context.Context, fs ...*Future[T]) ([]T, error) {
	pending := false
	for _, f := range fs {
		switch f.State() {
		case StatePending:
			pending = true
		case StateFailed, StateCanceled:
			return nil, f.err
		}
	}
	if pending {
		ps := make([]*promise, len(fs))
		for i, f := range fs {
			ps[i] = &f.promise
		}
		var o onlooker
		o.watch(ps, func(p *promise) bool { return p.State() != StateCompleted })
		if err := o.wait(ctx); err != nil {
			return nil, err
		}
		if o.first >= 0 {
			return nil, ps[o.first].err
		}
	}
	vals := make([]T, len(fs))
	for i, f := range fs {
		vals[i] = f.val
	}
	return vals, nil
}

// Race waits until one of ws has ended, and returns its index: the smallest if
// several have ended before the call, even if ctx is done. It returns ErrNoFutures for none, and
// ctx.Err() if ctx ends first, with -1. The others are not touched, and hold no memory of the race.
func Race(ctx context.Context, ws ...Waitable) (int, error) {
	if len(ws) == 0 {
		return -1, ErrNoFutures
	}
	ps := make([]*promise, len(ws))
	for i, w := range ws {
		if w.Finished() {
			return i, nil
		}
		ps[i] = w.ended()
	}
	var o onlooker
	o.watch(ps, func(*promise) bool { return true })
	if err := o.wait(ctx); err != nil {
		return -1, err
	}
	return o.first, nil
}
