//go:build unix

package dispatch_test

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

func addSignal(tb testing.TB, d *dispatch.Dispatcher, sig os.Signal, cb func(os.Signal) bool) *dispatch.Watch {
	tb.Helper()
	w, err := d.AddSignal(sig, cb)
	must(tb, err)
	return w
}

// hears returns a callback that records the signal.
func (r *record) hears(name string, done bool) func(os.Signal) bool {
	return func(sig os.Signal) bool {
		r.does(fmt.Sprint(name, " ", sig))()
		return done
	}
}

// send sends a signal to this process, and returns when it has been delivered to os/signal and
// each of the dispatchers has one callback more in its FIFO than before.
func send(tb testing.TB, sig syscall.Signal, to ...*dispatch.Dispatcher) {
	tb.Helper()
	before := make([]int, len(to))
	for i, d := range to {
		before[i] = d.Pending()
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, sig)
	defer signal.Stop(ch)
	must(tb, syscall.Kill(os.Getpid(), sig))
	<-ch
	for i, d := range to {
		for d.Pending() <= before[i] {
			runtime.Gosched()
		}
	}
}

func TestSignal(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	one := addSignal(t, d, syscall.SIGUSR1, r.hears("one", false))
	two := addSignal(t, d, syscall.SIGUSR2, r.hears("two", false))
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending without a signal", n)
	}
	if _, err := d.Poll(-1); err != dispatch.ErrIdle {
		t.Errorf("Poll = %v", err)
	}
	send(t, syscall.SIGUSR1, d)
	send(t, syscall.SIGUSR2, d)
	send(t, syscall.SIGUSR2, d)
	send(t, syscall.SIGUSR1, d)
	if n := d.Pending(); n != 4 {
		t.Errorf("%d pending after 4 signals", n)
	}
	r.want(t)
	turn(t, d)
	r.want(t, "one user defined signal 1", "two user defined signal 2", "two user defined signal 2", "one user defined signal 1")
	if !one.Stop() || one.Stop() || !two.Stop() {
		t.Error("Stop does not tell whether it was going on")
	}
	send(t, syscall.SIGUSR1)
	must(t, d.Drain(-1))
	r.want(t)
}

// TestSignalHeardByAll: each watch of a signal hears it once, on whatever dispatcher, until it
// ends; the end of one is not the end of the others.
func TestSignalHeardByAll(t *testing.T) {
	a, b := open(t, dispatch.Config{}), open(t, dispatch.Config{})
	var r record
	a2 := addSignal(t, a, syscall.SIGUSR1, r.hears("a2", false))
	addSignal(t, b, syscall.SIGUSR1, r.hears("b", false))
	send(t, syscall.SIGUSR1, a, b)
	must(t, a.Drain(-1))
	must(t, b.Drain(-1))
	r.want(t, "a2 user defined signal 1", "b user defined signal 1")

	// Of two watches on one dispatcher either may be the first.
	heard := map[string]int{}
	for _, name := range []string{"a3", "a4"} {
		addSignal(t, a, syscall.SIGUSR1, func(os.Signal) bool { heard[name]++; return true })
	}
	send(t, syscall.SIGUSR1, b)
	for a.Pending() < 3 {
		runtime.Gosched()
	}
	must(t, a.Drain(-1))
	must(t, b.Drain(-1))
	r.want(t, "a2 user defined signal 1", "b user defined signal 1")
	a2.Stop()
	must(t, a.Close())
	send(t, syscall.SIGUSR1, b)
	must(t, b.Drain(-1))
	r.want(t, "b user defined signal 1")
	if len(heard) != 2 || heard["a3"] != 1 || heard["a4"] != 1 {
		t.Errorf("heard %v, want each once", heard)
	}
}

// TestSignalStop: what is in the FIFO when the watch ends does not run.
func TestSignalStop(t *testing.T) {
	d := open(t, dispatch.Config{})
	var r record
	var w *dispatch.Watch
	w = addSignal(t, d, syscall.SIGUSR1, func(sig os.Signal) bool {
		r.hears("first", false)(sig)
		w.Stop()
		return true
	})
	done := addSignal(t, d, syscall.SIGUSR2, r.hears("done", true))
	for range 2 {
		send(t, syscall.SIGUSR1, d)
		send(t, syscall.SIGUSR2, d)
	}
	must(t, d.Drain(-1))
	r.want(t, "first user defined signal 1", "done user defined signal 2")
	if w.Stop() || done.Stop() {
		t.Error("Stop of a watch that has ended = true")
	}
}

// TestSignalWakes: a signal ends the sleep of a loop, whatever it sleeps on.
func TestSignalWakes(t *testing.T) {
	eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
		heard := make(chan os.Signal)
		w := addSignal(t, d, syscall.SIGWINCH, func(sig os.Signal) bool { heard <- sig; return false })
		stop := start(t, d)
		for range 3 {
			asleep(d)
			send(t, syscall.SIGWINCH)
			if sig := <-heard; sig != syscall.SIGWINCH {
				t.Errorf("heard %v", sig)
			}
		}
		if !w.Stop() {
			t.Error("Stop on another goroutine = false")
		}
		stop()
	})
}

func TestSignalPanic(t *testing.T) {
	d := open(t, dispatch.Config{})
	ran := 0
	addSignal(t, d, syscall.SIGUSR1, func(os.Signal) bool { ran++; panic(ran) })
	for want := range 2 {
		send(t, syscall.SIGUSR1, d)
		if p := panicOf(func() { _ = d.Drain(-1) }); p != want+1 {
			t.Errorf("panic %v", p)
		}
	}
}

// TestSignalClose: Close ends all watches, also in a callback, and what was delivered before
// it runs.
func TestSignalClose(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	must(t, err)
	var r record
	w := addSignal(t, d, syscall.SIGUSR1, r.hears("one", false))
	addSignal(t, d, syscall.SIGUSR2, r.hears("two", false))
	send(t, syscall.SIGUSR1, d)
	must(t, d.Close())
	r.want(t, "one user defined signal 1")
	send(t, syscall.SIGUSR1)
	if w.Stop() {
		t.Error("Stop after Close = true")
	}
	if p := panicOf(func() { _, _ = d.AddSignal(nil, r.hears("nil", true)) }); p != "dispatch: nil signal" {
		t.Errorf("AddSignal(nil): %v", p)
	}
}

// TestSignalDefaultAction runs this test in a process of its own, which must be killed by the second
// SIGTERM, when nobody listens any more, however the watch has ended.
func TestSignalDefaultAction(t *testing.T) {
	const name = "TURNSTILE_TEST_SIGNAL"
	if how := os.Getenv(name); how != "" {
		endSignal(t, how)
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		select {} // for ever, if it does not kill
	}
	for _, how := range []string{"done", "Stop", "Close"} {
		cmd := check.Self(t.Context(), "-test.run=^TestSignalDefaultAction$", "-test.timeout=20s")
		cmd.Env = append(os.Environ(), name+"="+how)
		out, err := cmd.CombinedOutput()
		if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
			t.Errorf("%s: %v, want a death by SIGTERM\n%s", how, err, out)
		}
	}
}

func endSignal(t *testing.T, how string) {
	d := open(t, dispatch.Config{})
	heard := false
	w := addSignal(t, d, syscall.SIGTERM, func(os.Signal) bool { heard = true; return how == "done" })
	must(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	for d.Pending() == 0 {
		runtime.Gosched()
	}
	must(t, d.Drain(-1))
	if !heard {
		os.Exit(4)
	}
	switch how {
	case "Stop":
		w.Stop()
	case "Close":
		must(t, d.Close())
	}
}

// A loop that ends in order when it is interrupted.
func ExampleDispatcher_AddSignal() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := d.AddSignal(os.Interrupt, func(sig os.Signal) (done bool) {
		fmt.Println(sig)
		_ = d.Close() // after this turn
		return true
	}); err != nil {
		fmt.Println(err)
		return
	}
	d.CallSoon(func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			fmt.Println(err)
		}
	})
	release := d.Hold() // a watch of a signal alone is nothing to wait for
	defer release()
	fmt.Println(d.Drain(-1))
	// Output:
	// interrupt
	// dispatch: dispatcher closed
}
