package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// unhandledErrors collects what Config.Unhandled gets.
type unhandledErrors struct {
	mu   sync.Mutex
	errs []error
}

func (u *unhandledErrors) add(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.errs = append(u.errs, err)
}

func (u *unhandledErrors) list() []error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]error(nil), u.errs...)
}

func fails(context.Context) (int, error) { return 0, errBoom }

// logged calls fn, which may ask for what has been logged since, and returns that.
func logged(fn func(soFar func() string)) string {
	var w lockedWriter
	before := log.Writer()
	log.SetOutput(&w)
	defer log.SetOutput(before)
	fn(w.String)
	return w.String()
}

type lockedWriter struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *lockedWriter) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// TestUnlooked: a failure is reported when the dispatcher closes, once, unless somebody has
// looked at it.
func TestUnlooked(t *testing.T) {
	for _, c := range []struct {
		name     string
		reported bool
		do       func(ctx context.Context)
	}{
		{"Async", true, func(ctx context.Context) { core.Async(ctx, fails) }},
		{"Async that fails later", true, func(ctx context.Context) {
			core.Async(ctx, func(ctx context.Context) (int, error) { _ = core.Yield(ctx); return 0, errBoom })
		}},
		{"Start that panics", true, func(ctx context.Context) {
			core.Start(ctx, func(context.Context) error { panic(errBoom) })
		}},
		{"NewFuture", true, func(ctx context.Context) { core.NewFuture[int]().Fail(errBoom) }},
		{"State and Finished", true, func(ctx context.Context) {
			f := core.Async(ctx, fails)
			_, _, _ = f.State(), f.Finished(), f.Done()
		}},
		{"an Await that was given up", true, func(ctx context.Context) {
			f := core.NewFuture[int]()
			short, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			_, _ = f.Await(short)
			_, _ = f.Read() // says that it is pending
			_ = f.Err()
			f.Fail(errBoom)
		}},
		{"Await", false, func(ctx context.Context) { _, _ = core.Async(ctx, fails).Await(ctx) }},
		{"Await before the end", false, func(ctx context.Context) {
			_, _ = core.Async(ctx, func(ctx context.Context) (int, error) { _ = core.Yield(ctx); return 0, errBoom }).Await(ctx)
		}},
		{"AwaitOrCancel", false, func(ctx context.Context) { _, _ = core.Async(ctx, fails).AwaitOrCancel(ctx) }},
		{"Wait", false, func(ctx context.Context) {
			_ = core.Start(ctx, func(context.Context) error { return errBoom }).Wait(ctx)
		}},
		{"Read", false, func(ctx context.Context) { _, _ = core.Async(ctx, fails).Read() }},
		{"Err", false, func(ctx context.Context) { _ = core.Async(ctx, fails).Err() }},
		{"Failed", false, func(ctx context.Context) { _ = core.Async(ctx, fails).Failed() }},
		{"CancelAndWait", false, func(ctx context.Context) { _ = core.Async(ctx, fails).CancelAndWait(ctx) }},
		{"a callback", false, func(ctx context.Context) {
			core.Async(ctx, fails).AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) {})
		}},
		{"a callback before the end", false, func(ctx context.Context) {
			f := core.NewFuture[int]()
			f.AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) {})
			f.Fail(errBoom)
		}},
		{"Race before the end", false, func(ctx context.Context) {
			f := core.NewFuture[int]()
			_, _ = core.Race(ctx, f, core.Completed(1))
			f.Fail(errBoom)
		}},
		{"Join", false, func(ctx context.Context) { _ = core.Join(ctx, core.Async(ctx, fails)) }},
		{"AllFinished", false, func(ctx context.Context) { _ = core.AllFinished(ctx, core.Async(ctx, fails)) }},
		{"the second of All", false, func(ctx context.Context) {
			_, _ = core.All(ctx, core.Async(ctx, fails), core.Async(ctx, fails))
		}},
		{"Any", false, func(ctx context.Context) {
			_, _ = core.Any(ctx, core.Completed(1), core.Async(ctx, fails))
		}},
		{"the second of Race", false, func(ctx context.Context) {
			_, _ = core.Race(ctx, core.Completed(1), core.Async(ctx, fails))
		}},
		{"completed", false, func(ctx context.Context) { core.Async(ctx, value(1)) }},
		{"canceled", false, func(ctx context.Context) {
			core.Start(ctx, forever).Cancel()
			core.NewFuture[int]().Cancel()
		}},
		{"a timeout after a cancel", false, func(ctx context.Context) {
			core.Start(ctx, func(ctx context.Context) error {
				_ = core.Sleep(ctx, time.Hour)
				return fmt.Errorf("late: %w", context.DeadlineExceeded)
			}).Cancel()
		}},
		{"Spawn", false, func(ctx context.Context) {
			core.Spawn(ctx, func(ctx context.Context) error { return core.Yield(ctx) })
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			track(t)
			synctest.Test(t, func(t *testing.T) {
				var got unhandledErrors
				d, err := dispatch.New(dispatch.Config{Unhandled: got.add})
				if err != nil {
					t.Fatal(err)
				}
				wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
					c.do(ctx)
					return core.Sleep(ctx, time.Second)
				}), nil)
				if errs := got.list(); len(errs) > 0 {
					t.Errorf("reported before Close: %v", errs)
				}
				wantErr(t, "Close", d.Close(), nil)
				want := 0
				if c.reported {
					want = 1
				}
				errs := got.list()
				if len(errs) != want {
					t.Fatalf("reported: %v, want %d", errs, want)
				}
				for _, err := range errs {
					if !errors.Is(err, errBoom) || !strings.Contains(err.Error(), "unlooked_test.go:") {
						t.Errorf("reported: %v", err)
					}
				}
			})
		})
	}
}

// TestUnlookedOrder: what is reported when the dispatcher closes is so in the order of making, and
// once, whatever the garbage collector finds later.
func TestUnlookedOrder(t *testing.T) {
	track(t)
	var got unhandledErrors
	d, err := dispatch.New(dispatch.Config{Unhandled: got.add})
	if err != nil {
		t.Fatal(err)
	}
	var kept []*core.Future[int]
	wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
		for i := range 50 {
			kept = append(kept, core.Async(ctx, func(context.Context) (int, error) { return 0, fmt.Errorf("%d", i) }))
		}
		return nil
	}), nil)
	wantErr(t, "Close", d.Close(), nil)
	errs := got.list()
	if len(errs) != len(kept) {
		t.Fatalf("%d reports", len(errs))
	}
	for i, err := range errs {
		if !strings.HasSuffix(err.Error(), fmt.Sprintf(": %d", i)) {
			t.Errorf("report %d: %v", i, err)
		}
	}
	kept = nil
	text := logged(func(func() string) { collect(t, func() bool { return core.TrackedFutures() == 0 }) })
	if len(got.list()) != len(errs) || text != "" {
		t.Errorf("reported again: %d, %q", len(got.list()), text)
	}
}

// TestUnlookedUnreachable: in a program that goes on the report comes on the loop when the
// garbage collector finds that nobody can look any more.
func TestUnlookedUnreachable(t *testing.T) {
	track(t)
	reports := make(chan error, 1)
	var d *dispatch.Dispatcher
	d, stop := looping(t, dispatch.Config{Unhandled: func(err error) {
		if _, err := d.Poll(0); err != dispatch.ErrRunning {
			t.Errorf("not on the loop: %v", err)
		}
		reports <- err
	}})
	ctx := core.On(t.Context(), d)
	func() { <-core.Async(ctx, fails).Done() }()
	var got error
	collect(t, func() bool {
		select {
		case got = <-reports:
		default:
		}
		return got != nil
	})
	if !errors.Is(got, errBoom) {
		t.Errorf("reported: %v", got)
	}
	// One that somebody holds is not reported.
	held := core.Async(ctx, fails)
	<-held.Done()
	collect(t, func() bool { return core.TrackedFutures() == 2 }) // it, and that it has failed
	if err := held.Err(); err != errBoom {
		t.Error(err)
	}
	wantErr(t, "Close", stop(), nil)
	select {
	case err := <-reports:
		t.Errorf("reported: %v", err)
	default:
	}
}

// TestUnlookedBubble: in a bubble, whose loop the garbage collector cannot wake, the report comes
// when the dispatcher closes.
func TestUnlookedBubble(t *testing.T) {
	track(t)
	synctest.Test(t, func(t *testing.T) {
		var got unhandledErrors
		d, stop := looping(t, dispatch.Config{Unhandled: got.add})
		func() { <-core.Async(core.On(t.Context(), d), fails).Done() }()
		synctest.Wait()                                               // until the loop sleeps
		collect(t, func() bool { return core.TrackedFutures() == 1 }) // that it has failed
		if errs := got.list(); len(errs) > 0 {
			t.Errorf("reported before Close: %v", errs)
		}
		wantErr(t, "Close", stop(), nil)
		if errs := got.list(); len(errs) != 1 || !errors.Is(errs[0], errBoom) {
			t.Errorf("reported: %v", errs)
		}
	})
}

// TestUnlookedLog: without a dispatcher, or a function there, the report is a line in the log. A
// panic does not leave Run.
func TestUnlookedLog(t *testing.T) {
	track(t)
	text := logged(func(soFar func() string) {
		func() { core.NewFuture[int]().Fail(errBoom) }()
		collect(t, func() bool { return core.TrackedFutures() == 0 && soFar() != "" })
	})
	if strings.Count(text, "\n") != 1 || !strings.Contains(text, "unlooked_test.go:") || !strings.Contains(text, ": boom") {
		t.Errorf("logged: %q", text)
	}
	text = logged(func(func() string) {
		wantErr(t, "Run", core.Run(t.Context(), func(ctx context.Context) error {
			core.Start(ctx, func(context.Context) error { panic(errBoom) })
			return nil
		}), nil)
	})
	if !strings.Contains(text, "unlooked_test.go:") || !strings.Contains(text, "task panicked: boom") {
		t.Errorf("logged: %q", text)
	}
}

// settle returns when the runtime has called what it had to call for what was collected before.
func settle(t *testing.T) {
	t.Helper()
	var done atomic.Bool
	runtime.AddCleanup(new([64]byte), func(done *atomic.Bool) { done.Store(true) }, &done)
	collect(t, done.Load)
}

// TestUnlookedOff: what failed while tracking was on is not reported when it is off.
func TestUnlookedOff(t *testing.T) {
	track(t)
	text := logged(func(func() string) {
		wantErr(t, "Run", core.Run(t.Context(), func(ctx context.Context) error {
			core.Async(ctx, fails)
			core.Track(false)
			core.Async(ctx, fails)
			core.Track(true)
			return nil
		}), nil)
		settle(t)
	})
	if text != "" {
		t.Errorf("logged: %q", text)
	}
}

// Somebody may look at a future when its report is on its way: then there is none.
func TestUnlookedUntilTheReport(t *testing.T) {
	track(t)
	var tasks [2]*core.Task
	var got []error
	d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
		got = append(got, err)
		wantErr(t, "Err", tasks[1].Err(), errBoom)
	}})
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
		for i := range tasks {
			tasks[i] = core.Start(ctx, func(context.Context) error { return errBoom })
		}
		return nil
	}), nil)
	wantErr(t, "Close", d.Close(), nil)
	if len(got) != 1 || !errors.Is(got[0], errBoom) {
		t.Errorf("reports: %v", got)
	}
	runtime.KeepAlive(tasks)
}

// Whoever waits when the future fails gets the outcome, though perhaps after its dispatcher has
// closed: that is no future that nobody has looked at.
func TestUnlookedWhileSomebodyWaits(t *testing.T) {
	track(t)
	synctest.Test(t, func(t *testing.T) {
		var got unhandledErrors
		d, err := dispatch.New(dispatch.Config{Unhandled: got.add})
		if err != nil {
			t.Fatal(err)
		}
		other, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		poll := func() {
			_, err := other.Poll(0)
			wantErr(t, "Poll", err, nil)
		}
		var waits *core.Task
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			f := core.Async(ctx, func(ctx context.Context) (int, error) {
				_ = core.Sleep(ctx, time.Second)
				return 0, errBoom
			})
			waits = core.Start(core.On(context.Background(), other), func(ctx context.Context) error {
				_, err := f.Await(ctx)
				return err
			})
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { poll(); return 0, nil })
			_ = core.Sleep(ctx, time.Minute)
			return err
		}), nil)
		wantErr(t, "Close", d.Close(), nil)
		if errs := got.list(); len(errs) > 0 {
			t.Errorf("reports: %v", errs)
		}
		poll()
		wantErr(t, "Err", waits.Err(), errBoom)
		wantErr(t, "Close", other.Close(), nil)
	})
}
