package dispatch_test

import (
	"bytes"
	"context"
	"iter"
	"log"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// slowLimit is long enough for the four looks in it to be told apart in a bubble.
const slowLimit = 8 * time.Second

// slowReports collects what OnSlow is told.
type slowReports struct {
	mu   sync.Mutex
	list []dispatch.SlowCallback
}

func (r *slowReports) add(s dispatch.SlowCallback) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, s)
}

// want asserts how many reports there were since the last call, and returns them.
func (r *slowReports) want(t *testing.T, n int) []dispatch.SlowCallback {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	if len(list) != n {
		t.Fatalf("%d reports, want %d: %+v", len(list), n, list)
	}
	return list
}

// watched makes a dispatcher that reports slow callbacks.
func watched(t *testing.T, on func(dispatch.SlowCallback)) *dispatch.Dispatcher {
	t.Helper()
	return open(t, dispatch.Config{SlowCallback: slowLimit, OnSlow: on})
}

// holdLoop is the function that a trace must name.
func holdLoop(until <-chan struct{}) { <-until }

// TestSlowCallback: a callback that holds the loop is reported while it does, with its own stack.
func TestSlowCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reported := make(chan struct{})
		var got dispatch.SlowCallback
		d := watched(t, func(s dispatch.SlowCallback) { got = s; close(reported) })
		others := make(chan struct{})
		go func() { <-others }() // a goroutine that is not of interest
		began := time.Now()
		d.CallSoon(func() { holdLoop(reported) }) // ends because it is reported
		if n, err := d.Poll(0); n != 1 || err != nil {
			t.Errorf("Poll = %d, %v", n, err)
		}
		close(others)
		held := time.Since(began)
		if held < slowLimit || held > slowLimit*3/2 || got.Running > held || got.Running < slowLimit || got.Dispatcher != d {
			t.Errorf("held the loop for %v, reported %v of %p", held, got.Running, got.Dispatcher)
		}
		stack := string(got.Stack)
		if !strings.Contains(stack, "dispatch_test.holdLoop") || strings.Count(stack, "\ngoroutine ") > 0 ||
			!strings.HasPrefix(stack, "goroutine ") || !strings.Contains(stack, "dispatch.(*Dispatcher).Poll") {
			t.Errorf("stack\n%s", stack)
		}
		must(t, d.Close())
	})
}

// TestSlowOnce: each slow callback is reported once, however long it goes on; none that is not,
// however many there are in a turn, and no sleep of the loop.
func TestSlowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports slowReports
		d := watched(t, reports.add)
		sleep := func(for_ time.Duration) func() { return func() { time.Sleep(for_) } }
		turn := func(fns ...func()) {
			t.Helper()
			for _, fn := range fns {
				d.CallSoon(fn)
			}
			if n, err := d.Poll(0); n != len(fns) || err != nil {
				t.Fatalf("Poll = %d, %v", n, err)
			}
		}
		turn(sleep(100 * slowLimit))
		reports.want(t, 1)
		turn(sleep(2*slowLimit), sleep(1), sleep(2*slowLimit))
		reports.want(t, 2)
		for range 3 {
			turn(sleep(slowLimit-1), sleep(slowLimit-1), sleep(slowLimit-1))
		}
		reports.want(t, 0)
		ctx, cancel := context.WithCancel(t.Context())
		d.AfterFunc(time.Hour, func() {})
		d.AfterFunc(2*time.Hour, cancel)
		if err := d.Run(ctx); err != context.Canceled {
			t.Errorf("Run() = %v", err)
		}
		reports.want(t, 0)
		d.CallSoon(func() { panic("it") })
		if p := panicOf(func() { _, _ = d.Poll(0) }); p != "it" {
			t.Errorf("panic %v", p)
		}
		d.AfterFunc(time.Hour, sleep(2*slowLimit))
		must(t, d.Drain(-1))
		reports.want(t, 1)
		must(t, d.Post(func() { panic("it") }))
		must(t, d.Post(sleep(2*slowLimit)))
		if p := panicOf(func() { _ = d.Close() }); p != "it" {
			t.Errorf("panic %v", p)
		}
		reports.want(t, 1)
	})
}

// TestSlowQuiet: no timer and no goroutine is left while the loop sleeps, or nobody turns it.
func TestSlowQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports slowReports
		d := watched(t, reports.add)
		d.CallSoon(func() {})
		_, err := d.Poll(0)
		must(t, err)
		if d.Watched() {
			t.Error("a timer is armed after Poll")
		}
		ended := make(chan error, 1)
		go func() { ended <- d.Run(t.Context()) }()
		must(t, d.Post(func() {}))
		synctest.Wait()
		time.Sleep(slowLimit)
		if d.Watched() {
			t.Error("a timer is armed while the loop sleeps")
		}
		must(t, d.Post(func() { time.Sleep(2 * slowLimit) }))
		synctest.Wait()
		if !d.Watched() {
			t.Error("no timer is armed while a callback runs")
		}
		time.Sleep(2 * slowLimit)
		must(t, d.Close())
		must(t, <-ended)
		reports.want(t, 1)
	})
}

// TestSlowWaitsForReport: the loop does not return before OnSlow does.
func TestSlowWaitsForReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := false
		d := watched(t, func(dispatch.SlowCallback) { time.Sleep(time.Hour); told = true })
		d.CallSoon(func() { time.Sleep(2 * slowLimit) })
		_, err := d.Poll(0)
		must(t, err)
		if !told {
			t.Error("Poll has returned before OnSlow")
		}
		must(t, d.Close())
	})
}

// TestSlowEnded: what ends in the last moment is reported without the stack of its successor.
func TestSlowEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports slowReports
		d := watched(t, reports.add)
		d.BeforeReport(func() { time.Sleep(time.Minute) })
		d.CallSoon(func() { time.Sleep(2 * slowLimit) })
		d.CallSoon(func() { time.Sleep(time.Minute) })
		_, err := d.Poll(0)
		must(t, err)
		if s := reports.want(t, 2)[0]; s.Stack != nil {
			t.Errorf("stack\n%s", s.Stack)
		}
		must(t, d.Close())
	})
}

func TestSlowLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		before := log.Writer()
		log.SetOutput(&text)
		defer log.SetOutput(before)
		d := watched(t, nil)
		d.CallSoon(func() { time.Sleep(2 * slowLimit) })
		_, err := d.Poll(0)
		must(t, err)
		must(t, d.Close())
		if !strings.Contains(text.String(), "dispatch: a callback has held the loop for 8s:\ngoroutine ") ||
			!strings.Contains(text.String(), "dispatch_test.TestSlowLog") {
			t.Errorf("logged %q", text.String())
		}
	})
}

// TestSlowBubbles: the loop of one dispatcher is turned outside and then inside of a bubble.
func TestSlowBubbles(t *testing.T) {
	var reports slowReports
	d := watched(t, reports.add)
	turn := func(fn func()) {
		d.CallSoon(fn)
		if _, err := d.Poll(0); err != nil {
			t.Error(err)
		}
	}
	turn(func() {})
	for range 2 {
		synctest.Test(t, func(t *testing.T) { turn(func() { time.Sleep(2 * slowLimit) }) })
	}
	turn(func() {})
	reports.want(t, 2)
	must(t, d.Close())
}

// TestSlowPull: a callback that drives an iter.Pull is found in its body.
func TestSlowPull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports slowReports
		d := watched(t, reports.add)
		pull := func() (next func() (int, bool), stop func()) {
			return iter.Pull(func(yield func(int) bool) {
				yield(1)
				holdFor(2 * slowLimit)
			})
		}
		early, stop := pull() // by another goroutine, so that its maker is not the loop
		defer stop()
		early()
		ended := make(chan error)
		go func() {
			d.CallSoon(func() {
				next, stop := pull()
				defer stop()
				next()
				next()
			})
			d.CallSoon(func() { early() })
			_, err := d.Poll(0)
			ended <- err
		}()
		must(t, <-ended)
		list := reports.want(t, 2)
		if s := string(list[0].Stack); !strings.Contains(s, "dispatch_test.holdFor") || strings.Contains(s, "Poll(") {
			t.Errorf("stack\n%s", s)
		}
		if s := string(list[1].Stack); !strings.Contains(s, "dispatch_test.holdFor") || !strings.Contains(s, "Poll(") {
			t.Errorf("stack\n%s", s)
		}
		must(t, d.Close())
	})
}

func holdFor(d time.Duration) { <-time.After(d) }

// TestSlowManyGoroutines: the trace is found behind more than fits into the first buffer.
func TestSlowManyGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reports slowReports
		d := watched(t, reports.add)
		hold, ended := make(chan struct{}), make(chan error)
		for range 1000 {
			go func() { <-hold }()
		}
		go func() {
			d.CallSoon(func() { holdFor(2 * slowLimit) })
			_, err := d.Poll(0)
			ended <- err
		}()
		must(t, <-ended)
		close(hold)
		if s := string(reports.want(t, 1)[0].Stack); !strings.Contains(s, "dispatch_test.holdFor") {
			t.Errorf("stack\n%s", s)
		}
		must(t, d.Close())
	})
}

// TestSlowCoroutines: a coroutine is known for as long as it is there.
func TestSlowCoroutines(t *testing.T) {
	d := watched(t, nil)
	for range 3 {
		leave := seam.Of(d).Watch()
		if n := d.WatchedCoroutines(); n != 1 {
			t.Errorf("it knows %d", n)
		}
		leave()
	}
	if n := d.WatchedCoroutines(); n != 0 {
		t.Errorf("it knows %d", n)
	}
}

// TestSlowOff: without the setting there is no watchdog at all.
func TestSlowOff(t *testing.T) {
	d := open(t, dispatch.Config{OnSlow: func(dispatch.SlowCallback) { t.Error("reported") }})
	if d.HasWatchdog() {
		t.Error("there is a watchdog")
	}
	if seam.Of(d).Watch() != nil {
		t.Error("it wants to know coroutines")
	}
}
