//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// tell sends a signal to this process.
func tell(t testing.TB, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

// shielded has signals do nothing by themselves until the test ends, and tells when one has come.
func shielded(t testing.TB, sigs ...os.Signal) <-chan os.Signal {
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, sigs...)
	t.Cleanup(func() { signal.Stop(ch) })
	return ch
}

// seeds 2.2, waitSignal: one-shot, for any number who wait, and canceled without harm.
func TestSeedsWaitSignal(t *testing.T) {
	everyWay(t, func(w *world) {
		came := shielded(w, syscall.SIGUSR1, syscall.SIGUSR2)
		var waiting []*core.Task
		heard := 0
		wait := func(sigs ...os.Signal) *core.Task {
			task := core.Start(w.on, func(ctx context.Context) error {
				sig, err := transport.WaitSignal(ctx, sigs...)
				if err == nil && sig != syscall.SIGUSR1 {
					w.Errorf("got %v", sig)
				}
				if err == nil {
					heard++
				}
				return err
			})
			return task
		}
		for range 3 {
			waiting = append(waiting, wait(syscall.SIGUSR1, syscall.SIGUSR2))
		}
		canceled := wait(syscall.SIGUSR1)
		// On a dispatcher of its own a task has not begun yet: once a call has been canceled, those before it wait.
		canceled.Cancel()
		if err := canceled.Wait(w.ctx); !errors.Is(err, context.Canceled) {
			w.Errorf("canceled: %v", err)
		}
		tell(w, syscall.SIGUSR1)
		w.join(waiting...)
		if heard != len(waiting) {
			w.Errorf("%d heard it", heard)
		}
		<-came
		done, cancel := context.WithCancel(w.ctx)
		cancel()
		if _, err := transport.WaitSignal(done, syscall.SIGUSR1); err != context.Canceled {
			w.Errorf("done: %v", err)
		}
	})
}

func init() {
	children["waits for a signal"] = func() {
		_ = core.Run(context.Background(), func(ctx context.Context) error {
			out, err := transport.Stdout(ctx)
			if err != nil {
				return err
			}
			defer out.Close()
			short, cancel := core.WithCancel(ctx)
			task := core.Start(short, func(ctx context.Context) error { _, err := transport.WaitSignal(ctx); return err })
			cancel() // and so the default action is back
			_ = task.Wait(ctx)
			heard := core.Start(ctx, func(ctx context.Context) error {
				sig, err := transport.WaitSignal(ctx)
				if err == nil {
					_, err = out.Write([]byte(sig.String()))
				}
				return err
			})
			if _, err := out.Write([]byte("ready\n")); err != nil {
				return err
			}
			return heard.Wait(ctx)
		})
		hang2()
	}
	children["notified aside"] = notifiedAside
	children["notified"] = func() {
		_ = core.Run(context.Background(), func(ctx context.Context) error {
			out, err := transport.Stdout(ctx)
			if err != nil {
				return err
			}
			defer out.Close()
			below, stop := transport.NotifyContext(ctx)
			task := core.Start(below, func(ctx context.Context) error { return core.Sleep(ctx, 1<<62) })
			if _, err := out.Write([]byte("ready\n")); err != nil {
				return err
			}
			_ = task.Wait(ctx)
			stop()
			_, err = out.Write([]byte(context.Cause(below).Error()))
			return err
		})
		hang2()
	}
}

// notifiedAside is "notified" without a dispatcher of the ctx.
func notifiedAside() {
	ctx, stop := transport.NotifyContext(context.Background())
	fmt.Println("ready")
	<-ctx.Done()
	stop()
	fmt.Print(context.Cause(ctx))
	hang2()
}

// hang2 waits for ever, without a signal of its own.
func hang2() { select {} }

// While it waits the signal does nothing else; behind it, and behind a cancel, it ends the process again.
func TestWaitSignalRestoresTheDefault(t *testing.T) {
	for name, want := range map[string]string{
		"waits for a signal": "terminated", "notified": "transport: received signal: terminated",
		"notified aside": "transport: received signal: terminated",
	} {
		everyWayOn(t, "", func(w *world) {
			c := special(name)
			c.Stdout = transport.Piped
			p := w.child(c)
			b := make([]byte, 100)
			n, err := p.Stdout.Read(b)
			if string(b[:n]) != "ready\n" || err != nil {
				w.Fatalf("%q, %v", b[:n], err)
			}
			if err := p.Terminate(); err != nil {
				w.Error(err)
			}
			if n, err = p.Stdout.Read(b); string(b[:n]) != want {
				w.Errorf("%q, %v", b[:n], err)
			}
			if err := p.Terminate(); err != nil {
				w.Error(err)
			}
			w.ended(p, 128+15)
		})
	}
}

// The ctx ends by the first signal, which is the cause; by its parent; by stop; and tasks below it hear of it.
func TestNotifyContext(t *testing.T) {
	everyWay(t, func(w *world) {
		came := shielded(w, syscall.SIGUSR1, syscall.SIGUSR2)
		for _, on := range []context.Context{w.on, context.WithoutCancel(t.Context())} {
			ctx, stop := transport.NotifyContext(on, syscall.SIGUSR1, syscall.SIGUSR2)
			task := core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, 1<<62) })
			tell(w, syscall.SIGUSR2)
			if err := task.Wait(w.ctx); !errors.Is(err, context.Canceled) {
				w.Errorf("the task: %v", err)
			}
			var se *transport.SignalError
			if err := context.Cause(ctx); ctx.Err() != context.Canceled || !errors.As(err, &se) || se.Signal != syscall.SIGUSR2 {
				w.Errorf("%v, cause %v", ctx.Err(), err)
			}
			<-came
			tell(w, syscall.SIGUSR1) // which changes nothing
			<-came
			stop()
			stop()
			if !errors.As(context.Cause(ctx), &se) || se.Signal != syscall.SIGUSR2 {
				w.Errorf("cause %v", context.Cause(ctx))
			}
			ctx, stop = transport.NotifyContext(on, syscall.SIGUSR1)
			stop()
			if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
				w.Errorf("stopped: %v, %v", ctx.Err(), context.Cause(ctx))
			}
			above, cancel := core.WithCancel(on)
			ctx, stop = transport.NotifyContext(above, syscall.SIGUSR1)
			cancel()
			if ctx.Err() != context.Canceled {
				w.Errorf("parent: %v", ctx.Err())
			}
			stop()
			ctx, stop = transport.NotifyContext(above, syscall.SIGUSR1)
			if ctx.Err() != context.Canceled {
				w.Errorf("done parent: %v", ctx.Err())
			}
			stop()
		}
	})
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := transport.NotifyContext(core.On(t.Context(), d), syscall.SIGUSR1)
	defer stop()
	if ctx.Err() == nil || context.Cause(ctx) != dispatch.ErrClosed {
		t.Errorf("on a dispatcher that is closed: %v, %v", ctx.Err(), context.Cause(ctx))
	}
}

// A signal that comes at the moment of a cancel is not lost: nobody else has done anything about it.
func TestWaitSignalAtItsEnd(t *testing.T) {
	everyWay(t, func(w *world) {
		for range 10 {
			other := make(chan os.Signal, 1)
			signal.Notify(other, syscall.SIGUSR1)
			ctx, cancel := core.WithCancel(w.on)
			task := core.Start(w.on, func(context.Context) error {
				sig, err := transport.WaitSignal(ctx, syscall.SIGUSR1)
				if sig != syscall.SIGUSR1 && err != context.Canceled {
					w.Errorf("%v, %v", sig, err)
				}
				if err != nil {
					return err
				}
				return nil
			})
			for range 20 {
				if err := core.Yield(w.ctx); err != nil {
					w.Fatal(err)
				}
			}
			// On the loop, so that the call does not go on before both have happened.
			both := make(chan struct{})
			err := w.d.Post(func() {
				defer close(both)
				cancel()
				tell(w, syscall.SIGUSR1)
				<-other
				signal.Stop(other) // waits until the signal has gone to all
			})
			if err != nil {
				w.Fatal(err)
			}
			if _, _, err := core.Receive(w.ctx, both); err != nil {
				w.Fatal(err)
			}
			if err := task.Wait(w.ctx); err != nil {
				w.Errorf("the signal was lost: %v", err)
			}
		}
	})
}
