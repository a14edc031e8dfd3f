package transport

import (
	"context"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// blocking is core.Blocking for functions that have to leave nothing behind. If fn is not called, since ctx
// has ended or the dispatcher is closed before, unused is; and if fn ends well when nobody waits for it
// any more, on a dispatcher that has closed, late is called with what it has made.
func blocking[T any](ctx context.Context, fn func(ctx context.Context) (T, error), unused func(), late func(T)) (T, error) {
	const fresh, begun, left, over = 0, 1, 2, 3
	var at atomic.Int32
	v, err := core.Blocking(ctx, func(ctx context.Context) (T, error) {
		if !at.CompareAndSwap(fresh, begun) {
			var zero T
			return zero, dispatch.ErrClosed
		}
		v, err := fn(ctx)
		if !at.CompareAndSwap(begun, over) && err == nil {
			late(v)
		}
		return v, err
	})
	if at.CompareAndSwap(fresh, left) {
		unused()
	} else {
		at.CompareAndSwap(begun, left)
	}
	return v, err
}
