package core_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
)

// track turns tracking on for the rest of the test.
func track(t *testing.T) {
	t.Helper()
	core.Track(false)
	core.Track(true)
	t.Cleanup(func() { core.Track(false) })
}

// here returns the line of its caller in this file.
func here() int {
	_, _, line, _ := runtime.Caller(1)
	return line
}

// wantMade asserts that a place is a line of this file, in a function of the test that calls.
func wantMade(t *testing.T, p core.Place, line int) {
	t.Helper()
	test, _, _ := strings.Cut(t.Name(), "/")
	if p.Line != line || !strings.HasSuffix(p.File, "/track_test.go") || !strings.Contains(p.Function, "core_test."+test) {
		t.Errorf("made at %v, want line %d in %s", p, line, test)
	}
}

// wantSite asserts what was counted at a line of this file.
func wantSite(t *testing.T, line int, created, finished, dropped uint64, pending int) {
	t.Helper()
	for _, s := range core.Sites() {
		if s.Line != line || !strings.HasSuffix(s.File, "/track_test.go") {
			continue
		}
		if s.Created != created || s.Finished != finished || s.Dropped != dropped || s.Pending != pending {
			t.Errorf("line %d: %+v, want %d created, %d finished, %d dropped, %d pending", line, s, created, finished, dropped, pending)
		}
		return
	}
	t.Errorf("line %d is not among %v", line, core.Sites())
}

// TestTrackPlaces: each way to make a future or task is found with its place, by whom, for how long,
// and leaves with its end.
func TestTrackPlaces(t *testing.T) {
	for _, c := range []struct {
		name string
		task bool
		make func(ctx context.Context) (line int, end func())
	}{
		{"NewFuture", false, func(ctx context.Context) (int, func()) {
			f, line := core.NewFuture[int](), here()
			return line, func() { f.Complete(1) }
		}},
		{"NewFuture that fails", false, func(ctx context.Context) (int, func()) {
			f, line := core.NewFuture[string](), here()
			return line, func() { f.Fail(errBoom); _ = f.Err() }
		}},
		{"NewFuture that is canceled", false, func(ctx context.Context) (int, func()) {
			f, line := core.NewFuture[[]int](), here()
			return line, func() { f.Cancel() }
		}},
		{"NewOwned", false, func(ctx context.Context) (int, func()) {
			f, line := core.NewOwned[int](func(error) {}), here()
			return line, func() { f.Complete(1) }
		}},
		{"Async", true, func(ctx context.Context) (int, func()) {
			gate := core.NewOwned[int](func(error) {})
			f, line := core.Async(ctx, gate.Await), here()
			return line, func() { gate.Complete(1); _, _ = f.Await(ctx) }
		}},
		{"Start", true, func(ctx context.Context) (int, func()) {
			task, line := core.Start(ctx, hour), here()
			return line, func() { _ = task.CancelAndWait(core.Shield(ctx)) }
		}},
		{"Start that panics", true, func(ctx context.Context) (int, func()) {
			task, line := core.Start(ctx, func(ctx context.Context) error { panic(core.Sleep(ctx, 2*time.Second)) }), here()
			return line, func() { _ = task.Wait(ctx) }
		}},
		{"Start that calls Goexit", true, func(ctx context.Context) (int, func()) {
			task, line := core.Start(ctx, func(ctx context.Context) error { _ = core.Sleep(ctx, 2*time.Second); runtime.Goexit(); return nil }), here()
			return line, func() { _ = task.Wait(ctx) }
		}},
		{"Spawn", true, func(ctx context.Context) (int, func()) {
			gate, ended := core.NewFuture[error](), core.NewFuture[error]()
			core.Spawn(ctx, func(ctx context.Context) error {
				_, err := gate.Await(ctx)
				ended.Complete(err)
				return nil
			})
			return here() - 5, func() { gate.Complete(nil); _, _ = ended.Await(ctx); _ = core.Steps(ctx, 2) }
		}},
	} {
		for _, at := range []struct {
			name  string
			onRun bool
		}{{"task", true}, {"goroutine", false}} {
			if !at.onRun && c.name == "Spawn" {
				continue // its goroutine ends some time after the function
			}
			t.Run(c.name+" on a "+at.name, func(t *testing.T) {
				track(t)
				body := func(ctx context.Context) error {
					began := time.Now()
					line, end := c.make(ctx)
					holdFor(time.Second) // in a bubble
					found := false
					for _, i := range core.PendingFutures() {
						if i.Made.Line != line {
							continue
						}
						found = true
						wantMade(t, i.Made, line)
						if (i.Task != "") != c.task {
							t.Errorf("task %q", i.Task)
						}
						if (i.By != "") != at.onRun || at.onRun && !strings.Contains(i.By, "core_test.TestTrackPlaces.func") {
							t.Errorf("by %q", i.By)
						}
						if i.Age != time.Second || !i.Since.Equal(began) {
							t.Errorf("since %v, %v ago", i.Since, i.Age)
						}
					}
					if !found {
						t.Errorf("line %d is not among %v", line, core.PendingFutures())
					}
					wantSite(t, line, 1, 0, 0, 1)
					end()
					wantSite(t, line, 1, 1, 0, 0)
					return nil
				}
				synctest.Test(t, func(t *testing.T) {
					if at.onRun {
						wantErr(t, "Run", core.Run(t.Context(), body), nil)
					} else {
						_ = body(t.Context())
					}
				})
				if left := core.PendingFutures(); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}

// hour waits for long.
func hour(ctx context.Context) error { return core.Sleep(ctx, time.Hour) }

// TestTrackWaits: a task that waits tells in which call, and for which future.
func TestTrackWaits(t *testing.T) {
	track(t)
	run(t, func(t *testing.T, ctx context.Context) {
		f, made := core.NewFuture[int](), here()
		var l lock.AsyncLock
		_ = l.Acquire(ctx)
		waits := func(want ...string) {
			t.Helper()
			infos := core.PendingFutures()
			got := infos[len(infos)-1].Waits
			for _, w := range want {
				if !strings.Contains(got, w) {
					t.Errorf("waits in %q, want %q", got, w)
				}
			}
			if len(want) == 0 && got != "" {
				t.Errorf("waits in %q, want nothing", got)
			}
		}
		task := core.Start(ctx, func(ctx context.Context) error {
			waits()
			_, _ = f.Await(ctx)
			waits()
			_ = core.Sleep(ctx, time.Second)
			_ = core.Join(ctx, core.Start(ctx, func(ctx context.Context) error { return core.Sleep(ctx, time.Second) }))
			return l.Acquire(ctx)
		})
		first := here() - 8
		at := func(line int) string { return fmt.Sprintf("track_test.go:%d)", line) }
		waits("core.(*Future[...]).Await at ", "core_test.TestTrackWaits", at(first+2),
			", for the future made at ", at(made))
		f.Complete(1)
		_ = core.Yield(ctx)
		waits("core.Sleep at ", at(first+4))
		_ = core.Sleep(ctx, time.Second)
		_ = core.Yield(ctx)
		waits("core.Sleep at ", at(first+5))
		infos := core.PendingFutures()
		if w := infos[len(infos)-2].Waits; !strings.HasPrefix(w, "core.Join") || !strings.HasSuffix(w, at(first+5)) {
			t.Errorf("waits in %q", w)
		}
		_ = core.Sleep(ctx, time.Second)
		_ = core.Steps(ctx, 2)
		waits("lock.(*AsyncLock).Acquire at ", at(first+6))
		infos = core.PendingFutures()
		if w := infos[len(infos)-1].Waits; strings.Contains(w, "future") {
			t.Errorf("waits in %q", w)
		}
		l.Release()
		wantErr(t, "Wait", task.Wait(ctx), nil)
	})
}

// TestTrackToggle: what was made while tracking was off stays unknown, whenever it ends; nothing
// of one time of tracking is left in the next.
func TestTrackToggle(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		core.Track(false)
		before := core.NewFuture[int]()
		early := core.Start(ctx, forever)
		if core.PendingFutures() != nil || core.Sites() != nil {
			t.Errorf("off: %v, %v", core.PendingFutures(), core.Sites())
		}
		core.Track(true)
		defer core.Track(false)
		core.Track(true) // it is on already
		during := core.NewFuture[int]()
		task := core.Start(ctx, forever)
		before.Complete(1)
		_ = early.CancelAndWait(ctx)
		if n := len(core.PendingFutures()); n != 3 { // that of forever, too
			t.Errorf("%d pending: %v", n, core.PendingFutures())
		}
		core.Track(false)
		core.Track(true)
		if n := len(core.Sites()); n != 0 {
			t.Errorf("%v", core.Sites())
		}
		during.Fail(errBoom)
		_ = during.Err()
		_ = task.CancelAndWait(ctx)
		_ = during.Failed()
		after, line := core.NewFuture[int](), here()
		after.Complete(1)
		wantSite(t, line, 1, 1, 0, 0)
		for _, s := range core.Sites() {
			if s.Created != s.Finished {
				t.Errorf("%+v", s)
			}
		}
	})
}

// TestTrackSites: the count of a place is exact, and stays when all have ended.
func TestTrackSites(t *testing.T) {
	track(t)
	one := core.NewFuture[int]()
	defer one.Cancel()
	var all []*core.Future[int]
	made := 0
	for range 5 {
		all = append(all, core.NewFuture[int]())
		made = here() - 1
	}
	all[0].Complete(1)
	all[1].Fail(errBoom)
	_ = all[1].Err()
	all[2].Cancel()
	wantSite(t, made, 5, 3, 0, 2)
	if s := core.Sites(); s[0].Pending != 2 {
		t.Errorf("the most pending ones do not come first: %v", s)
	}
	all[3].Complete(1)
	all[4].Complete(1)
	wantSite(t, made, 5, 5, 0, 0)
}

// TestTrackDropped: a pending future that nobody can reach any more is counted as that.
func TestTrackDropped(t *testing.T) {
	track(t)
	line := 0
	func() {
		_ = core.NewFuture[int]()
		line = here() - 1
	}()
	collect(t, func() bool { return len(core.PendingFutures()) == 0 })
	wantSite(t, line, 1, 0, 1, 0)
}

// collect collects garbage until the runtime's goroutine has seen what was dropped.
func collect(t *testing.T, seen func() bool) {
	t.Helper()
	for range 1000 {
		runtime.GC()
		if seen() {
			return
		}
		runtime.Gosched()
	}
	t.Error("the garbage collector does not find what was dropped")
}

// TestTrackKeepsNothing: a future that has ended is let go of, and forgotten with it.
func TestTrackKeepsNothing(t *testing.T) {
	track(t)
	if err := core.Run(t.Context(), func(ctx context.Context) error {
		for range 100 {
			f := core.NewFuture[*[1 << 16]byte]()
			f.Complete(new([1 << 16]byte))
			new(core.Future[int]).Complete(1)
			_, err := core.Async(ctx, func(ctx context.Context) (*[1 << 16]byte, error) {
				return new([1 << 16]byte), core.Yield(ctx)
			}).Await(ctx)
			if err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	collect(t, func() bool { return core.TrackedFutures() == 0 })
}

// TestTrackAnywhere: tracking is toggled and asked while futures are made and end everywhere.
func TestTrackAnywhere(t *testing.T) {
	defer core.Track(false)
	var wg, asking sync.WaitGroup
	stop := make(chan struct{})
	asking.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			core.Track(i%8 < 6)
			for _, s := range core.Sites() {
				if s.Created != s.Finished+s.Dropped+uint64(s.Pending) {
					t.Errorf("%+v", s)
				}
			}
			_ = core.DumpPending(&strings.Builder{})
			runtime.Gosched()
		}
	})
	for range 3 {
		wg.Go(func() {
			if err := core.Run(context.Background(), func(ctx context.Context) error {
				for range check.Times(300, 5000) {
					f := core.NewOwned[int](func(error) {})
					go f.Complete(1)
					_, err := core.Gather(ctx, 2, f.Await, f.Await, value(2))
					if err != nil {
						return err
					}
					if err := core.Start(ctx, func(context.Context) error { return errBoom }).Wait(ctx); err != errBoom {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(stop)
	asking.Wait()
}

// TestTrackTwice: a second completion names the place of the first one, also of the zero value.
func TestTrackTwice(t *testing.T) {
	track(t)
	var zero core.Future[int]
	for _, f := range []*core.Future[int]{core.NewFuture[int](), &zero} {
		f.Complete(1)
		line := here() - 1
		text := fmt.Sprint(panics(func() { f.Fail(errBoom) }))
		if want := fmt.Sprintf("track_test.go:%d)", line); !strings.HasSuffix(text, want) || !strings.Contains(text, "; it was finished at ") {
			t.Errorf("panic %q, want the place %s", text, want)
		}
	}
}

// TestTrackRefused: a task that a closed dispatcher refuses has ended.
func TestTrackRefused(t *testing.T) {
	track(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := core.On(t.Context(), d)
	wantErr(t, "Close", d.Close(), nil)
	task, line := core.Start(ctx, forever), here()
	if !errors.Is(task.Err(), dispatch.ErrClosed) {
		t.Errorf("Err() = %v", task.Err())
	}
	core.Spawn(ctx, forever)
	wantSite(t, line, 1, 1, 0, 0)
	wantSite(t, here()-2, 1, 1, 0, 0)
	if left := core.PendingFutures(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestDumpPending(t *testing.T) {
	core.Track(false)
	var off strings.Builder
	if err := core.DumpPending(&off); err != nil || off.String() != "tracking is off: core.Track turns it on\n" {
		t.Errorf("%q, %v", off.String(), err)
	}
	track(t)
	synctest.Test(t, func(t *testing.T) {
		var fs []*core.Future[int]
		one := core.NewFuture[int]()
		time.Sleep(time.Second)
		for range 3 {
			fs = append(fs, core.NewFuture[int]())
			time.Sleep(time.Second)
		}
		var text strings.Builder
		if err := core.DumpPending(&text); err != nil {
			t.Error(err)
		}
		line := here()
		lines := strings.Split(text.String(), "\n")
		for i, want := range []string{
			"4 pending, made at 2 places",
			"1 made at github.com/seed-1e54c410/turnstile/core_test.TestDumpPending.func1 (*/track_test.go:" + fmt.Sprint(line-10) + "), the oldest 4s ago",
			"\t1 × future, 4s",
			"3 made at github.com/seed-1e54c410/turnstile/core_test.TestDumpPending.func1 (*/track_test.go:" + fmt.Sprint(line-7) + "), the oldest 3s ago",
			"\t3 × future, 3s",
			"",
		} {
			before, after, _ := strings.Cut(want, "*")
			if i >= len(lines) || !strings.HasPrefix(lines[i], before) || !strings.HasSuffix(lines[i], after) {
				t.Errorf("line %d of\n%s\nwant %q", i+1, text.String(), want)
			}
		}
		wantErr(t, "DumpPending", core.DumpPending(brokenWriter{}), errBoom)
		one.Complete(1)
		for _, f := range fs {
			f.Complete(1)
		}
	})
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBoom }
