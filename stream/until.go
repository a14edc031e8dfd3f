package stream

import (
	"context"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Until is a stream of the values of s that ends, and ends well, when stop is done: a ctx, a
// *core.Task or a *core.Future, or whatever else has such a method. It is for streams without an end of
// their own, where what comes behind is to do the rest of its work:
//
//	lines := stream.Until(stream.Merge(logs...), interrupted)
//	err := stream.ForEach(context.Background(), stream.Batch(lines, 100, time.Second), store)
//
// When stop is done s is canceled, and waited for; the value under way is dealt with first. An error
// of s by then that says nothing else than this cancel is dropped, any other one is that of the stream,
// and so is an end of the ctx of the sink. If stop is done before the run, s is not even begun.
//
// For the stages before, this is a cancel like any other, so that what they have collected is
// dropped: Until belongs right behind what it is to end, and the stages that collect behind Until. It
// buffers nothing. In each run a goroutine of its own waits for stop. So a stop that comes from elsewhere ends also
// a source that never waits, even if nothing of what it gives comes as far as here; in a task, where that has the loop
// for itself, no timer and no other task of its dispatcher can stop it.
func Until[T any](s Stream[T], stop interface{ Done() <-chan struct{} }) Stream[T] {
	needStream("Until", s)
	need("Until", "stop", stop != nil)
	return &stoppable[T]{s, stop.Done}
}

type stoppable[T any] struct {
	src  Stream[T]
	done func() <-chan struct{}
}

func (u *stoppable[T]) run(ctx context.Context, emit func(T) error) error {
	done := u.done()
	if done == nil {
		return u.src.run(ctx, emit)
	}
	if closed(done) {
		return nil
	}
	inner, cancel := core.WithCancel(ctx)
	end, err := onDone(inner, done, cancel)
	defer func() {
		cancel()
		end()
	}()
	if err != nil {
		return err
	}
	stopped := false
	var behind error // what the stages behind have returned
	err = u.src.run(inner, func(v T) error {
		if behind = emit(v); behind != nil {
			return behind
		}
		if stopped = closed(done); stopped {
			return ErrStop
		}
		return nil
	})
	switch {
	case behind != nil || err == nil:
		return err
	case ctx.Err() != nil && (err == context.DeadlineExceeded || saysCanceled(err)): // a ctx may say it its own way
		return ctx.Err()
	case closed(done) && saysCanceled(err):
		return nil
	}
	return settled(err, stopped)
}

// onDone calls cancel when done is closed, until end, which waits for that to be over.
func onDone(ctx context.Context, done <-chan struct{}, cancel func()) (end func(), err error) {
	if host := park.Self(); host != nil && host.Simulated() { // nothing may happen beside a simulation
		watch, err := launch(ctx, func(ctx context.Context) error {
			if _, _, err := core.Receive(ctx, done); err != nil {
				return err
			}
			cancel()
			return nil
		})
		return func() { _ = join(ctx, watch, false) }, err
	}
	// A task would have no turn while a source that never waits has its loop.
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-done:
			cancel()
		case <-over:
		}
	}()
	return func() {
		close(over)
		if _, _, err := core.Receive(core.Shield(ctx), gone); err != nil {
			<-gone // the dispatcher has closed, and nobody can wait in its tasks
		}
	}, nil
}

func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// saysCanceled reports whether err says nothing but that a ctx was canceled. An error that is made
// of several says so if each of them does; a panic never does.
func saysCanceled(err error) bool {
	if _, panicked := err.(*core.PanicError); panicked {
		return false
	}
	if is, ok := err.(interface{ Is(target error) bool }); err == context.Canceled || ok && is.Is(context.Canceled) {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return saysCanceled(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			if !saysCanceled(one) {
				return false
			}
		}
		return len(e.Unwrap()) > 0
	}
	return false
}
