package dispatch_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestErrRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, other := open(t, dispatch.Config{}), open(t, dispatch.Config{})
		other.CallSoon(func() {})
		refused := func(what string, d *dispatch.Dispatcher) {
			_, err1 := d.Poll(-1)
			err2 := d.Run(t.Context())
			err3 := seam.Of(d).RunUntil(func() bool { return true })
			for _, err := range []error{err1, err2, err3} {
				if err != dispatch.ErrRunning {
					t.Errorf("%s: %v, want ErrRunning", what, err)
				}
			}
		}
		d.CallSoon(func() {
			refused("in a callback", d)
			refused("in a callback of another dispatcher", other)
			done := make(chan struct{})
			go func() { defer close(done); refused("on another goroutine", d) }()
			<-done
		})
		if n := turn(t, d); n != 1 {
			t.Errorf("ran %d", n)
		}
		if n := turn(t, other); n != 1 { // it has not been touched
			t.Errorf("the other ran %d", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- d.Run(ctx) }()
		synctest.Wait()
		refused("while Run sleeps", d)
		cancel()
		if err := <-done; err != context.Canceled {
			t.Errorf("Run = %v", err)
		}
	})
}

func TestRunEndsWithCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		ran := false
		d.AfterFunc(time.Hour, func() { ran = true })
		if err := d.Run(ctx); err != context.DeadlineExceeded {
			t.Errorf("Run = %v", err)
		}
		d.CallSoon(func() { ran = true })
		if err := d.Run(ctx); err != context.DeadlineExceeded || ran {
			t.Errorf("Run with a ctx that is done = %v, ran a callback: %v", err, ran)
		}
		cause, stop := context.WithCancelCause(t.Context())
		d.CallSoon(func() { stop(errors.New("cause")) })
		if err := d.Run(cause); err != context.Canceled {
			t.Errorf("Run = %v, want ctx.Err() as it is", err)
		}
	})
}

// TestCancelStaysWithRun: the cancel that ends a Run does not end the sleep of the Poll that
// comes next.
func TestCancelStaysWithRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			d.CallSoon(cancel)
			if err := d.Run(ctx); err != context.Canceled {
				t.Errorf("Run = %v", err)
			}
			ran := false
			d.AfterFunc(time.Second, func() { ran = true })
			if n, err := d.Poll(-1); n != 1 || err != nil || !ran {
				t.Fatalf("Poll = %d, %v, before the timer it waits for", n, err)
			}
		}
	})
}

// TestNoWakeLost has what ends a sleep happen after the loop has looked for it and
// before it sleeps: at the moment it reads the clock. A wake that is lost is a deadlock
// of the bubble.
func TestNoWakeLost(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		wake func(d *dispatch.Dispatcher, cancel, release func())
	}{
		{"ctx", context.Canceled, func(_ *dispatch.Dispatcher, cancel, _ func()) { cancel() }},
		{"Close", nil, func(d *dispatch.Dispatcher, _, _ func()) { go func() { _ = d.Close() }() }},
		{"Post", context.Canceled, func(d *dispatch.Dispatcher, cancel, _ func()) { _ = d.Post(cancel) }},
		{"timer", context.Canceled, func(d *dispatch.Dispatcher, cancel, _ func()) {
			go d.AfterFunc(time.Second, cancel)
		}},
		{"idle", context.Canceled, func(d *dispatch.Dispatcher, cancel, _ func()) { d.CallIdle(cancel) }},
		{"release", nil, func(_ *dispatch.Dispatcher, _, release func()) { release() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := open(t, dispatch.Config{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				release := d.Hold()
				start, once := time.Now(), false
				seam.Of(d).Simulate(&seam.Sim{Now: func() int64 {
					now := int64(time.Since(start))
					if !once {
						once = true
						c.wake(d, cancel, release)
						synctest.Wait() // it has done what it can
					}
					return now
				}})
				if c.name == "release" {
					if n, err := d.Poll(-1); n != 0 || err != nil {
						t.Errorf("Poll = %d, %v", n, err)
					}
				} else if err := d.Run(ctx); err != c.err {
					t.Errorf("Run = %v, want %v", err, c.err)
				}
				release()
			})
		})
	}
}

// TestGoexit: a callback that ends its goroutine leaves the dispatcher usable.
func TestGoexit(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	d.CallSoon(runtime.Goexit)
	d.CallSoon(r.does("behind"))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = d.Poll(0)
	}()
	<-done
	turn(t, d)
	r.want(t, "behind")
}

// TestLockedThread runs a loop that is locked to its thread.
func TestLockedThread(t *testing.T) {
	d := open(t, dispatch.Config{})
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- d.Run(ctx)
	}()
	for i := range 100 {
		ran := make(chan int)
		must(t, d.Post(func() { ran <- i }))
		if got := <-ran; got != i {
			t.Fatal(fmt.Sprint(got))
		}
	}
	cancel()
	if err := <-done; err != context.Canceled {
		t.Errorf("Run = %v", err)
	}
}
