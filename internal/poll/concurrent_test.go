//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package poll_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// The conformance suite, part two: wakes, changes during a Wait, and random
// schedules.

func TestWakeBeforeWait(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		for range 20 {
			for range 3 {
				must(t, p.Wake())
			}
			quiet(t, p) // does not use it up
			put(t, c.w)
			visible(t, p)
			waitFor(t, p, 1, poll.Read) // neither does this
			drain(t, c.r)
			if got := wait(t, p, -1); len(got) != 0 {
				t.Errorf("woken Wait reports %v", got)
			}
			start := time.Now()
			wait(t, p, time.Millisecond)
			if time.Since(start) < time.Millisecond {
				t.Error("one Wait consumes all wakes before it")
			}
		}
	})
}

func TestWakeBlockedWait(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		turns := make(chan int)
		go func() {
			defer close(turns)
			for range 200 / slow {
				turns <- len(wait(t, p, -1))
			}
		}()
		for range 200 / slow {
			asleep(p)
			must(t, p.Wake())
			if n := <-turns; n != 0 {
				t.Errorf("%d events", n)
			}
		}
		<-turns
		if p, ok := p.(interface{ Undrained() bool }); ok && p.Undrained() {
			t.Error("the wake pipe is not empty: Wait will spin")
		}
	})
}

// TestWakePingPong has two loops wake each other; a single lost wake hangs it.
func TestWakePingPong(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		const turns = 10000 / slow
		pollers := [2]poll.Poller{open(), open()}
		var balls [2]atomic.Int32
		balls[0].Store(1)
		var all sync.WaitGroup
		for me := range 2 {
			all.Go(func() {
				events := make([]poll.Event, 1)
				for turn := 0; turn < turns; {
					if balls[me].Swap(0) == 0 {
						start := time.Now()
						if n, err := pollers[me].Wait(events, soon); n != 0 || err != nil || time.Since(start) > soon {
							t.Errorf("turn %d: lost wake, or %v", turn, err)
							return
						}
						continue
					}
					turn++
					balls[1-me].Store(1)
					if err := pollers[1-me].Wake(); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
	})
}

// TestWakeFromMany has eight goroutines publish work and wake; the loop goes to
// sleep only when it saw none.
func TestWakeFromMany(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		const goroutines, each = 8, 500 / slow
		var work, seen atomic.Int32
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				for i := range each {
					work.Add(1)
					if err := p.Wake(); err != nil {
						t.Error(err)
						return
					}
					if i%16 == 0 { // let the loop go to sleep
						for seen.Load() < work.Load() {
							runtime.Gosched()
						}
					}
				}
			})
		}
		events := make([]poll.Event, 1)
		for seen.Load() < goroutines*each {
			got := work.Load()
			if got != seen.Load() {
				seen.Store(got)
				continue
			}
			start := time.Now()
			if n, err := p.Wait(events, soon); n != 0 || err != nil || time.Since(start) > soon {
				t.Fatalf("%d, %v after %d: lost wake", n, err, got)
			}
		}
		all.Wait()
	})
}

// TestWakeMeetsTimeout races the wake with the end of the timeout and with an
// event. Whatever wins, the next endless Wait ends by a Wake of its own only.
func TestWakeMeetsTimeout(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		start := make(chan bool)
		woken := make(chan struct{})
		go func() {
			for event := range start {
				if event {
					put(t, c.w)
				}
				p.Wake()
				woken <- struct{}{}
			}
			close(woken)
		}()
		for i := range 500 / slow {
			start <- i%2 == 0
			wait(t, p, time.Duration(rand.IntN(20))*time.Microsecond)
			<-woken
			drain(t, c.r)
			must(t, p.Wake())
			wait(t, p, -1) // nothing is left
			before := time.Now()
			wait(t, p, 50*time.Microsecond)
			if took := time.Since(before); took < 50*time.Microsecond {
				t.Fatalf("round %d: an old wake ended a Wait after %v", i, took)
			}
		}
		close(start)
		<-woken
	})
}

// TestStaleKick interrupts a Wait without a reason, before and while it blocks:
// it must go on with the rest of its timeout.
func TestStaleKick(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, c := open(), newPipe(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		kick := p.(interface{ StaleKick() error }).StaleKick
		const timeout = 2 * time.Millisecond
		for i := range 10 {
			must(t, kick())
			timedOut, done := make(chan struct{}), make(chan struct{})
			var ended atomic.Bool
			go func() {
				defer close(done)
				start := time.Now()
				if got := wait(t, p, timeout); len(got) != 0 || time.Since(start) < timeout {
					t.Errorf("round %d: Wait ended after %v with %v", i, time.Since(start), got)
				}
				close(timedOut)
				if got := wait(t, p, -1); len(got) != i%2 || !ended.Load() {
					t.Errorf("round %d: endless Wait ended with %v", i, got)
				}
			}()
			asleep(p)
			must(t, kick())
			must(t, kick())
			<-timedOut
			asleep(p)
			must(t, kick())
			ended.Store(true)
			if i%2 == 0 {
				must(t, p.Wake())
			} else {
				put(t, c.w)
			}
			<-done
			drain(t, c.r)
		}
	})
}

// TestChangeWhileBlocked makes every kind of change under a blocked Wait.
func TestChangeWhileBlocked(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		results := make(chan map[poll.Tag]poll.Event)
		next := make(chan struct{})
		go func() {
			defer close(results)
			for range next {
				got := wait(t, p, soon)
				for len(got) == 1 && got[99].Tag == 99 {
					got = wait(t, p, soon)
				}
				results <- got
			}
		}()
		during := func(what string, tag poll.Tag, mode poll.Mode, change func()) {
			t.Helper()
			next <- struct{}{}
			asleep(p)
			change()
			if got := <-results; len(got) != 1 || got[tag].Ready&mode == 0 {
				t.Errorf("%s: %v", what, got)
			}
		}
		for range max(50/slow, 4) {
			c, d := newSockets(t), newSockets(t)
			put(t, c.w)
			during("Add of a ready descriptor", 1, poll.Read, func() {
				must(t, p.Add(c.r, 1, poll.Read, poll.Level))
			})
			must(t, p.Remove(c.r))
			must(t, p.Add(d.r, 2, poll.Read, poll.Level))
			during("Modify to what is ready", 3, poll.Write, func() {
				must(t, p.Modify(d.r, 3, poll.Write, poll.Level))
			})
			must(t, p.Modify(d.r, 3, poll.Read, poll.Level))
			during("Remove, then an event of another", 3, poll.Read, func() {
				must(t, p.Add(c.w, 4, poll.Read, poll.Level))
				must(t, p.Remove(c.w))
				put(t, c.r)
				put(t, d.w)
			})
			must(t, p.Remove(d.r))

			must(t, p.Add(d.w, 5, poll.Read|poll.Write, poll.Edge))
			wait(t, p, 0)
			drain(t, d.w)
			during("Arm, then the event", 5, poll.Read, func() {
				must(t, p.Arm(d.w, poll.Read))
				put(t, d.r)
			})
			drain(t, d.w)
			during("the event, then Arm", 5, poll.Read, func() {
				put(t, d.r)
				must(t, p.Arm(d.w, poll.Read))
			})
			must(t, p.Remove(d.w))

			if numbersReturn {
				// The number goes to another descriptor under the blocked Wait.
				must(t, p.Add(c.w, 6, poll.Read, poll.Level))
				drain(t, c.w)
				old := c.w
				during("re-used number", 7, poll.Read, func() {
					must(t, p.Remove(c.w))
					c.closeW()
					e := dup(t, d.w)
					if e != old {
						t.Errorf("number %d was not used again but %d", old, e)
					}
					c.w = e
					must(t, p.Add(e, 7, poll.Read, poll.Level))
					put(t, d.r)
				})
				must(t, p.Remove(c.w))
			}
			c.close()
			d.close()
		}
		close(next)
		<-results
	})
}

// TestRemoveReleases: after Remove, a descriptor closed under a blocked Wait is
// really closed; its peer learns of it.
func TestRemoveReleases(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p, q, c := open(), open(), newTCP(t)
		must(t, p.Add(c.r, 1, poll.Read, poll.Level))
		must(t, q.Add(c.w, 2, poll.Read, poll.Level))
		done := make(chan struct{})
		go func() {
			defer close(done)
			wait(t, p, -1)
		}()
		asleep(p)
		must(t, p.Remove(c.r))
		c.closeR()
		waitFor(t, q, 2, poll.Read)
		must(t, p.Wake())
		<-done
	})
}

// TestChangesFromMany adds, arms and removes in four goroutines under a Wait
// that runs all the time; nobody ever gets another's tag, and each gets its own.
func TestChangesFromMany(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		const goroutines, rounds = 4, 100 / slow
		var got [goroutines]chan poll.Tag
		for g := range got {
			got[g] = make(chan poll.Tag, 1)
		}
		var all sync.WaitGroup
		for g := range poll.Tag(goroutines) {
			all.Go(func() {
				for round := range poll.Tag(rounds) {
					tag := round<<8 | g
					r, w, err := pipe()
					if err != nil {
						t.Error(err)
						return
					}
					trigger := poll.Trigger(round % 2)
					err = p.Add(r, tag, poll.Read, trigger)
					if trigger == poll.Edge {
						err = errors.Join(err, p.Arm(r, poll.Read))
					}
					_, werr := write(w, []byte{1})
					if err = errors.Join(err, werr); err != nil {
						t.Error(err)
						return
					}
					for <-got[g] != tag {
						// A level was reported once more before its Remove.
					}
					if err := p.Remove(r); err != nil {
						t.Error(err)
					}
					closeFD(r)
					closeFD(w)
				}
			})
		}
		finished := make(chan struct{})
		go func() {
			all.Wait()
			close(finished)
			p.Wake()
		}()
		events := make([]poll.Event, 3)
		for {
			n, err := p.Wait(events, soon)
			must(t, err)
			for _, ev := range events[:n] {
				select {
				case <-got[ev.Tag&0xff]: // the latest is what counts
				default:
				}
				got[ev.Tag&0xff] <- ev.Tag
			}
			select {
			case <-finished:
				return
			default:
			}
			if n == 0 {
				t.Fatal("lost event: nobody gets on")
			}
		}
	})
}
