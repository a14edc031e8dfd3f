//go:build unix

package dispatch_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// watches returns a callback that records its name, and is done as told.
func (r *record) watches(name string, done bool) func(dispatch.FDEvent) bool {
	return func(e dispatch.FDEvent) bool {
		if e.Err != nil {
			name += ": " + e.Err.Error()
		}
		*r = append(*r, name)
		return done
	}
}

func addRead(tb testing.TB, d *dispatch.Dispatcher, fd dispatch.FD, cb func(dispatch.FDEvent) bool) *dispatch.Watch {
	tb.Helper()
	w, err := d.AddRead(fd, cb)
	must(tb, err)
	return w
}

func addWrite(tb testing.TB, d *dispatch.Dispatcher, fd dispatch.FD, cb func(dispatch.FDEvent) bool) *dispatch.Watch {
	tb.Helper()
	w, err := d.AddWrite(fd, cb)
	must(tb, err)
	return w
}

// between does things after the poller has answered, before the dispatcher goes on.
type between struct {
	poll.Poller
	do    func()
	asked int
}

func (b *between) Wait(events []poll.Event, timeout time.Duration) (int, error) {
	n, err := b.Poller.Wait(events, timeout)
	b.asked++
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return n, err
}

// TestTurnOrderIO has all stages in one turn: posts, timers, descriptors, posts and timers
// that have come meanwhile.
func TestTurnOrderIO(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		v := new(virtual)
		sim := v.sim()
		sim.Sleep = nil // the loop sleeps in the poller
		simulate(d, sim)
		var r record
		must(t, d.Register(p.r))
		addRead(t, d, p.r, r.watches("io", false))
		write(t, p.w)
		b := new(between)
		d.WrapPoller(func(p poll.Poller) poll.Poller { b.Poller = p; return b })

		turn(t, d)
		r.want(t, "io")
		v.now = 10 // the timer below is over before the turn begins
		d.AfterFunc(-1, r.does("timer"))
		d.CallSoon(r.does("post"))
		d.CallIdle(r.does("idle"))
		b.do = func() { d.CallSoon(r.does("late")) }
		turn(t, d)
		r.want(t, "post", "timer", "io", "late")
		read(t, p.r, 9)
		turn(t, d)
		r.want(t, "idle")

		// The same with a turn that sleeps, and in which a timer expires.
		d.AfterFunc(time.Hour, r.does("timer"))
		write(t, p.w)
		b.do = func() {
			d.CallSoon(r.does("late"))
			v.now += int64(time.Hour)
		}
		_, err := d.Poll(-1)
		must(t, err)
		r.want(t, "io", "late", "timer")
		if b.asked != 4 {
			t.Errorf("asked %d times in 4 turns", b.asked)
		}
		if n := d.Pending(); n != 1 {
			t.Errorf("%d pending, want the watch", n)
		}
	})
}

// TestNobodyStarvesIO: neither callbacks that add themselves for ever nor idle ones keep
// a descriptor waiting, which is asked for after 64 callbacks.
func TestNobodyStarvesIO(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for name, add := range map[string]func(*dispatch.Dispatcher, func()){
			"soon":  (*dispatch.Dispatcher).CallSoon,
			"idle":  (*dispatch.Dispatcher).CallIdle,
			"timer": func(d *dispatch.Dispatcher, fn func()) { d.AfterFunc(0, fn) },
		} {
			p, d := pipe(t), open(t, cfg)
			must(t, d.Register(p.r))
			ctx, cancel := context.WithCancel(t.Context())
			n, last, events := 0, 0, 0
			addRead(t, d, p.r, func(e dispatch.FDEvent) bool {
				if e.Err != nil {
					return true
				}
				read(t, p.r, 1)
				if n-last > 64 {
					t.Errorf("%s: the descriptor waited for %d callbacks", name, n-last)
				}
				if name == "soon" && n-last < 63 && events > 0 {
					t.Errorf("%s: asked again after %d callbacks", name, n-last)
				}
				last = n
				if events++; events == 20 {
					cancel()
				}
				return false
			})
			for range 20 {
				write(t, p.w)
			}
			var again func()
			again = func() {
				if n++; n > 10_000 {
					t.Fatalf("%s: the descriptor starves", name)
				}
				if ctx.Err() == nil {
					add(d, again)
				}
			}
			add(d, again)
			if err := d.Run(ctx); err != context.Canceled {
				t.Errorf("Run = %v", err)
			}
		}
	})
}

// TestLevel: a callback that keeps is called in each turn while there is something to
// read, and no more; one that is done is not called again.
func TestLevel(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		var r record
		addRead(t, d, p.r, r.watches("keeps", false))
		turn(t, d)
		r.want(t)
		write(t, p.w)
		write(t, p.w)
		for range 3 {
			turn(t, d)
			r.want(t, "keeps")
		}
		addRead(t, d, p.r, r.watches("done", true))
		addRead(t, d, p.r, func(dispatch.FDEvent) bool {
			r.does("reads")()
			return read(t, p.r, 1) == 0
		})
		turn(t, d)
		r.want(t, "keeps", "done", "reads")
		turn(t, d)
		r.want(t, "keeps", "reads")
		turn(t, d)
		r.want(t)
		p.close(t, p.w) // the end of the stream is readable
		turn(t, d)
		r.want(t, "keeps", "reads")
		turn(t, d)
		r.want(t, "keeps")
		if n := d.Pending(); n != 1 {
			t.Errorf("%d pending", n)
		}
	})
}

// TestInsertionOrder: all callbacks run in the order they were added in, also when some of
// them go and others come.
func TestInsertionOrder(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		write(t, p.w)
		var r record
		var w []*dispatch.Watch
		for i := range 5 {
			w = append(w, addRead(t, d, p.r, r.watches(fmt.Sprint(i), i == 3)))
		}
		turn(t, d)
		r.want(t, "0", "1", "2", "3", "4")
		turn(t, d)
		r.want(t, "0", "1", "2", "4")
		if !w[1].Stop() || w[1].Stop() || w[3].Stop() {
			t.Error("Stop: want true once, and false for one that is done")
		}
		addRead(t, d, p.r, r.watches("5", false))
		turn(t, d)
		r.want(t, "0", "2", "4", "5")
	})
}

// TestStopAndAddInside stops a watch that is queued already, inside another's callback,
// and adds one, which is for the next turn.
func TestStopAndAddInside(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, q, d := pipe(t), pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		must(t, d.Register(q.r))
		write(t, p.w)
		write(t, q.w)
		var r record
		var others []*dispatch.Watch
		addRead(t, d, p.r, func(dispatch.FDEvent) bool {
			r.does("first")()
			for _, w := range others {
				if !w.Stop() {
					t.Error("Stop of a queued watch = false")
				}
			}
			addRead(t, d, p.r, r.watches("added", true))
			addRead(t, d, q.r, r.watches("added to the other", true))
			return true
		})
		others = append(others, addRead(t, d, p.r, r.watches("second", false)))
		turn(t, d)
		r.want(t, "first")
		// q was served before p if the poller said so; its stopped watch is gone anyway.
		for d.Pending() > 0 {
			turn(t, d)
		}
		if slices.Sort(r); !slices.Equal(r, record{"added", "added to the other"}) {
			t.Errorf("ran %q", r)
		}
		if n, err := d.Poll(0); err != dispatch.ErrIdle {
			t.Errorf("Poll = %d, %v, want ErrIdle", n, err)
		}
	})
}

// TestOneBatch stops, inside a callback, the watch of another descriptor that became ready
// in the same turn.
func TestOneBatch(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		var w [2]*dispatch.Watch
		ran := 0
		for i := range w {
			p := pipe(t)
			must(t, d.Register(p.r))
			write(t, p.w)
			w[i] = addRead(t, d, p.r, func(dispatch.FDEvent) bool {
				ran++
				if !w[1-i].Stop() {
					t.Error("Stop of a queued watch = false")
				}
				return true
			})
		}
		turn(t, d)
		if ran != 1 || d.Pending() != 0 {
			t.Errorf("%d callbacks ran, %d pending", ran, d.Pending())
		}
	})
}

func TestBothDirections(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		s, d := sockets(t), open(t, cfg)
		must(t, d.Register(s.r))
		var r record
		reads := addRead(t, d, s.r, r.watches("read", false))
		addWrite(t, d, s.r, r.watches("write", false))
		turn(t, d)
		r.want(t, "write")
		write(t, s.w)
		turn(t, d)
		r.want(t, "read", "write")
		reads.Stop()
		turn(t, d)
		r.want(t, "write")
		s.close(t, s.w)
		addRead(t, d, s.r, r.watches("read", true))
		turn(t, d)
		r.want(t, "read", "write")
	})
}

// TestErrorIsBoth: a pipe without readers is neither readable nor writable but broken,
// which its watches of either direction hear.
func TestErrorIsBoth(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, dirs := range []string{"r", "w", "rw"} {
			p, d := pipe(t), open(t, cfg)
			must(t, d.Register(p.w))
			for buf := make([]byte, 1<<16); ; { // not writable
				if _, err := unix.Write(int(p.w), buf); err != nil {
					break
				}
			}
			var r record
			var want []string
			if dirs != "w" {
				addRead(t, d, p.w, r.watches("read", false))
				want = append(want, "read")
			}
			if dirs != "r" {
				addWrite(t, d, p.w, r.watches("write", false))
				want = append(want, "write")
			}
			turn(t, d)
			r.want(t)
			p.close(t, p.r)
			turn(t, d)
			r.want(t, want...)
		}
	})
}

// TestRegularFile: always ready, both ways, also for a watch that comes while the loop
// sleeps.
func TestRegularFile(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		must(t, err)
		defer f.Close()
		fd := dispatch.FD(f.Fd())
		must(t, d.Register(fd))
		var r record
		w := addRead(t, d, fd, r.watches("read", false))
		addWrite(t, d, fd, r.watches("write", true))
		for range 2 {
			_, err := d.Poll(-1)
			must(t, err)
		}
		r.want(t, "read", "write", "read")
		w.Stop()
		if n, err := d.Poll(-1); err != dispatch.ErrIdle {
			t.Errorf("Poll = %d, %v, want ErrIdle", n, err)
		}
		stop := start(t, d)
		for range 100 {
			asleep(d)
			ran := make(chan bool)
			addRead(t, d, fd, func(dispatch.FDEvent) bool { ran <- true; return true })
			<-ran
		}
		stop()
	})
}

// TestPendingMovesToWatch hands what is pending from a watch to a hold and back: others must
// never see neither.
func TestPendingMovesToWatch(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		keep := func(dispatch.FDEvent) bool { return false }
		w := addRead(t, d, p.r, keep)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range check.Times(5000, 100_000) {
				release := d.Hold()
				w.Stop()
				w, _ = d.AddRead(p.r, keep)
				release()
			}
		}()
		for ended := false; !ended; {
			if d.Pending() == 0 {
				t.Error("Pending = 0 while something is pending")
				break
			}
			select {
			case <-done:
				ended = true
			default:
			}
		}
		<-done
	})
}

// TestRegisterWhileAsleep: a loop that sleeps on its channel goes over to the poller when
// the first descriptor comes, and back when the last has gone.
func TestRegisterWhileAsleep(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		stop := start(t, d)
		for range 20 {
			p := pipe(t)
			asleep(d)
			must(t, d.Register(p.r))
			ran := make(chan error)
			addRead(t, d, p.r, func(e dispatch.FDEvent) bool { ran <- e.Err; return e.Err != nil })
			write(t, p.w)
			must(t, <-ran)
			done := make(chan error)
			must(t, d.Post(func() { done <- d.CloseFD(p.r) }))
			var closed, ended error
			for closed == nil {
				select {
				case closed = <-ran:
				case ended = <-done:
				}
			}
			delete(p.open, p.r)
			if closed != dispatch.ErrFDClosed || ended != nil {
				t.Fatalf("the watch ended with %v, CloseFD = %v", closed, ended)
			}
		}
		stop()
	})
}

func TestManyDescriptors(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		const n = 1000
		got, all := make([]int, n), make([]ends, n)
		done := 0
		for i := range all {
			all[i] = pipe(t)
			for _, fd := range []dispatch.FD{all[i].r, all[i].w} {
				must(t, d.Register(fd))
			}
			addRead(t, d, all[i].r, func(e dispatch.FDEvent) bool {
				if e.Err != nil {
					return true
				}
				got[i]++
				return read(t, all[i].r, 1) == 0
			})
			addWrite(t, d, all[i].w, func(dispatch.FDEvent) bool {
				write(t, all[i].w)
				done++
				return true
			})
		}
		if p := d.Pending(); p != 2*n {
			t.Errorf("%d pending, want %d", p, 2*n)
		}
		for turns := 0; done < n || slices.Contains(got, 0); turns++ {
			if turns > 4*n {
				t.Fatal("some never become ready")
			}
			_, err := d.Poll(-1)
			must(t, err)
		}
		for _, p := range all {
			p.closeFD(t, d, p.r)
			p.closeFD(t, d, p.w)
		}
		if p := d.Pending(); p != n {
			t.Errorf("%d callbacks hear of the end, want %d", p, n)
		}
	})
}
