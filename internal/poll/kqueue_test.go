//go:build linux

package poll_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// The conformance suite runs over the fake kqueue by extraVariants. Here is what needs a kernel that
// does as it is told.

func newFake(tb testing.TB, o poll.FakeOptions) (*poll.FakeKernel, poll.Poller) {
	tb.Helper()
	k, p, err := poll.NewFake(o)
	must(tb, err)
	tb.Cleanup(func() { must(tb, p.Close()) })
	return k, p
}

var fakes = []poll.FakeOptions{
	{},
	{ZombiesAreESR: true, AskForStatus: true},
	{NoUser: true, PipeEBADF: true, ZombiesAreESR: true},
}

func eachFake(t *testing.T, f func(t *testing.T, k *poll.FakeKernel, p poll.Poller)) {
	for _, o := range fakes {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			k, p := newFake(t, o)
			f(t, k, p)
		})
	}
}

// fakeFD is the descriptor that most tests use.
const fakeFD = poll.FakeBase

// TestFakeKernel holds the fake itself to the book.
func TestFakeKernel(t *testing.T) {
	const eof = poll.EvEOFFlag
	for _, c := range []struct {
		name    string
		flags   uint32
		at, eof bool // ready, or at its end, before EV_ADD
		steps   string
	}{
		// r: becomes ready, d: drained, e: EOF, +: an event, E: one with EV_EOF, -: none,
		// a: EV_ADD again, n: EV_ENABLE, x: EV_DELETE, c: close
		{"level", poll.EvAdd, false, false, "-r++d-r+x-"},
		{"level, ready before", poll.EvAdd, true, false, "++d-"},
		{"level at the end", poll.EvAdd, false, true, "EE"},
		{"clear", poll.EvAdd | poll.EvClear, false, false, "-r+-r+-d-"},
		{"clear, ready before", poll.EvAdd | poll.EvClear, true, false, "+-a+-"},
		{"clear at the end", poll.EvAdd | poll.EvClear, false, false, "-eE-"},
		{"oneshot", poll.EvAdd | poll.EvOneshot, false, false, "-r+-r-a+-"},
		{"dispatch", poll.EvAdd | poll.EvDispatch, true, false, "+-r-n+-"},
		{"disabled", poll.EvAdd | poll.EvDisable, true, false, "-n++"},
		{"closed", poll.EvAdd, true, false, "+c-"},
	} {
		k, _ := newFake(t, poll.FakeOptions{})
		f := k.Open(fakeFD)
		if c.at {
			f.Set(poll.Read, true)
		}
		if c.eof {
			f.End(poll.Read, 0)
		}
		must(t, k.Kevent(fakeFD, poll.Read, c.flags))
		for i, step := range c.steps {
			switch step {
			case 'r', 'd':
				f.Set(poll.Read, step == 'r')
			case 'e':
				f.End(poll.Read, 0)
			case 'a':
				must(t, k.Kevent(fakeFD, poll.Read, c.flags))
			case 'n':
				must(t, k.Kevent(fakeFD, poll.Read, poll.EvEnable))
			case 'x':
				must(t, k.Kevent(fakeFD, poll.Read, poll.EvDelete))
			case 'c':
				k.CloseFile(fakeFD)
			default:
				fd, flags := k.Next()
				if (fd == fakeFD) == (step == '-') || fd >= 0 && flags&eof != 0 != (step == 'E') {
					t.Errorf("%s: step %d of %q: descriptor %d, flags %x", c.name, i, c.steps, fd, flags)
				}
			}
		}
	}
	k, _ := newFake(t, poll.FakeOptions{})
	if err := k.Kevent(fakeFD, poll.Read, poll.EvAdd); err != unix.EBADF {
		t.Errorf("EV_ADD of nothing: %v", err)
	}
	k.Open(fakeFD)
	for _, flags := range []uint32{poll.EvDelete, poll.EvEnable} {
		if err := k.Kevent(fakeFD, poll.Read, flags); err != unix.ENOENT {
			t.Errorf("flags %x of what is not there: %v", flags, err)
		}
	}
}

func TestKqueueEnds(t *testing.T) {
	const r, w, rw = poll.Read, poll.Write, poll.Read | poll.Write
	const fifo = unix.S_IFIFO
	for _, c := range []struct {
		name     string
		kind     uint32
		access   int
		interest poll.Mode
		end      poll.Mode // the filters with an EOF
		errno    uint32
		want     poll.Event
	}{
		{"half-closed by the peer", 0, 0, rw, r, 0, poll.Event{Ready: r, Hup: true}},
		{"half-closed, for reading only", 0, 0, r, r, 0, poll.Event{Ready: r, Hup: true}},
		{"closed", 0, 0, rw, rw, 0, poll.Event{Ready: rw, Hup: true}},
		{"closed, for writing only", 0, 0, w, rw, 0, poll.Event{Ready: w, Hup: true}},
		{"shut down for writing by this side", 0, 0, rw, w, 0, poll.Event{Ready: w}},
		{"reset", 0, 0, rw, rw, uint32(unix.ECONNRESET), poll.Event{Ready: rw, Hup: true, Err: true}},
		{"reset, for reading only", 0, 0, r, rw, uint32(unix.ECONNRESET), poll.Event{Ready: rw, Hup: true, Err: true}},
		{"no writer", fifo, unix.O_RDONLY, r, rw, 0, poll.Event{Ready: rw, Hup: true}},
		{"no writer, for both", fifo, unix.O_RDONLY, rw, rw, 0, poll.Event{Ready: rw, Hup: true}},
		{"no writer, for writing", fifo, unix.O_RDONLY, w, rw, 0, poll.Event{Ready: rw, Hup: true}},
		{"no reader", fifo, unix.O_WRONLY, w, rw, 0, poll.Event{Ready: rw, Err: true}},
		{"no reader, for both", fifo, unix.O_WRONLY, rw, rw, 0, poll.Event{Ready: rw, Err: true}},
		{"no reader, for reading", fifo, unix.O_WRONLY, r, rw, 0, poll.Event{Ready: rw, Err: true}},
		{"to and fro, for reading", fifo, unix.O_RDWR, r, rw, 0, poll.Event{Ready: rw, Hup: true}},
		{"to and fro, for writing", fifo, unix.O_RDWR, w, rw, 0, poll.Event{Ready: rw, Err: true}},
	} {
		for _, o := range fakes {
			for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
				for _, before := range []bool{true, false} {
					k, p := newFake(t, o)
					f := k.Open(fakeFD)
					f.Kind, f.Access = c.kind, c.access
					if before {
						f.End(c.end, c.errno)
					}
					must(t, p.Add(fakeFD, 1, c.interest, trigger))
					if !before {
						quiet(t, p)
						f.End(c.end, c.errno)
					}
					for range 2 {
						c.want.Tag = 1
						if got := wait(t, p, 0)[1]; got != c.want {
							t.Errorf("%s, trigger %d, before %t, %+v: %+v, want %+v", c.name, trigger, before, o, got, c.want)
						}
						if trigger == poll.Edge {
							quiet(t, p)
							must(t, p.Arm(fakeFD, poll.Read|poll.Write))
						}
					}
					must(t, p.Remove(fakeFD))
					quiet(t, p)
				}
			}
		}
	}
}

func TestKqueueRefusals(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		empty := k.Knotes()
		f := k.Open(fakeFD)
		f.Set(poll.Read|poll.Write, true)
		k.Refuse(fakeFD, poll.Write, unix.ENOMEM)
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			if err := p.Add(fakeFD, 1, poll.Read|poll.Write, trigger); !errors.Is(err, unix.ENOMEM) {
				t.Errorf("Add = %v", err)
			}
		}
		k.Refuse(fakeFD, poll.Write, nil)
		if err := p.Remove(fakeFD); !errors.Is(err, unix.ENOENT) || k.Knotes() != empty {
			t.Errorf("after an error: Remove = %v, %d knotes", err, k.Knotes()-empty)
		}

		// The old registration stands where Modify is refused.
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			must(t, p.Add(fakeFD, 2, poll.Read, trigger))
			f.Set(poll.Read, true)
			f.Lacks(poll.Write)
			if err := p.Modify(fakeFD, 3, poll.Write, poll.Level); !errors.Is(err, unix.EINVAL) {
				t.Errorf("Modify = %v", err)
			}
			if got := wait(t, p, 0); len(got) != 1 || got[2].Ready != poll.Read {
				t.Errorf("after a refused Modify: %v", got)
			}
			must(t, p.Remove(fakeFD))
		}

		// One direction is enough, and Arm asks for no more.
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			must(t, p.Add(fakeFD, 4, poll.Read|poll.Write, trigger))
			before := k.Changes()
			must(t, p.Arm(fakeFD, poll.Write))
			if n := k.Changes() - before; n != 0 {
				t.Errorf("Arm of what the descriptor has not: %d calls", n)
			}
			if got := wait(t, p, 0); len(got) != 1 || got[4].Ready != poll.Read {
				t.Errorf("with one direction: %v", got)
			}
			must(t, p.Arm(fakeFD, poll.Read|poll.Write))
			must(t, p.Remove(fakeFD))
		}
		f.Lacks(poll.Read)
		if err := p.Add(fakeFD, 5, poll.Read|poll.Write, poll.Level); !errors.Is(err, unix.EINVAL) {
			t.Errorf("Add of a device without kqueue = %v", err)
		}
		if n := k.Knotes(); n != empty {
			t.Errorf("%d knotes left", n-empty)
		}
	})
}

// TestKqueueReadEnd: some systems show the read end of a pipe as writable.
func TestKqueueReadEnd(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		f := k.Open(fakeFD)
		f.Kind, f.Access = unix.S_IFIFO, unix.O_RDONLY
		f.Set(poll.Write, true)
		must(t, p.Add(fakeFD, 1, poll.Read|poll.Write, poll.Level))
		quiet(t, p)
	})
}

// TestKqueueLateEvent changes the registration between the collection of its event and the report.
func TestKqueueLateEvent(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			for name, change := range map[string]func(){
				"Remove": func() { must(t, p.Remove(fakeFD)) },
				"re-use": func() {
					must(t, p.Remove(fakeFD))
					k.Open(fakeFD)
					must(t, p.Add(fakeFD, 2, poll.Read, trigger))
				},
				"Modify": func() { must(t, p.Modify(fakeFD, 2, poll.Write, trigger)) },
			} {
				k.Open(fakeFD).Set(poll.Read, true)
				must(t, p.Add(fakeFD, 1, poll.Read, trigger))
				k.OnCollected(change)
				if got := wait(t, p, 0); len(got) != 0 {
					t.Errorf("%s, trigger %d: late events %v", name, trigger, got)
				}
				k.OnCollected(nil)
				quiet(t, p)
				_ = p.Remove(fakeFD)
			}
			// A direction that stays of interest is not lost with the late event.
			k.Open(fakeFD).Set(poll.Read, true)
			must(t, p.Add(fakeFD, 1, poll.Read, trigger))
			k.OnCollected(func() {
				k.OnCollected(nil)
				must(t, p.Modify(fakeFD, 2, poll.Read, trigger))
				must(t, p.Arm(fakeFD, poll.Read))
			})
			waitFor(t, p, 2, poll.Read)
			// An Arm that comes then is answered by that event.
			must(t, p.Modify(fakeFD, 3, poll.Read, trigger))
			k.OnCollected(func() {
				k.OnCollected(nil)
				must(t, p.Arm(fakeFD, poll.Read))
			})
			waitFor(t, p, 3, poll.Read)
			must(t, p.Remove(fakeFD))
		}
	})
}

// TestKqueueForgottenRemove closes registered descriptors.
func TestKqueueForgottenRemove(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			k.Open(fakeFD)
			must(t, p.Add(fakeFD, 1, poll.Read, trigger))
			if err := p.Add(fakeFD, 2, poll.Read, trigger); !errors.Is(err, unix.EEXIST) {
				t.Errorf("Add twice = %v", err)
			}
			f := k.Open(fakeFD) // the same number
			f.Set(poll.Read, true)
			quiet(t, p)
			must(t, p.Add(fakeFD, 3, poll.Read, trigger))
			waitFor(t, p, 3, poll.Read)
			k.CloseFile(fakeFD)
			_ = p.Remove(fakeFD)
			if err := p.Remove(fakeFD); !errors.Is(err, unix.ENOENT) {
				t.Errorf("Remove again = %v", err)
			}
			k.Open(fakeFD)
			must(t, p.Add(fakeFD, 4, poll.Read, poll.Level))
			k.Open(fakeFD)
			if err := p.Modify(fakeFD, 5, poll.Read, poll.Level); !errors.Is(err, unix.ENOENT) {
				t.Errorf("Modify of what was closed = %v", err)
			}
			must(t, p.Add(fakeFD, 6, poll.Read, poll.Level))
			must(t, p.Remove(fakeFD))
		}
	})
}

func TestKqueueInterrupted(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		f := k.Open(fakeFD)
		f.Set(poll.Read, true)
		k.Interrupt(3)
		must(t, p.Add(fakeFD, 1, poll.Read|poll.Write, poll.Edge))
		k.Interrupt(3)
		waitFor(t, p, 1, poll.Read)
		k.Interrupt(3)
		start := time.Now()
		if got := wait(t, p, 2*time.Millisecond); len(got) != 0 || time.Since(start) < 2*time.Millisecond {
			t.Errorf("interrupted Wait ended after %v with %v", time.Since(start), got)
		}
		k.Interrupt(3)
		must(t, p.Remove(fakeFD))
		k.Interrupt(0)
		// The changes of a call that is interrupted have been made.
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			must(t, p.Add(fakeFD, 2, poll.Write, trigger))
			k.Interrupt(2)
			must(t, p.Modify(fakeFD, 3, poll.Read, trigger))
			k.Interrupt(0)
			waitFor(t, p, 3, poll.Read)
			must(t, p.Arm(fakeFD, poll.Read))
			k.Interrupt(1)
			must(t, p.Remove(fakeFD))
			k.Interrupt(0)
		}
		k.Start(fakePID, true).End(0)
		k.Interrupt(2)
		w, err := p.AddProcess(fakePID, 4)
		must(t, err)
		k.Interrupt(0)
		waitFor(t, p, 4, poll.Read)
		k.Interrupt(2)
		must(t, w.Close())
		k.Interrupt(0)
		quiet(t, p)
	})
}

// TestKqueueAddedTwice has the event of a one-shot filter collected before a refusal of the other filter makes
// the poller add it again. Nothing is left of it in the kernel, where it would make a one-shot of the
// Level registration that follows.
func TestKqueueAddedTwice(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		for _, broken := range []bool{false, true} { // a pipe that nobody reads is added three times
			for refusal := range 2 {
				empty := k.Knotes()
				f := k.Open(fakeFD)
				if broken {
					f.Kind, f.Access = unix.S_IFIFO, unix.O_RDWR
					f.End(poll.Write, 0)
				} else {
					f.Lacks(poll.Write)
				}
				collected := make(chan struct{}, 3)
				k.OnCollected(func() { collected <- struct{}{} })
				n := 0
				k.OnRefused(func() {
					if n++; n == refusal+1 {
						f.Set(poll.Read, true)
						<-collected
					}
				})
				done := make(chan struct{})
				go func() {
					defer close(done)
					waitFor(t, p, 1, poll.Read)
				}()
				asleep(p)
				must(t, p.Add(fakeFD, 1, poll.Read|poll.Write, poll.Edge))
				<-done
				k.OnCollected(nil)
				k.OnRefused(nil)
				if n := k.Knotes(); n != empty {
					t.Errorf("broken %t, refusal %d: %d knotes left", broken, refusal, n-empty)
				}
				must(t, p.Remove(fakeFD))
				must(t, p.Add(fakeFD, 2, poll.Read, poll.Level))
				for i := range 3 {
					if got := wait(t, p, 0); got[2].Ready&poll.Read == 0 {
						t.Errorf("broken %t, refusal %d: Wait %d of a Level registration: %v", broken, refusal, i, got)
					}
				}
				must(t, p.Remove(fakeFD))
			}
		}
	})
}

// TestKqueueStaleWake has the waking event take the only place in a Wait.
func TestKqueueStaleWake(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		f := k.Open(fakeFD)
		must(t, p.Add(fakeFD, 1, poll.Read, poll.Level))
		k.OnCollected(func() { // too late for this Wait, and so for none
			must(t, p.Wake())
			must(t, p.(interface{ StaleKick() error }).StaleKick())
		})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if n, err := p.Wait(make([]poll.Event, 1), -1); n != 1 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}()
		asleep(p)
		f.Set(poll.Read, true)
		<-done
		k.OnCollected(nil)
		one := make([]poll.Event, 1)
		for range 2 {
			if n, err := p.Wait(one, 0); n != 1 || err != nil {
				t.Errorf("behind a waking event: %d, %v", n, err)
			}
		}
		must(t, p.Wake())
		for range 2 { // does not need to block, and leaves the Wake
			if n, err := p.Wait(one, -1); n != 1 || err != nil {
				t.Errorf("with a Wake pending: %d, %v", n, err)
			}
		}
		f.Set(poll.Read, false)
		if n, err := p.Wait(one, -1); n != 0 || err != nil {
			t.Errorf("the Wake is gone: %d, %v", n, err)
		}
	})
}

// TestKqueueWakeCalls: many wakes of one sleep are one system call, and those of a loop that is awake none.
func TestKqueueWakeCalls(t *testing.T) {
	k, p := newFake(t, poll.FakeOptions{})
	f := k.Open(fakeFD)
	must(t, p.Add(fakeFD, 1, poll.Read, poll.Level))
	wakes := func() int {
		before := k.Changes()
		for range 3 {
			must(t, p.Wake())
		}
		return k.Changes() - before
	}
	if n := wakes(); n != 0 {
		t.Errorf("awake: %d calls", n)
	}
	wait(t, p, -1)
	var n int
	k.OnCollected(func() { n = wakes() }) // Wait still counts as blocked
	done := make(chan struct{})
	go func() {
		defer close(done)
		waitFor(t, p, 1, poll.Read)
	}()
	asleep(p)
	f.Set(poll.Read, true)
	<-done
	k.OnCollected(nil)
	if n != 1 {
		t.Errorf("asleep: %d calls", n)
	}
}

// TestKqueueArmCalls counts system calls: one for each Arm that has something to arm.
func TestKqueueArmCalls(t *testing.T) {
	k, p := newFake(t, poll.FakeOptions{})
	f := k.Open(fakeFD)
	must(t, p.Add(fakeFD, 1, poll.Read|poll.Write, poll.Edge))
	calls := func(what string, want int, do func()) {
		t.Helper()
		before := k.Changes()
		do()
		if got := k.Changes() - before; got != want {
			t.Errorf("%s: %d calls, want %d", what, got, want)
		}
	}
	arm := func() { must(t, p.Arm(fakeFD, poll.Read|poll.Write)) }
	calls("armed already", 0, arm)
	f.Set(poll.Read, true)
	calls("Wait", 0, func() { waitFor(t, p, 1, poll.Read) })
	calls("one to arm", 1, arm)
	f.Set(poll.Write, true)
	calls("Wait", 0, func() { waitFor(t, p, 1, poll.Write) })
	calls("both to arm", 1, arm)
	calls("Add", 1, func() { k.Open(fakeFD + 1); must(t, p.Add(fakeFD+1, 2, poll.Read|poll.Write, poll.Level)) })
}
