package core

import "context"

// either returns a ctx for one wait of the caller that ends with ctx, and with also. The
// wait is to be followed by stop.
func either(ctx, also context.Context) (_ context.Context, stop func()) {
	t, s := currentOf(ctx), scopeOf(also)
	if t == nil || s != also {
		merged, cancel := context.WithCancel(ctx)
		var sched *sched
		if t != nil {
			sched = t.sched
		}
		unhook := sched.afterFunc(also, cancel)
		return eitherCtx{merged, ctx, also}, func() {
			unhook()
			cancel()
		}
	}
	// The end of a scope wakes the task itself, with no goroutine in between.
	wakes := &scope{owner: t}
	wakes.init(also, nil)
	return eitherCtx{ctx, ctx, also}, wakes.leave
}

// eitherCtx is a ctx that ends with either of two.
type eitherCtx struct {
	context.Context // what a wait listens to
	first, second   context.Context
}

// Err is that of the one that has ended.
func (c eitherCtx) Err() error {
	if err := c.first.Err(); err != nil {
		return err
	}
	return c.second.Err()
}
