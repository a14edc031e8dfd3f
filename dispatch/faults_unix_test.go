//go:build unix

package dispatch_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// TestClosedBehind: a watched descriptor that was closed without telling the dispatcher keeps nobody else
// from their turn. CloseFD and Unregister end its watches, and its number can be used again.
func TestClosedBehind(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, unregister := range []bool{false, true} {
			p, other, d := sockets(t), pipe(t), open(t, cfg)
			must(t, d.Register(p.r))
			must(t, d.Register(other.r))
			var last error
			ran, heard := 0, 0
			watch := func(e dispatch.FDEvent) bool { ran++; last = e.Err; return false }
			w := addRead(t, d, p.r, watch)
			addRead(t, d, p.r, watch)
			addWrite(t, d, p.r, watch)
			addRead(t, d, other.r, func(dispatch.FDEvent) bool { heard++; return read(t, other.r, 1) == 0 })
			p.close(t, p.r)
			for want := 1; want < 4; want++ {
				write(t, other.w)
				for limit := 0; heard < want; limit++ {
					turn(t, d)
					if limit > 10 {
						t.Fatal("the other descriptor is not heard of")
					}
				}
			}
			if ran > 3 {
				t.Errorf("%d callbacks for a descriptor that is closed", ran)
			}
			if !w.Stop() {
				t.Error("Stop = false")
			}
			ran = 0
			want := dispatch.ErrFDClosed
			if unregister {
				must(t, d.Unregister(p.r))
				want = dispatch.ErrNotRegistered
			} else if err := d.CloseFD(p.r); !errors.Is(err, unix.EBADF) {
				t.Errorf("CloseFD = %v, want EBADF", err)
			}
			for range 3 {
				turn(t, d)
			}
			if ran != 2 || last != want || d.Contains(p.r) {
				t.Errorf("%d ends, the last with %v, want %v", ran, last, want)
			}
			q := sockets(t)
			must(t, d.Register(q.r))
			got := 0
			addRead(t, d, q.r, func(e dispatch.FDEvent) bool { got++; return true })
			write(t, q.w)
			turn(t, d)
			if got != 1 {
				t.Errorf("the successor was told %d times", got)
			}
		}
	})
}

// TestClosedBehindReused: the number of a descriptor that was closed without telling the dispatcher has
// another file. That one is not registered until the old one is forgotten.
func TestClosedBehindReused(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		var r record
		addRead(t, d, p.r, r.watches("old", false))
		turn(t, d)
		p.close(t, p.r)
		q := pipe(t)
		if q.r != p.r {
			t.Fatalf("%d was not used again, but %d", p.r, q.r)
		}
		if err := d.Register(q.r); err != dispatch.ErrRegistered {
			t.Errorf("Register = %v", err)
		}
		must(t, d.Unregister(q.r))
		must(t, d.Register(q.r))
		addRead(t, d, q.r, r.watches("new", true))
		write(t, q.w)
		for d.Pending() > 0 {
			turn(t, d)
		}
		r.want(t, "old: "+dispatch.ErrNotRegistered.Error(), "new")
	})
}

// TestNoDescriptors: where the process has no descriptor to spare for a poller, what needs one fails and
// leaves nothing behind, all else goes on, and later it works. It runs in a process of its own.
func TestNoDescriptors(t *testing.T) {
	const name = "TURNSTILE_TEST_NO_POLLER"
	if os.Getenv(name) == "" {
		cmd := check.Self(t.Context(), "-test.run=^TestNoDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), name+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestNoDescriptors") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		failures := 0
		for spare := 0; ; spare++ {
			d, p := open(t, cfg), pipe(t)
			take := exhaust(t)
			for _, fd := range take[:spare] {
				must(t, unix.Close(fd))
			}
			before := descriptors()
			err := d.Register(p.r)
			if err != nil {
				failures++
				// That a child's end cannot be watched has the same reason, and another where there are no children.
				_, processErr := d.AddProcess(os.Getpid(), func(dispatch.ProcessState) {})
				if !errors.Is(err, unix.EMFILE) || processErr == nil || d.Handle() != ^uintptr(0) {
					t.Errorf("%d to spare: Register = %v, AddProcess = %v, Handle = %d", spare, err, processErr, d.Handle())
				}
				if n := descriptors(); n != before || d.Contains(p.r) || d.Pending() != 0 {
					t.Errorf("%d to spare: %d descriptors are left, %d pending", spare, n-before, d.Pending())
				}
				ran := false
				d.CallSoon(func() { ran = true })
				if turn(t, d); !ran {
					t.Error("a post does not run")
				}
			}
			for _, fd := range take[spare:] {
				must(t, unix.Close(fd))
			}
			if err != nil {
				must(t, d.Register(p.r))
			}
			write(t, p.w)
			got := 0
			addRead(t, d, p.r, func(dispatch.FDEvent) bool { got++; return true })
			if turn(t, d); got != 1 {
				t.Errorf("%d to spare: told %d times", spare, got)
			}
			if err == nil {
				break
			}
		}
		if failures == 0 {
			t.Error("the poller needs no descriptor")
		}
	})
}

// exhaust takes all descriptors that the process may have, in a limit it sets.
func exhaust(tb testing.TB) (took []int) {
	tb.Helper()
	var was unix.Rlimit
	must(tb, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	low := was
	low.Cur = 64
	must(tb, unix.Setrlimit(unix.RLIMIT_NOFILE, &low))
	tb.Cleanup(func() { must(tb, unix.Setrlimit(unix.RLIMIT_NOFILE, &was)) })
	for {
		fd, err := unix.Dup(0)
		if errors.Is(err, unix.EMFILE) {
			return took
		}
		must(tb, err)
		unix.CloseOnExec(fd)
		took = append(took, fd)
	}
}

// failing is a poller that cannot be asked, while err is set.
type failing struct {
	poll.Poller
	err error
}

func (f *failing) Wait(events []poll.Event, timeout time.Duration) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return f.Poller.Wait(events, timeout)
}

// TestBrokenPoller: where the system cannot be asked, the calls that turn the loop say so, but what needs no
// answer runs, and Close ends everything even so.
func TestBrokenPoller(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d, err := dispatch.New(cfg)
		must(t, err)
		s, q := sockets(t), sockets(t)
		register(t, d, s.r, q.r)
		var r record
		addRead(t, d, s.r, r.watches("watch", true))
		o := newOp(d)
		must(t, o.Recv(q.r, make([]byte, 1)))
		f := &failing{err: errors.New("broken")}
		d.WrapPoller(func(p poll.Poller) poll.Poller { f.Poller = p; return f })
		for _, turns := range []func() error{
			func() error { _, err := d.Poll(-1); return err },
			func() error { return d.Drain(-1) },
			func() error { return d.Run(t.Context()) },
		} {
			d.CallSoon(r.does("post"))
			d.AfterFunc(0, r.does("timer"))
			d.CallSoon(r.does("and another", func() { d.CallSoon(r.does("next")) }))
			if err := turns(); err != f.err {
				t.Errorf("%v, want %v", err, f.err)
			}
			r.want(t, "post", "and another", "timer")
			if n, err := d.Poll(0); n != 1 || err != f.err {
				t.Errorf("Poll = %d, %v", n, err)
			}
			r.want(t, "next")
		}
		d.CallSoon(r.does("last"))
		must(t, d.Close())
		r.want(t, "last", "watch: "+dispatch.ErrClosed.Error())
		o.want(t, 1, 0, dispatch.ErrClosed)
		refusesAll(t, d)
	})
}

// TestDescriptorsFromEverywhere has goroutines register, watch, stop, unregister and close descriptors of
// their own while the loop runs: each watch that is not stopped hears of its end, once.
func TestDescriptorsFromEverywhere(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		stop := start(t, d)
		var wg sync.WaitGroup
		for g := range 4 {
			s := sockets(t)
			wg.Go(func() {
				write(t, s.w)
				for i := range check.Times(100, 5000) {
					must(t, d.Register(s.r))
					ended := make(chan error, 3)
					watch := func(e dispatch.FDEvent) bool {
						if e.Err != nil {
							ended <- e.Err
						}
						return false
					}
					one, err1 := d.AddRead(s.r, watch)
					two, err2 := d.AddWrite(s.r, watch)
					must(t, errors.Join(err1, err2))
					ends := 2
					if (i+g)%3 != 0 {
						ends--
						if !one.Stop() {
							t.Error("Stop = false")
						}
					}
					if _, err := d.AddRead(s.r, watch); err != nil {
						t.Error(err)
					}
					must(t, d.Unregister(s.r))
					for range ends + 1 {
						if err := <-ended; err != dispatch.ErrNotRegistered {
							t.Errorf("ended with %v", err)
						}
					}
					if two.Stop() {
						t.Error("Stop = true of a watch that has ended")
					}
				}
			})
		}
		wg.Wait()
		stop()
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
	})
}
