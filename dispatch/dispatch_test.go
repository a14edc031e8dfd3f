package dispatch_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestMain(m *testing.M) { check.Main(m) }

// open makes a dispatcher that is closed at the end of the test.
func open(tb testing.TB, cfg dispatch.Config) *dispatch.Dispatcher {
	tb.Helper()
	d, err := dispatch.New(cfg)
	must(tb, err)
	tb.Cleanup(func() {
		if err := d.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return d
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// turn makes one turn without waiting, and returns how many callbacks have run.
func turn(tb testing.TB, d *dispatch.Dispatcher) int {
	tb.Helper()
	n, err := d.Poll(0)
	must(tb, err)
	return n
}

// asleep returns when the loop of d sleeps or is about to.
func asleep(d *dispatch.Dispatcher) {
	for !d.Asleep() {
		runtime.Gosched()
	}
}

// record is what has run, in order.
type record []string

// does returns a callback that records its name, then calls more.
func (r *record) does(name string, more ...func()) func() {
	return func() {
		*r = append(*r, name)
		for _, fn := range more {
			fn()
		}
	}
}

// want compares the record, and empties it.
func (r *record) want(tb testing.TB, names ...string) {
	tb.Helper()
	if !slices.Equal(*r, names) {
		tb.Errorf("ran %q, want %q", *r, names)
	}
	*r = nil
}

// virtual is a clock that stands still until the loop would sleep.
type virtual struct {
	now    int64
	sleeps int
}

func (v *virtual) sim() *seam.Sim {
	return &seam.Sim{
		Now: func() int64 { return v.now },
		Sleep: func(next int64, armed bool) bool {
			v.sleeps++
			v.now = max(v.now, next)
			return armed
		},
	}
}

// openVirtual makes a dispatcher with a virtual clock.
func openVirtual(tb testing.TB) (*dispatch.Dispatcher, *virtual) {
	tb.Helper()
	d, v := open(tb, dispatch.Config{}), new(virtual)
	seam.Of(d).Simulate(v.sim())
	return d, v
}

// eachConfig runs f for every backend and style of waiting.
func eachConfig(t *testing.T, f func(t *testing.T, cfg dispatch.Config)) {
	for _, backend := range poll.Backends() {
		for wait, name := range []string{"park", "block"} {
			t.Run(backend+"/"+name, func(t *testing.T) {
				f(t, dispatch.Config{Backend: backend, Wait: dispatch.WaitStyle(wait)})
			})
		}
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

func TestNewUnknownBackend(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{Backend: "abacus"})
	if d != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("New = %v, %v", d, err)
	}
	for _, word := range append(poll.Backends(), "abacus") {
		if !strings.Contains(err.Error(), fmt.Sprintf("%q", word)) {
			t.Errorf("%q does not name %q", err, word)
		}
	}
}

func TestNilCallbacks(t *testing.T) {
	d := open(t, dispatch.Config{})
	for name, call := range map[string]func(){
		"Post":      func() { _ = d.Post(nil) },
		"CallSoon":  func() { d.CallSoon(nil) },
		"CallIdle":  func() { d.CallIdle(nil) },
		"AfterFunc": func() { d.AfterFunc(0, nil) },
		"AddRead":   func() { _, _ = d.AddRead(0, nil) },
		"AddWrite":  func() { _, _ = d.AddWrite(0, nil) },
		"AddEvent":  func() { _, _ = d.AddEvent(new(dispatch.Event), nil) },
		"AddSignal": func() { _, _ = d.AddSignal(os.Interrupt, nil) },

		"AddProcess": func() { _, _ = d.AddProcess(os.Getpid(), nil) },
	} {
		if p := panicOf(call); p != "dispatch: nil callback" {
			t.Errorf("%s(nil): %v", name, p)
		}
	}
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

func TestNow(t *testing.T) {
	d := open(t, dispatch.Config{})
	before := time.Now()
	if now := d.Now(); now.Before(before) || now.After(time.Now()) {
		t.Errorf("Now is %v, not between %v and the time after", now, before)
	}
	v := &virtual{now: 5}
	seam.Of(d).Simulate(v.sim())
	start := d.Now()
	v.now += int64(time.Hour)
	if took := d.Now().Sub(start); took != time.Hour {
		t.Errorf("the virtual clock went on by %v, want 1h", took)
	}
	seam.Of(d).Simulate(nil)
}

// TestBurst: order holds when many callbacks come and go.
func TestBurst(t *testing.T) {
	d := open(t, dispatch.Config{})
	for _, n := range []int{1, 10_000, 3, 5000, 2000, 1} {
		next := 0
		for i := range n {
			d.CallSoon(func() {
				if i != next {
					t.Errorf("%d ran, want %d", i, next)
				}
				next++
			})
		}
		if ran := turn(t, d); ran != n {
			t.Errorf("%d ran, want %d", ran, n)
		}
	}
}

// TestPostAllocs: a callback that is bound beforehand costs nothing but the slices,
// which are re-used.
func TestPostAllocs(t *testing.T) {
	if runtime.GOOS == "js" {
		t.Skip("the loop gives its processor away now and then, which allocates there")
	}
	d := open(t, dispatch.Config{})
	fn := func() {}
	if n := testing.AllocsPerRun(100, func() {
		for range 100 {
			_ = d.Post(fn)
		}
		_, _ = d.Poll(0)
	}); n != 0 {
		t.Errorf("100 posts and their turn allocate %v times", n)
	}
	tm := d.AfterFunc(time.Hour, fn)
	if n := testing.AllocsPerRun(100, func() {
		tm.Stop()
		tm.Reset(time.Hour)
	}); n != 0 {
		t.Errorf("Stop and Reset allocate %v times", n)
	}
	tm.Stop()
}
