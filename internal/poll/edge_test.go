//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package poll_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// latch is one direction of an Edge registration, as a caller keeps it.
type latch chan struct{}

func (l latch) set() {
	select {
	case l <- struct{}{}:
	default:
	}
}

// do repeats op until it is not EAGAIN, waiting for the latch in between.
func (l latch) do(p poll.Poller, fd int, mode poll.Mode, op func() (int, error)) (int, error) {
	for {
		n, err := op()
		if !wouldBlock(err) {
			return n, err
		}
		if err := p.Arm(fd, mode); err != nil {
			return 0, err
		}
		<-l
	}
}

// TestEdgeStress sends bytes both ways in pieces of random size, try, arm, wait,
// while the Wait runs in a goroutine of its own. A lost event hangs it.
func TestEdgeStress(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		const total = 1 << 20 / slow
		ends := newSockets(t)
		fds := [2]int{ends.r, ends.w}
		var latches [2][2]latch // by end; reading, writing
		var users sync.WaitGroup
		for i, fd := range fds {
			smallBuffer(t, fd)
			in, out := make(latch, 1), make(latch, 1)
			latches[i] = [2]latch{in, out}
			must(t, p.Add(fd, poll.Tag(i), poll.Read|poll.Write, poll.Edge))
			users.Go(func() {
				random := rand.New(rand.NewPCG(1, uint64(i)))
				buf := make([]byte, 8192)
				for sum := 0; sum < total; {
					part := buf[:1+random.IntN(min(len(buf), total-sum))]
					for k := range part {
						part[k] = byte(sum + k)
					}
					n, err := out.do(p, fd, poll.Write, func() (int, error) { return write(fd, part) })
					if err != nil {
						t.Error(err)
						return
					}
					sum += n
				}
			})
			users.Go(func() {
				random := rand.New(rand.NewPCG(2, uint64(i)))
				buf := make([]byte, 8192)
				for sum := 0; sum < total; {
					n, err := in.do(p, fd, poll.Read, func() (int, error) { return read(fd, buf[:1+random.IntN(len(buf))]) })
					if err != nil || n == 0 {
						t.Errorf("after %d bytes: %d, %v", sum, n, err)
						return
					}
					for k, b := range buf[:n] {
						if b != byte(sum+k) {
							t.Errorf("byte %d is wrong", sum+k)
							return
						}
					}
					sum += n
				}
			})
		}
		finished := make(chan struct{})
		go func() {
			users.Wait()
			close(finished)
			p.Wake()
		}()
		events := make([]poll.Event, 1)
		for {
			n, err := p.Wait(events, soon)
			must(t, err)
			for _, ev := range events[:n] {
				if ev.Ready&poll.Read != 0 {
					latches[ev.Tag][0].set()
				}
				if ev.Ready&poll.Write != 0 {
					latches[ev.Tag][1].set()
				}
			}
			select {
			case <-finished:
				return
			default:
			}
			if n == 0 {
				t.Fatal("lost event: nothing moves any more")
			}
		}
	})
}

// TestModel runs random programs on a few sockets against a model of the
// contract. What is written to a local socket is there at once, so a Wait that
// does not block must know about it.
func TestModel(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		rapid.Check(t, func(rt *rapid.T) {
			p := open()
			defer p.Close()
			const slots = 4
			type slot struct {
				*pair
				tag        poll.Tag
				registered bool
				interest   poll.Mode
				trigger    poll.Trigger
				readable   bool
				full       bool
				waiting    poll.Mode // Edge: EAGAIN was seen and Arm called since the last event
			}
			var socks [slots]*slot
			for i := range socks {
				socks[i] = &slot{pair: newSockets(t)}
				defer socks[i].close()
			}
			generation := poll.Tag(0)
			pick := func(rt *rapid.T) *slot { return socks[rapid.IntRange(0, slots-1).Draw(rt, "slot")] }
			label := func(rt *rapid.T, s *slot) {
				generation++
				s.tag = generation
				s.interest = poll.Mode(rapid.IntRange(1, 3).Draw(rt, "interest"))
				s.trigger = poll.Trigger(rapid.IntRange(0, 1).Draw(rt, "trigger"))
				s.waiting = 0
			}
			condition := func(s *slot) (ready poll.Mode) {
				if s.readable {
					ready |= poll.Read
				}
				if !s.full {
					ready |= poll.Write
				}
				return ready
			}
			arm := func(rt *rapid.T, s *slot, mode poll.Mode) {
				if s.registered && s.trigger == poll.Edge && s.interest&mode != 0 {
					must(t, p.Arm(s.r, mode))
					s.waiting |= mode
				}
			}
			rt.Repeat(map[string]func(*rapid.T){
				"add": func(rt *rapid.T) {
					if s := pick(rt); !s.registered {
						label(rt, s)
						must(t, p.Add(s.r, s.tag, s.interest, s.trigger))
						s.registered = true
					}
				},
				"modify": func(rt *rapid.T) {
					if s := pick(rt); s.registered {
						label(rt, s)
						must(t, p.Modify(s.r, s.tag, s.interest, s.trigger))
					}
				},
				"remove": func(rt *rapid.T) {
					if s := pick(rt); s.registered {
						must(t, p.Remove(s.r))
						s.registered = false
					}
				},
				"replace": func(rt *rapid.T) {
					s := pick(rt)
					if s.registered {
						must(t, p.Remove(s.r))
					}
					s.close()
					*s = slot{pair: newSockets(t)}
				},
				"peer writes": func(rt *rapid.T) {
					s := pick(rt)
					put(t, s.w)
					s.readable = true
				},
				"peer reads": func(rt *rapid.T) {
					s := pick(rt)
					drain(t, s.w)
					s.full = false
				},
				"read until EAGAIN, the peer may write, arm": func(rt *rapid.T) {
					s := pick(rt)
					drain(t, s.r)
					if s.readable = rapid.Bool().Draw(rt, "write"); s.readable {
						put(t, s.w)
					}
					arm(rt, s, poll.Read)
				},
				"write until EAGAIN, the peer may read, arm": func(rt *rapid.T) {
					s := pick(rt)
					fill(t, s.r)
					if s.full = !rapid.Bool().Draw(rt, "read"); !s.full {
						drain(t, s.w)
					}
					arm(rt, s, poll.Write)
				},
				"": func(rt *rapid.T) {
					if !rapid.Bool().Draw(rt, "wait") {
						return
					}
					got := wait(t, p, 0)
					for again := 0; late && again < 10000; again++ {
						missing := false
						for _, s := range socks {
							due := condition(s) & s.interest
							if s.trigger == poll.Edge {
								due &= s.waiting
							}
							missing = missing || s.registered && due&^got[s.tag].Ready != 0
						}
						if !missing {
							break
						}
						for tag, ev := range wait(t, p, time.Millisecond) {
							ev.Ready |= got[tag].Ready
							got[tag] = ev
						}
					}
					for _, s := range socks {
						if !s.registered {
							continue
						}
						ev := got[s.tag]
						delete(got, s.tag)
						holds := condition(s) & s.interest
						if ev.Ready&^holds != 0 {
							rt.Fatalf("tag %d: %02b reported, %02b holds", s.tag, ev.Ready, holds)
						}
						must := holds
						if s.trigger == poll.Edge {
							must &= s.waiting
						}
						if must&^ev.Ready != 0 {
							rt.Fatalf("tag %d, trigger %d: %02b reported, %02b due", s.tag, s.trigger, ev.Ready, must)
						}
						s.waiting &^= ev.Ready
					}
					if len(got) != 0 {
						rt.Fatalf("strange events %v", got)
					}
				},
			})
		})
	})
}
