package core

import (
	"context"
	"errors"
)

// Race waits until one of ws has ended, in whatever way, and returns its index: the smallest if
// several have ended before the call, even if ctx is done. It returns ErrNoFutures for none, and
// ctx.Err() if ctx ends first, with -1. The others are not touched, and hold no memory of the
// race. A task that would wait for nothing but its own end gets ErrSelf.
//
// For futures of different types, or futures and tasks, name the type:
// Race[Waitable](ctx, f, task).
func Race[W Waitable](ctx context.Context, ws ...W) (int, error) {
	for _, w := range ws {
		promiseOf("Race", w).looked()
	}
	for i, w := range ws {
		if w.Finished() {
			return i, nil
		}
	}
	ps := make([]*promise, len(ws))
	for i, w := range ws {
		ps[i] = w.ended()
	}
	if err := canWait(ps); err != nil {
		return -1, err
	}
	return await(ctx, ps, func(*promise) bool { return true })
}

// Any waits until one of the futures is completed, and returns its value: that of the first
// in the order of the arguments if several were completed before the call, even if ctx is
// done. If all of them fail or are canceled, it returns an error that joins all of theirs, in the
// order of the arguments, as errors.Join does. It returns ErrNoFutures for none, and ctx.Err() if
// ctx ends first. The others are not touched, and hold no memory of the call. If the task that
// calls is among them, it is left out, and where no other can be completed the result is ErrSelf.
func Any[T any](ctx context.Context, fs ...*Future[T]) (T, error) {
	var zero T
	var ps []*promise // those that may still be completed while the caller waits
	self := false     // and so may the caller's own task, but not then
	for _, f := range fs {
		f.promiseIn("Any").looked()
	}
	for _, f := range fs {
		switch f.State() {
		case StateCompleted:
			return f.val, nil
		case StatePending:
			if f.isSelf() {
				self = true
				continue
			}
			ps = append(ps, &f.promise)
		}
	}
	if len(fs) == 0 {
		return zero, ErrNoFutures
	}
	if len(ps) > 0 {
		i, err := await(ctx, ps, func(p *promise) bool { return p.State() == StateCompleted })
		if err != nil {
			return zero, err
		}
		if i >= 0 {
			for _, f := range fs {
				if &f.promise == ps[i] {
					return f.val, nil
				}
			}
		}
	}
	if self {
		return zero, ErrSelf
	}
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f.err
	}
	return zero, errors.Join(errs...)
}

// canWait returns why none of ps, which are pending, can be the first one to end.
func canWait(ps []*promise) error {
	for _, p := range ps {
		if !p.isSelf() {
			return nil
		}
	}
	if len(ps) == 0 {
		return ErrNoFutures
	}
	return ErrSelf
}
