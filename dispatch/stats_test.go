package dispatch_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func wantStats(tb testing.TB, when string, got, want dispatch.Stats) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s:\ngot  %+v\nwant %+v", when, got, want)
	}
}

// TestStats: in a callback all is exact, and so it is when the loop does not run.
func TestStats(t *testing.T) {
	d, _ := openVirtual(t)
	wantStats(t, "at first", d.Stats(), dispatch.Stats{})
	var e dispatch.Event
	event := addEvent(t, d, &e, func() bool { return false })
	release := d.Hold()
	d.CallIdle(func() {})
	tm := d.AfterFunc(time.Hour, func() {})
	d.CallSoon(func() {
		d.CallSoon(func() {})
		wantStats(t, "in the first turn", d.Stats(), dispatch.Stats{
			Turns: 1, Callbacks: 1, Ready: 2, Idle: 1, Timers: 1, Holds: 1, Events: 1,
		})
	})
	d.CallSoon(func() {})
	wantStats(t, "before", d.Stats(), dispatch.Stats{Ready: 2, Idle: 1, Timers: 1, Holds: 1, Events: 1})
	turn(t, d)
	wantStats(t, "after one turn", d.Stats(), dispatch.Stats{
		Turns: 1, Callbacks: 2, Ready: 1, Idle: 1, Timers: 1, Holds: 1, Events: 1,
	})
	event.Stop()
	release()
	tm.Stop()
	must(t, d.Drain(-1))
	wantStats(t, "at the end", d.Stats(), dispatch.Stats{Turns: 3, Callbacks: 4})
	if _, err := d.Poll(0); err != dispatch.ErrIdle {
		t.Errorf("Poll = %v", err)
	}
	wantStats(t, "after ErrIdle", d.Stats(), dispatch.Stats{Turns: 3, Callbacks: 4})
}

// TestStatsCallbacks counts over calls that ask at once, ask seldom, and are left by a panic.
func TestStatsCallbacks(t *testing.T) {
	d, _ := openVirtual(t)
	ran := uint64(0)
	check := func(when string) {
		t.Helper()
		if n := d.Stats().Callbacks; n != ran {
			t.Errorf("%s: %d callbacks, want %d", when, n, ran)
		}
	}
	fill := func(n int) {
		for range n {
			d.CallSoon(func() {
				ran++
				check("in a callback")
			})
		}
	}
	for _, n := range []int{1, 63, 64, 65, 1000} {
		fill(n)
		turn(t, d)
		check(fmt.Sprint("after a turn of ", n))
	}
	fill(10)
	d.CallSoon(func() { ran++; panic("it") })
	fill(100)
	_ = panicOf(func() { _, _ = d.Poll(0) })
	check("after a panic")
	must(t, d.Drain(-1))
	check("after Drain")
	left := 200
	var again func()
	again = func() {
		ran++
		check("in a run")
		if left--; left > 0 {
			d.CallSoon(again)
		}
	}
	d.CallSoon(again)
	must(t, seam.Of(d).RunUntil(func() bool { return left == 0 }))
	check("after a run")
}

// TestStatsElsewhere: another goroutine sees what was so when the loop fell asleep, and what it
// has woken the loop for.
func TestStatsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		s := &stubborn{live: 3}
		seam.Of(d).Tasks(func() seam.Tasks { return s })
		defer func() { s.live = 0 }()
		stop := start(t, d)
		synctest.Wait()
		wantStats(t, "asleep", d.Stats(), dispatch.Stats{Turns: 1, Tasks: 3})
		for i := range uint64(10) {
			must(t, d.Post(func() {}))
			synctest.Wait()
			// Each wake ends a turn with the callback, and begins one that sleeps.
			wantStats(t, "asleep again", d.Stats(), dispatch.Stats{Turns: i + 2, Callbacks: i + 1, Wakes: i + 1, Tasks: 3})
		}
		hold, begun := make(chan bool), make(chan bool)
		for range 2 {
			d.CallSoon(func() { begun <- true; <-hold })
		}
		<-begun
		if n := d.Stats().Ready; n < 1 {
			t.Errorf("%d ready while the first of two runs", n)
		}
		close(hold)
		<-begun
		stop()
		if s := d.Stats(); s.Callbacks != 12 || s.Ready != 0 {
			t.Errorf("%+v after Run", s)
		}
	})
}

// TestStatsAnytime asks while the loop is at work; the race detector judges.
func TestStatsAnytime(t *testing.T) {
	d := open(t, dispatch.Config{})
	stop := start(t, d)
	over := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var last dispatch.Stats
			for {
				select {
				case <-over:
					return
				default:
				}
				s := d.Stats()
				if s.Turns < last.Turns || s.Callbacks < last.Callbacks || s.Wakes < last.Wakes || s.Polls < last.Polls {
					t.Errorf("sums went back from %+v to %+v", last, s)
				}
				last = s
				runtime.Gosched() // js has one thread, which nobody takes away
			}
		})
	}
	for range 2000 {
		tm := d.AfterFunc(time.Hour, func() {})
		done := make(chan bool)
		must(t, d.Post(func() { d.CallSoon(func() { close(done) }) }))
		<-done
		tm.Stop()
	}
	close(over)
	wg.Wait()
	stop()
	if s := d.Stats(); s.Callbacks != 4000 {
		t.Errorf("%+v", s)
	}
}

func TestBackend(t *testing.T) {
	best := ""
	if len(poll.Backends()) > 0 {
		best = poll.Backends()[0]
	}
	if name := open(t, dispatch.Config{}).Backend(); name != best {
		t.Errorf("Backend = %q, want %q", name, best)
	}
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		if name := d.Backend(); name != cfg.Backend {
			t.Errorf("Backend = %q", name)
		}
		watchNothing(t, d)
		if name := d.Backend(); name != cfg.Backend {
			t.Errorf("Backend = %q once it is open", name)
		}
	})
}

func TestHandleNone(t *testing.T) {
	d := open(t, dispatch.Config{})
	d.Handle()
	must(t, d.Close())
	if h := d.Handle(); h != ^uintptr(0) {
		t.Errorf("Handle = %d after Close", h)
	}
}

func ExampleStats() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	for range 3 {
		d.CallSoon(func() { d.CallSoon(func() {}) })
	}
	fmt.Println(d.Stats().Ready)
	fmt.Println(d.Drain(-1))
	s := d.Stats()
	fmt.Println(s.Turns, s.Callbacks, s.Ready)
	// Output:
	// 3
	// <nil>
	// 2 6 0
}
