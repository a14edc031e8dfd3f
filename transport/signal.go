package transport

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// WaitSignal waits for one of the signals sigs to be delivered to the process, and returns it; for
// os.Interrupt or SIGTERM if none are named. From the call until it returns those signals have lost
// their default action in the whole process; then it is back, unless others listen. Whoever waits for a
// signal hears it, and so does who uses [signal.Notify].
//
// If ctx ends first the error is ctx.Err(). A signal that comes at the same moment is not
// lost: it is returned, since its default action has not been taken. Signals that cannot
// be caught are never heard of: see package os/signal.
func WaitSignal(ctx context.Context, sigs ...os.Signal) (os.Signal, error) {
	if err := ctx.Err(); err != nil {
		return nil, park.Failed(err)
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, orStop(sigs)...)
	defer signal.Stop(ch) // for a panic
	sig, _, err := core.Receive(ctx, ch)
	signal.Stop(ch) // sends nothing once it has returned
	if err != nil {
		select {
		case sig := <-ch:
			return sig, nil
		default:
			return nil, err
		}
	}
	return sig, nil
}

// orStop returns sigs, or the signals that ask a program to end. Package os/signal takes none for all of
// them, among which are those that the Go runtime sends itself.
func orStop(sigs []os.Signal) []os.Signal {
	if len(sigs) == 0 {
		return []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	return sigs
}

// SignalError is the cause of a ctx of [NotifyContext] that a signal has ended.
type SignalError struct {
	Signal os.Signal // the one that came first
}

// Error names the signal.
func (e *SignalError) Error() string { return "transport: received signal: " + e.Signal.String() }

// NotifyContext returns a ctx below ctx that is canceled by the first of the signals sigs that is
// delivered to the process, os.Interrupt or SIGTERM if none are named: its Err is context.Canceled, and
// context.Cause a *[SignalError] that tells which. It is [signal.NotifyContext] for tasks: the ctx is one
// of package core, whose cancel reaches the tasks below it at once, on the dispatcher of ctx, which
// somebody has to turn. Where ctx belongs to no dispatcher a goroutine waits.
//
// The signals lose their default action in the whole process until stop is called, which ends the
// ctx too, or the dispatcher closes. So to let a second interrupt end the program, call stop as
// soon as the ctx is done. Call stop in any case when what the ctx was made for is done; it may be called
// more than once. On a dispatcher that is closed the ctx is canceled from the start, with
// dispatch.ErrClosed as the cause.
func NotifyContext(ctx context.Context, sigs ...os.Signal) (context.Context, context.CancelFunc) {
	sigs = orStop(sigs)
	ctx, cancel := core.WithCancelCause(ctx)
	if ctx.Err() != nil {
		return ctx, func() { cancel(nil) }
	}
	d := core.DispatcherOf(ctx)
	if d == nil {
		return ctx, notifyGoroutine(ctx, cancel, sigs)
	}
	var watches []*dispatch.Watch
	stop := func() {
		for _, w := range watches {
			w.Stop()
		}
		cancel(nil)
	}
	for _, sig := range sigs {
		w, err := d.AddSignal(sig, func(sig os.Signal) bool {
			cancel(&SignalError{sig})
			return false // the default action is back when stop says so
		})
		if err != nil {
			cancel(err)
			break
		}
		watches = append(watches, w)
	}
	return ctx, sync.OnceFunc(stop)
}

// notifyGoroutine has a goroutine wait for sigs, until stop has been called.
func notifyGoroutine(ctx context.Context, cancel context.CancelCauseFunc, sigs []os.Signal) (stop func()) {
	ch := make(chan os.Signal, 1)
	ended := make(chan struct{})
	signal.Notify(ch, sigs...)
	go func() {
		defer close(ended)
		select {
		case sig := <-ch:
			cancel(&SignalError{sig})
		case <-ctx.Done():
		}
	}()
	return sync.OnceFunc(func() {
		signal.Stop(ch)
		cancel(nil)
		<-ended
	})
}
