package core_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// Check reports what Spawn would report, and nothing else.
func TestCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
			if p, ok := errors.AsType[*core.PanicError](err); ok {
				err = fmt.Errorf("panic-%v", p.Value)
			}
			tr.add("%v", err)
		}})
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			fail := func(err error) *core.Task {
				return core.Start(ctx, func(ctx context.Context) error {
					_ = core.Sleep(ctx, time.Second)
					return err
				})
			}
			for _, c := range []struct {
				name string
				w    core.Waitable
				end  func()
				want string
			}{
				{"fails", fail(errBoom), nil, "boom"},
				{"ends well", fail(nil), nil, ""},
				{"panics", core.Start(ctx, func(ctx context.Context) error { _ = core.Yield(ctx); panic("oh") }), nil, "panic-oh"},
				{"failed already", core.Failed[int](errBoom), nil, "boom"},
				{"completed already", core.Completed(1), nil, ""},
				{"says that it was canceled", fail(context.Canceled), nil, "context canceled"},
			} {
				core.Check(c.w)
				tr.want(t, "")
				wantErr(t, "Sleep", core.Sleep(ctx, 2*time.Second), nil)
				tr.want(t, c.want)
			}
			f := core.NewFuture[int]()
			core.Check(f)
			f.Fail(errBoom)
			tr.want(t, "")
			wantErr(t, "Yield", core.Yield(ctx), nil)
			tr.want(t, "boom")
			f = core.NewFuture[int]()
			core.Check(f)
			f.Cancel()
			// Canceled, by whatever way, is no failure.
			canceled := core.Start(ctx, forever)
			core.Check(canceled)
			canceled.Cancel()
			short, cancel := core.WithTimeout(ctx, time.Second)
			core.Check(core.Start(short, forever))
			wantErr(t, "Sleep", core.Sleep(ctx, time.Minute), nil)
			cancel()
			// Who waits gets the error all the same.
			failing := fail(errBoom)
			core.Check(failing)
			wantErr(t, "Wait", failing.Wait(ctx), errBoom)
			wantErr(t, "Yield", core.Yield(ctx), nil)
			tr.want(t, "boom")
			core.Check(core.Start(ctx, func(ctx context.Context) error {
				_ = forever(ctx)
				return errBoom // canceled when main returns, and a failure: RunOn waits for the report
			}))
			return nil
		}), nil)
		tr.want(t, "boom")
		wantErr(t, "Close", d.Close(), nil)
	})
}

// A task of another dispatcher is reported there, a future in the callback that checks it.
func TestCheckReportsWhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tr trace
		on := func(name string) (*dispatch.Dispatcher, func() error) {
			return looping(t, dispatch.Config{Unhandled: func(err error) { tr.add("%s-%v", name, err) }})
		}
		a, stopA := on("a")
		b, stopB := on("b")
		task := core.Start(core.On(t.Context(), a), func(ctx context.Context) error { _ = forever(ctx); return errBoom })
		b.CallSoon(func() { core.Check(task) })
		synctest.Wait()
		task.Cancel()
		synctest.Wait()
		tr.want(t, "a-boom")
		f := core.NewFuture[int]()
		b.CallSoon(func() { core.Check(f) })
		synctest.Wait()
		f.Fail(errBoom)
		synctest.Wait()
		tr.want(t, "b-boom")
		wantErr(t, "Close", stopA(), nil)
		wantErr(t, "Close", stopB(), nil)
		core.Check(task) // nobody is told any more
		synctest.Wait()
		tr.want(t, "")
	})
}

func TestCheckOnGoroutine(t *testing.T) {
	var out bytes.Buffer
	log.SetOutput(&out)
	defer log.SetOutput(os.Stderr)
	synctest.Test(t, func(t *testing.T) {
		core.Check(core.Async(t.Context(), func(context.Context) (int, error) { return 0, errBoom }))
		synctest.Wait()
	})
	if text := out.String(); !strings.Contains(text, "core: future checked at ") || !strings.Contains(text, "check_test.go:") || !strings.HasSuffix(text, ": boom\n") {
		t.Errorf("logged %q", text)
	}
	if p := panics(func() { core.Check(nil) }); p != "core: Check of nil" {
		t.Errorf("panic %v", p)
	}
}

// Without Config.Unhandled a panic leaves Run, as that of a task of Spawn does.
func TestCheckPanicLeavesRun(t *testing.T) {
	p := panics(func() {
		_ = core.Run(t.Context(), func(ctx context.Context) error {
			core.Check(core.Start(ctx, func(context.Context) error { panic(errBoom) }))
			return forever(ctx)
		})
	})
	if e, ok := p.(*core.PanicError); !ok || e.Value != errBoom {
		t.Errorf("panic %v", p)
	}
	nothingLeft(t)
}

// An error whose Is method panics, and one that takes the future's lock in it, harm nobody.
func TestCheckOfNastyErrors(t *testing.T) {
	var reported []error
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { reported = append(reported, err) }})
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
		var task *core.Task
		for _, err := range []error{nastyError{}, curiousError{func() { <-task.Done() }}} {
			task = core.Start(ctx, func(ctx context.Context) error { _ = forever(ctx); return err })
			core.Check(task)
			wantErr(t, "CancelAndWait", task.CancelAndWait(ctx), nil)
			wantErr(t, "Yield", core.Yield(ctx), nil)
		}
		return nil
	}), nil)
	wantErr(t, "Close", d.Close(), nil)
	if len(reported) != 1 {
		t.Errorf("reported %v", reported)
	}
}

type curiousError struct{ look func() }

func (curiousError) Error() string { return "curious" }

func (e curiousError) Is(target error) bool {
	if target == dispatch.ErrClosed {
		e.look()
	}
	return target == dispatch.ErrClosed
}
