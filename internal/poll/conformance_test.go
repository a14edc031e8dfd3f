//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package poll_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// The conformance suite, part one: what is reported, without concurrency.

func TestLevel(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		const tag = poll.Tag(0xfedcba9876543210)
		must(t, p.Add(c.r, tag, poll.Read, poll.Level))
		quiet(t, p)
		put(t, c.w)
		for range 3 {
			ev := waitFor(t, p, tag, poll.Read)
			if ev != (poll.Event{Tag: tag, Ready: poll.Read}) {
				t.Errorf("got %+v", ev)
			}
		}
		drain(t, c.r)
		quiet(t, p)
		put(t, c.w)
		waitFor(t, p, tag, poll.Read)
	})
}

func TestLevelDirections(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newSockets(t)
		check := func(what string, want poll.Mode) {
			t.Helper()
			if got := wait(t, p, 0)[7].Ready; got != want {
				t.Errorf("%s: ready %02b, want %02b", what, got, want)
			}
		}
		must(t, p.Add(c.r, 7, poll.Write, poll.Level))
		check("empty, Write", poll.Write)
		put(t, c.w)
		check("readable, Write", poll.Write)
		must(t, p.Modify(c.r, 7, poll.Read|poll.Write, poll.Level))
		check("readable, both", poll.Read|poll.Write)
		fill(t, c.r)
		check("readable and full, both", poll.Read)
		must(t, p.Modify(c.r, 7, poll.Write, poll.Level))
		check("readable and full, Write", 0)
		drain(t, c.w)
		check("readable, Write", poll.Write)
		must(t, p.Modify(c.r, 8, poll.Read, poll.Level))
		if got := wait(t, p, 0); len(got) != 1 || got[8].Ready != poll.Read {
			t.Errorf("with a new tag: %+v", got)
		}
	})
}

func TestEdge(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newSockets(t)
		must(t, p.Add(c.r, 1, poll.Read|poll.Write, poll.Edge))
		fill(t, c.r)
		wait(t, p, 0) // epoll may tell of the time before fill

		for _, early := range []bool{true, false} {
			drain(t, c.r)
			if early {
				put(t, c.w)
			}
			must(t, p.Arm(c.r, poll.Read))
			if !early {
				quiet(t, p)
				put(t, c.w)
			}
			if ev := waitFor(t, p, 1, poll.Read); ev.Ready != poll.Read {
				t.Errorf("got %+v", ev)
			}
			quiet(t, p) // unread, but reported
		}

		// Read is reported without using up the arming of Write.
		drain(t, c.r)
		must(t, p.Arm(c.r, poll.Read|poll.Write))
		put(t, c.w)
		waitFor(t, p, 1, poll.Read)
		drain(t, c.w)
		if ev := waitFor(t, p, 1, poll.Write); ev.Err || ev.Hup {
			t.Errorf("got %+v", ev)
		}

		// And the other way round; epoll may repeat Write with it.
		fill(t, c.r)
		drain(t, c.r)
		must(t, p.Arm(c.r, poll.Read|poll.Write))
		drain(t, c.w)
		waitFor(t, p, 1, poll.Write)
		put(t, c.w)
		waitFor(t, p, 1, poll.Read)
	})
}

func TestEdgeModify(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newSockets(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		put(t, c.w)
		must(t, p.Modify(c.r, 2, poll.Read|poll.Write, poll.Edge))
		must(t, p.Arm(c.r, poll.Read))
		waitFor(t, p, 2, poll.Read)
		quiet(t, p)
		must(t, p.Modify(c.r, 3, poll.Read, poll.Edge))
		must(t, p.Arm(c.r, poll.Read|poll.Write))
		if ev := waitFor(t, p, 3, poll.Read); ev.Ready != poll.Read {
			t.Errorf("a direction outside the interest: %+v", ev)
		}
		must(t, p.Modify(c.r, 3, poll.Read, poll.Level))
		must(t, p.Arm(c.r, poll.Read|poll.Write))
		if ev := waitFor(t, p, 3, poll.Read); ev.Ready != poll.Read {
			t.Errorf("Arm changes a level registration: %+v", ev)
		}
		waitFor(t, p, 3, poll.Read)
		waitFor(t, p, 3, poll.Read)
	})
}

// ended is the state of a descriptor after something ended it.
type ended struct {
	name       string
	make       func(t *testing.T) (fd int, end func())
	ready      poll.Mode
	hup, err   bool
	halfClosed bool // Hup only where the system tells of half-closing
}

func TestHupAndErr(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for _, e := range endings {
			for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
				for _, before := range []bool{true, false} {
					p := open()
					fd, end := e.make(t)
					if before {
						end()
					}
					must(t, p.Add(fd, 1, poll.Read|poll.Write, trigger))
					if !before {
						end()
					}
					arm := func() {
						if trigger == poll.Edge {
							must(t, p.Arm(fd, poll.Read|poll.Write))
						}
					}
					arm()
					ev := waitFor(t, p, 1, e.ready)
					// On some systems what ended is not complete at once.
					for again := 0; ev.Hup != e.hup && (!e.halfClosed || tellsHalfClose) || ev.Err != e.err; again++ {
						if again == 1000 {
							t.Errorf("%s, trigger %d, before %t: %+v", e.name, trigger, before, ev)
							break
						}
						arm()
						for _, ev = range wait(t, p, time.Millisecond) {
						}
					}
					p.Close()
				}
			}
		}
	})
}

// TestErrUnasked has an interest in the one direction that is not concerned.
func TestErrUnasked(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		fd, interest, end := unasked(t)
		must(t, p.Add(fd, 1, interest, poll.Level))
		quiet(t, p)
		end()
		if ev := waitFor(t, p, 1, interest); !ev.Err || ev.Ready != poll.Read|poll.Write {
			t.Errorf("got %+v", ev)
		}
	})
}

func TestReusedDescriptor(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		for gen := poll.Tag(0); gen < 50; gen += 2 {
			c := newPipe(t)
			must(t, p.Add(c.r, gen, poll.Read, poll.Level))
			put(t, c.w)
			if gen%4 == 0 {
				waitFor(t, p, gen, poll.Read)
			}
			must(t, p.Remove(c.r))
			old := *c
			c.close()
			d := newPipe(t)
			if numbersReturn && d.r != old.r {
				t.Fatalf("number %d was not used again but %d", old.r, d.r)
			}
			must(t, p.Add(d.r, gen+1, poll.Read, poll.Level))
			quiet(t, p)
			put(t, d.w)
			if got := wait(t, p, soon); len(got) != 1 || got[gen+1].Ready != poll.Read {
				t.Errorf("got %+v, want tag %d only", got, gen+1)
			}
			must(t, p.Remove(d.r))
			d.close()
		}
	})
}

func TestRemovePending(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c, d := open(), newPipe(t), newPipe(t)
		put(t, c.w)
		put(t, d.w)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		must(t, p.Add(d.r, 2, poll.Read, poll.Edge))
		must(t, p.Arm(d.r, poll.Read))
		must(t, p.Remove(c.r))
		must(t, p.Remove(d.r))
		quiet(t, p)
	})
}

func TestRegistrationErrors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		is := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		is("empty interest", p.Add(c.r, 1, 0, poll.Level), syscall.EINVAL)
		is("unknown interest", p.Add(c.r, 1, 4, poll.Level), syscall.EINVAL)
		is("unknown trigger", p.Add(c.r, 1, poll.Read, 2), syscall.EINVAL)
		is("reserved tag", p.Add(c.r, ^poll.Tag(0), poll.Read, poll.Level), syscall.EINVAL)
		is("Modify before Add", p.Modify(c.r, 1, poll.Read, poll.Level), syscall.ENOENT)
		is("Remove before Add", p.Remove(c.r), syscall.ENOENT)
		is("descriptor -1", p.Add(-1, 1, poll.Read, poll.Level), syscall.EBADF)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		is("Add twice", p.Add(c.r, 2, poll.Read, poll.Level), syscall.EEXIST)
		is("Modify to nothing", p.Modify(c.r, 2, 0, poll.Level), syscall.EINVAL)
		put(t, c.w)
		waitFor(t, p, 1, poll.Read)
		_, err := p.Wait(nil, 0)
		is("Wait without room", err, syscall.EINVAL)
		if !p.Operations() {
			is("Submit", p.Submit(&poll.Op{}), errors.ErrUnsupported)
			is("Cancel", p.Cancel(&poll.Op{}), errors.ErrUnsupported)
		}
	})
}

func TestAlwaysReady(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		dir, err := os.MkdirTemp("", "poll") // t.TempDir cannot remove it under Wine 8
		must(t, err)
		defer os.Remove(dir)
		file := filepath.Join(dir, "file")
		must(t, os.WriteFile(file, nil, 0o600))
		defer os.Remove(file)
		for _, name := range []string{dir, file} {
			f, err := os.Open(name)
			must(t, err)
			fd := int(f.Fd())
			for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
				if err := p.Add(fd, 1, poll.Read, trigger); !errors.Is(err, poll.ErrAlwaysReady) {
					t.Errorf("Add(%s) = %v", name, err)
				}
			}
			if err := p.Remove(fd); !errors.Is(err, syscall.ENOENT) && !errors.Is(err, syscall.EPERM) {
				t.Errorf("Remove(%s) = %v", name, err)
			}
			must(t, f.Close())
		}
	})
}

func TestMoreReadyThanRoom(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for _, trigger := range []poll.Trigger{poll.Level, poll.Edge} {
			p := open()
			const n, idle = 100, 7
			var idler int // tag 0
			for i := range poll.Tag(n) {
				c := newPipe(t)
				must(t, p.Add(c.r, i, poll.Read, trigger))
				if i == 0 {
					idler = c.r
				}
				if i%idle != 0 {
					put(t, c.w)
				}
				if trigger == poll.Edge {
					must(t, p.Arm(c.r, poll.Read))
				}
			}
			const ready = n - (n+idle-1)/idle
			for _, room := range []int{1, 9, 60} {
				if trigger == poll.Edge && room != 9 {
					continue
				}
				// Any run of this many reports names each of them.
				seen := make(map[poll.Tag]int)
				events := make([]poll.Event, room)
				for sum := 0; sum < ready; {
					if trigger == poll.Level && room == 9 {
						// A change elsewhere does not begin the round anew.
						must(t, p.Modify(idler, 0, poll.Read, poll.Level))
					}
					got, err := p.Wait(events[:min(room, ready-sum)], soon)
					must(t, err)
					if got == 0 {
						t.Fatalf("trigger %d, room %d: only %d of %d", trigger, room, len(seen), ready)
					}
					for _, ev := range events[:got] {
						seen[ev.Tag]++
					}
					sum += got
				}
				if len(seen) != ready {
					t.Errorf("trigger %d, room %d: %d reports named only %d descriptors", trigger, room, ready, len(seen))
				}
			}
			if trigger == poll.Edge {
				quiet(t, p)
			}
		}
	})
}

func TestManyDescriptors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		const n = 1000 / slow // pipes, two descriptors each
		pipes := make([]*pair, n)
		for i := range pipes {
			pipes[i] = newPipe(t)
			must(t, p.Add(pipes[i].r, poll.Tag(2*i), poll.Read, poll.Level))
			must(t, p.Add(pipes[i].w, poll.Tag(2*i+1), poll.Write, poll.Edge))
			must(t, p.Arm(pipes[i].w, poll.Write))
		}
		events := make([]poll.Event, 2*n)
		count := func() int {
			t.Helper()
			got, err := p.Wait(events, 0)
			must(t, err)
			return got
		}
		reach := func(want int) (got int) {
			t.Helper()
			for range 1000 {
				// Only the first may have reported less than there was.
				if got = count(); got >= want || !late {
					break
				}
				wait(t, p, time.Millisecond)
			}
			return got
		}
		if got := count(); got != n {
			t.Errorf("%d of %d writable", got, n)
		}
		for i := 0; i < n; i += 10 {
			put(t, pipes[i].w)
		}
		if got := reach(n / 10); got != n/10 {
			t.Errorf("%d of %d readable", got, n/10)
		}
		for _, c := range pipes {
			must(t, p.Remove(c.r))
			must(t, p.Remove(c.w))
		}
		if got := count(); got != 0 {
			t.Errorf("%d events after Remove", got)
		}
	})
}
