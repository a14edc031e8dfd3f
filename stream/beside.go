package stream

import (
	"context"

	"github.com/seed-1e54c410/turnstile/core"
)

// beside runs produce on a task of its own, under ctx, and consume here, and returns when both
// have ended. It is the one way for a stage to have concurrency.
//
// Consume returns nil when it has seen the end of what produce gives, and an error when it
// wants no more; then produce is canceled. The error is that of consume, or else that of
// produce. A panic of consume, or a Goexit, goes on when produce has ended. A panic of
// produce goes on here, as a *core.PanicError; a Goexit of it becomes the error
// core.ErrGoexit.
func beside(ctx context.Context, produce, consume func(ctx context.Context) error) error {
	var result error
	t, err := launch(ctx, func(ctx context.Context) error {
		result = produce(ctx)
		return nil
	})
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned {
			_ = join(ctx, t, true) // a panic of consume comes first
		}
	}()
	err = consume(ctx)
	returned = true
	late := join(ctx, t, err != nil)
	if p, ok := late.(*core.PanicError); ok {
		if inner, ok := p.Value.(*core.PanicError); ok {
			p = inner // it has come through here before, in a stage above
		}
		panic(p)
	}
	switch {
	case err != nil:
		return err
	case late != nil:
		return late
	}
	return result
}

// launch starts fn on a task, and returns when that has begun, so that whoever waits for
// what fn gives can rely on fn. Only a dispatcher that closes lets no task begin; the
// error says so.
func launch(ctx context.Context, fn func(ctx context.Context) error) (*core.Task, error) {
	begun := core.NewFuture[struct{}]()
	t := core.Start(ctx, func(ctx context.Context) error {
		begun.Complete(struct{}{})
		return fn(ctx)
	})
	if core.DispatcherOf(ctx) == nil || begun.Finished() {
		return t, nil
	}
	if _, err := core.Race[core.Waitable](core.Shield(ctx), begun, t); err != nil {
		return t, err
	}
	if !begun.Finished() {
		return t, t.Err()
	}
	return t, nil
}

// join waits for the end of t, whatever becomes of ctx, and returns its error.
func join(ctx context.Context, t *core.Task, cancel bool) error {
	if cancel {
		t.Cancel()
	}
	return t.Wait(core.Shield(ctx))
}
