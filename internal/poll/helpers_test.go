//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package poll_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func TestMain(m *testing.M) {
	// Go's own poller takes its descriptors on first use and keeps them.
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	r.Close()
	w.Close()
	setUp()
	before := openFDs()
	code := m.Run()
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if after := openFDs(); code == 0 && after != before {
		fmt.Fprintf(os.Stderr, "descriptors: %d before, %d after\n", before, after)
		code = 1
	}
	os.Exit(code)
}

// variant is one backend in one wait style.
type variant struct {
	name string
	cfg  poll.Config
	with func(tb testing.TB, f func()) // what must be set up around it
}

func (v variant) open(tb testing.TB) poll.Poller {
	tb.Helper()
	p, err := poll.Open(v.cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := p.Close(); err != nil {
			tb.Error(err)
		}
	})
	return p
}

func variants() []variant {
	plain := func(_ testing.TB, f func()) { f() }
	var all []variant
	for _, name := range poll.Backends() {
		for _, style := range []struct {
			name string
			wait poll.WaitStyle
		}{{"park", poll.Park}, {"block", poll.Block}} {
			cfg := poll.Config{Backend: name, Wait: style.wait}
			p, err := poll.Open(cfg)
			if err != nil {
				continue // TestOpenErrors says which may fail
			}
			p.Close()
			all = append(all, variant{name + "/" + style.name, cfg, plain})
		}
	}
	return append(all, extraVariants()...)
}

// each runs f as a subtest for every variant.
func each(t *testing.T, f func(t *testing.T, open func() poll.Poller)) {
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			v.with(t, func() {
				f(t, func() poll.Poller { return v.open(t) })
			})
		})
	}
}

// asleep returns when a Wait of p blocks or is about to.
func asleep(p poll.Poller) {
	for !p.(interface{ Asleep() bool }).Asleep() {
		runtime.Gosched()
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// wait is one Wait, its events by tag.
func wait(tb testing.TB, p poll.Poller, timeout time.Duration) map[poll.Tag]poll.Event {
	tb.Helper()
	events := make([]poll.Event, 64)
	n, err := p.Wait(events, timeout)
	must(tb, err)
	got := make(map[poll.Tag]poll.Event, n)
	for _, ev := range events[:n] {
		if _, twice := got[ev.Tag]; twice {
			tb.Errorf("tag %d twice in one Wait", ev.Tag)
		}
		got[ev.Tag] = ev
	}
	return got
}

// waitFor waits until tag is reported with all of mode, and fails when that
// does not come.
func waitFor(tb testing.TB, p poll.Poller, tag poll.Tag, mode poll.Mode) poll.Event {
	tb.Helper()
	for {
		got := wait(tb, p, soon)
		if len(got) == 0 {
			tb.Fatalf("tag %d is not reported as ready for %02b", tag, mode)
		}
		if ev := got[tag]; ev.Ready&mode == mode {
			return ev
		}
	}
}

// visible returns when something is ready for a Wait that does not block, where that may take
// a moment.
func visible(tb testing.TB, p poll.Poller) {
	tb.Helper()
	for late && len(wait(tb, p, 0)) == 0 {
		runtime.Gosched()
	}
}

// quiet fails if something is ready.
func quiet(tb testing.TB, p poll.Poller) {
	tb.Helper()
	if got := wait(tb, p, 0); len(got) != 0 {
		tb.Errorf("unexpected events %+v", got)
	}
}

// pair is two connected, non-blocking descriptors: a pipe or stream sockets.
type pair struct{ r, w int }

func own(tb testing.TB, fds [2]int) *pair {
	c := &pair{fds[0], fds[1]}
	tb.Cleanup(c.close)
	return c
}

func (c *pair) closeR() {
	if c.r >= 0 {
		closeFD(c.r)
	}
	c.r = -1
}

func (c *pair) closeW() {
	if c.w >= 0 {
		closeFD(c.w)
	}
	c.w = -1
}

func (c *pair) close() {
	c.closeR()
	c.closeW()
}

// put writes one byte, which is there when it returns.
func put(tb testing.TB, fd int) {
	tb.Helper()
	if _, err := write(fd, []byte{1}); err != nil {
		tb.Fatal(err)
	}
	arrived(tb, fd)
}

// fill writes until that would wait.
func fill(tb testing.TB, fd int) {
	tb.Helper()
	buf := make([]byte, 4096)
	for {
		_, err := write(fd, buf)
		if wouldBlock(err) {
			if len(buf) > 1 {
				buf = buf[:1]
				continue
			}
			if full(tb, fd) {
				return
			}
			continue
		}
		must(tb, err)
	}
}
