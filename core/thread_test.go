package core_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// What ends the process, or leaves something in it for good, is tested in another one: the
// test binary itself, told by this variable what to do.
const subprocessVar = "TURNSTILE_CORE_SUBPROCESS"

func inSubprocess(t *testing.T, what string) bool {
	t.Helper()
	return os.Getenv(subprocessVar) == what
}

func subprocess(t *testing.T, test, what string) (out string, err error) {
	t.Helper()
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no processes on this system")
	}
	cmd := check.Self(t.Context(), "-test.v", "-test.run=^"+test+"$")
	cmd.Env = append(os.Environ(), subprocessVar+"="+what)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// exitNow ends the subprocess before anybody looks for what is left.
func exitNow(t *testing.T) {
	t.Helper()
	if t.Failed() {
		os.Exit(1)
	}
	os.Exit(0)
}

// A coroutine can be resumed only where runtime.LockOSThread is as it was at its creation.
// All calls that turn one dispatcher are made in the same state, or the runtime ends the
// program: this is the text that tells them.
func TestThreadLock(t *testing.T) {
	suspend := func(d *dispatch.Dispatcher) *core.Task {
		task := core.Start(core.On(context.Background(), d), func(ctx context.Context) error { return core.Yield(ctx) })
		_, _ = d.Poll(0)
		return task
	}
	programs := map[string]func(d *dispatch.Dispatcher){
		"made unlocked, resumed locked": func(d *dispatch.Dispatcher) {
			suspend(d)
			runtime.LockOSThread()
			_, _ = d.Poll(0)
		},
		"made locked, resumed unlocked": func(d *dispatch.Dispatcher) {
			runtime.LockOSThread()
			suspend(d)
			runtime.UnlockOSThread()
			_, _ = d.Poll(0)
		},
		"waits while it is locked": func(d *dispatch.Dispatcher) {
			core.Start(core.On(context.Background(), d), func(ctx context.Context) error {
				runtime.LockOSThread()
				return core.Yield(ctx)
			})
			_, _ = d.Poll(0)
		},
		"closed in another state": func(d *dispatch.Dispatcher) {
			suspend(d)
			runtime.LockOSThread()
			_ = d.Close()
		},
	}
	const text = "fatal error: coro: OS thread locking must match locking at coroutine creation"
	for name, program := range programs {
		t.Run(name, func(t *testing.T) {
			if inSubprocess(t, name) {
				d, err := dispatch.New(dispatch.Config{})
				if err != nil {
					t.Fatal(err)
				}
				program(d)
				fmt.Println("it went on")
				exitNow(t)
			}
			if os.Getenv(subprocessVar) != "" {
				return // of another one
			}
			out, err := subprocess(t, "TestThreadLock", name)
			if err == nil || !strings.Contains(out, text) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// In one state all is well, also if that is locked, and from one goroutine to the next.
func TestThreadLockedThroughout(t *testing.T) {
	main := func(ctx context.Context) error {
		f := core.Async(ctx, value(1))
		_, err := f.Await(ctx)
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- core.Run(context.Background(), main)
	}()
	wantErr(t, "locked", <-done, nil)

	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
		for range 5 {
			if err := core.Yield(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	for range 6 {
		go func() {
			_, err := d.Poll(0)
			done <- err
		}()
		wantErr(t, "Poll", <-done, nil)
	}
	if !task.Finished() || task.Err() != nil {
		t.Errorf("%v, %v", task.State(), task.Err())
	}
	wantErr(t, "Close", d.Close(), nil)
}
