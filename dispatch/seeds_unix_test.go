//go:build unix

package dispatch_test

import (
	"errors"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestSeedsDescriptors is TestSeeds for descriptors and signals.
func TestSeedsDescriptors(t *testing.T) {
	runSeeds(t, []seed{
		{"getIoHandler", TestHandle},
		{"activeDescriptors", TestStatsWorld},
		{"poll order with descriptors", TestTurnOrderIO},
		{"a callSoon that adds itself starves no descriptor", TestNobodyStarvesIO},
		{"poll of more than 64 events", seedManyEvents},
		{"a registered descriptor is nothing pending", seedRegisteredIsNotPending},
		{"AsyncFD is comparable", func(t *testing.T) {
			if p := pipe(t); map[dispatch.FD]int{p.r: 1, p.w: 2}[p.r] != 1 || p.r == p.w {
				t.Errorf("%d and %d", p.r, p.w)
			}
		}},
		{"register twice", TestRegister},
		{"unregister leaves nothing hanging", TestUnregister},
		{"unregister drops what was reported", TestUnregisterDropsEvents},
		{"contains", seedContains},
		{"closeSocket ends all callbacks", TestCloseFD},
		{"closeSocket twice closes no successor", seedCloseTwice},
		{"addRead of an unknown descriptor", seedUnknownDescriptor},
		{"addRead: the first that keeps does not stop the round", seedKeepGoesOn},
		{"addRead and addWrite: insertion order", TestInsertionOrder},
		{"addReader2: more than one reader", TestLevel},
		{"addWriter2: an error is for both", TestErrorIsBoth},
		{"a callback may unregister its own descriptor", TestUnregisterInCallback},
		{"addSignal", TestSignal},
		{"addSignal until true", TestSignalStop},
		{"addSignal2: several of one signal", TestSignalHeardByAll},
		{"addSignal gives the default action back", TestSignalDefaultAction},
		{"waitSignal that cannot begin", func(t *testing.T) {
			d := open(t, dispatch.Config{})
			must(t, d.Close())
			if w, err := d.AddSignal(os.Interrupt, func(os.Signal) bool { return true }); w != nil || err != dispatch.ErrClosed {
				t.Errorf("AddSignal = %v, %v", w, err)
			}
		}},
		{"SIGPIPE is left as it was", seedSigpipe},
	})
}

// seedManyEvents: what one turn is not told of comes in the next.
func seedManyEvents(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		const n = 300
		ran := make([]int, n)
		for i := range ran {
			p := pipe(t)
			must(t, d.Register(p.r))
			write(t, p.w)
			addRead(t, d, p.r, func(dispatch.FDEvent) bool { ran[i]++; return false })
		}
		turns := 0
		for ; slices.Contains(ran, 0) && turns < n; turns++ {
			turn(t, d)
		}
		if turns > 5 || slices.Max(ran) > 2 {
			t.Errorf("%d turns for %d descriptors, of which one was told %d times", turns, n, slices.Max(ran))
		}
	})
}

func seedRegisteredIsNotPending(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		write(t, p.w)
		if _, err := d.Poll(-1); err != dispatch.ErrIdle || d.Stats().Descriptors != 1 {
			t.Errorf("Poll = %v with %d descriptors", err, d.Stats().Descriptors)
		}
	})
}

func seedContains(t *testing.T) {
	p, d, other := pipe(t), open(t, dispatch.Config{}), open(t, dispatch.Config{})
	must(t, d.Register(p.r))
	if !d.Contains(p.r) || d.Contains(p.w) || other.Contains(p.r) {
		t.Error("tells of another descriptor, or another dispatcher")
	}
}

func seedCloseTwice(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		p.closeFD(t, d, p.r)
		q := pipe(t) // has the number again
		if err := d.CloseFD(p.r); err != dispatch.ErrNotRegistered {
			t.Errorf("CloseFD again = %v", err)
		}
		write(t, q.w)
		if n := read(t, q.r, 1); n != 1 {
			t.Errorf("read %d from the successor", n)
		}
	})
}

func seedUnknownDescriptor(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		for range 2 { // before the poller is open, and with another descriptor
			_, read := d.AddRead(p.r, func(dispatch.FDEvent) bool { return true })
			_, write := d.AddWrite(p.r, func(dispatch.FDEvent) bool { return true })
			for _, err := range []error{read, write, d.Unregister(p.r), d.CloseFD(p.r)} {
				if err != dispatch.ErrNotRegistered {
					t.Errorf("%v, want ErrNotRegistered", err)
				}
			}
			must(t, d.Register(p.w))
			defer d.Unregister(p.w)
			p = pipe(t)
		}
	})
}

// seedKeepGoesOn: each callback of the round runs, whatever those before it answer, and those that come
// later are behind those that were kept.
func seedKeepGoesOn(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		s, d := sockets(t), open(t, cfg)
		must(t, d.Register(s.r))
		write(t, s.w)
		var r record
		for _, add := range []func(string, bool){
			func(name string, done bool) { addRead(t, d, s.r, r.watches("read "+name, done)) },
			func(name string, done bool) { addWrite(t, d, s.r, r.watches("write "+name, done)) },
		} {
			add("keeps", false)
			add("is done", true)
			add("keeps too", false)
		}
		turn(t, d)
		r.want(t, "read keeps", "read is done", "read keeps too", "write keeps", "write is done", "write keeps too")
		addRead(t, d, s.r, r.watches("read later", false))
		turn(t, d)
		r.want(t, "read keeps", "read keeps too", "read later", "write keeps", "write keeps too")
	})
}

// seedSigpipe: a program that uses this package hears of SIGPIPE as any other, and a write to a peer that
// is gone is an error.
func seedSigpipe(t *testing.T) {
	d := open(t, dispatch.Config{})
	s := sockets(t)
	must(t, d.Register(s.r))
	if signal.Ignored(syscall.SIGPIPE) {
		t.Error("SIGPIPE is ignored")
	}
	s.close(t, s.w)
	o := newOp(d)
	must(t, o.Send(s.r, []byte("x")))
	o.done(t, d, 1)
	if !errors.Is(o.err, unix.EPIPE) {
		t.Errorf("Send = %v", o.err)
	}
}
