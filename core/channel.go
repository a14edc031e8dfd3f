package core

import (
	"context"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Receive receives from a Go channel without stopping the loop: v, ok = <-ch with a ctx. It
// returns ctx.Err() if ctx ends first or is done at the call, and has taken nothing
// then; a value that it has taken is returned, even if ctx has ended since. From a nil channel it
// waits until ctx ends.
//
// It is the bridge to code that speaks channels. A task that has to wait does so with the help of
// a goroutine, which has done its work when the call returns: that costs the start of a goroutine
// and a wake-up from there, and memory for both while it waits. Between tasks a queue.AsyncQueue
// is cheaper, and first come, first served: which of several tasks that receive from one channel
// gets a value is up to the runtime. A value that is there is returned at once, and nobody else
// gets a turn. On an ordinary goroutine Receive is a select.
//
// Under package proptest there is no goroutine: the channel is tried behind each step, for those that
// wait in the order in which they came, and a Send meets a Receive that waits. There a plain
// send on a channel without a buffer, in a select with a default, finds nobody.
func Receive[T any](ctx context.Context, ch <-chan T) (v T, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return v, false, park.Failed(err)
	}
	if park.Observed() {
		if s := simulated(); s != nil {
			return receiveInSim(ctx, s, ch)
		}
	}
	select {
	case v, ok = <-ch:
		return v, ok, nil
	default:
	}
	if current() == nil {
		select {
		case v, ok = <-ch:
			return v, ok, nil
		case <-ctx.Done():
			return v, false, ctx.Err()
		}
	}
	return receiveBeside(ctx, ch)
}

// receiveBeside is Receive in a task that has to wait. It is a function of its own because v
// escapes to the goroutine here, so that in Receive it costs no allocation.
func receiveBeside[T any](ctx context.Context, ch <-chan T) (v T, ok bool, err error) {
	err = beside(ctx, func(stop <-chan struct{}) bool {
		select {
		case v, ok = <-ch:
			return true
		case <-stop:
			return false
		}
	})
	return v, ok, err
}

// Send sends to a Go channel without stopping the loop: ch <- v with a ctx. It returns nil if v
// was sent, even if ctx has ended since, and ctx.Err() if ctx ends first or is done at the call:
// then nobody gets v. To a nil channel it waits until ctx ends. On a closed channel, also one that
// is closed while it waits, it panics as the statement does. What is said of [Receive] about
// costs and order holds here, too.
func Send[T any](ctx context.Context, ch chan<- T, v T) error {
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if park.Observed() {
		if s := simulated(); s != nil {
			return sendInSim(ctx, s, ch, v)
		}
	}
	select {
	case ch <- v:
		return nil
	default:
	}
	if current() == nil {
		select {
		case ch <- v:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return beside(ctx, func(stop <-chan struct{}) bool {
		select {
		case ch <- v:
			return true
		case <-stop:
			return false
		}
	})
}

// beside runs wait on a goroutine, and suspends the task until it returns or ctx ends. Then stop
// is closed, and it is wait that decides, by what it returns, which of the two came first.
func beside(ctx context.Context, wait func(stop <-chan struct{}) (done bool)) error {
	var ended Future[bool]
	var thrown any
	stop := make(chan struct{})
	go func() {
		done := false
		defer func() {
			thrown = recover()
			ended.Complete(done)
		}()
		done = wait(stop)
	}()
	err := func() error {
		defer func() { // also if a ctx of somebody else's panics
			if !ended.Finished() {
				close(stop)
				// This blocks the loop, for a switch to that goroutine: no code of the user
				// runs there. Where the dispatcher has closed the task could not be suspended.
				<-ended.Done()
			}
		}()
		_, err := ended.Await(ctx)
		return err
	}()
	if thrown != nil {
		panic(thrown)
	}
	if done, _ := ended.Read(); done {
		return nil
	}
	return err
}
