package dispatch_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// start runs d on a goroutine. Stop ends that, and looks at the outcome.
func start(tb testing.TB, d *dispatch.Dispatcher) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	return func() {
		tb.Helper()
		cancel()
		if err := <-done; err != context.Canceled {
			tb.Errorf("Run = %v", err)
		}
	}
}

// eachSleep runs f for a loop that sleeps on its channel, and for each poller.
func eachSleep(t *testing.T, f func(t *testing.T, d *dispatch.Dispatcher)) {
	t.Run("channel", func(t *testing.T) { f(t, open(t, dispatch.Config{})) })
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		watchNothing(t, d)
		f(t, d)
	})
}

// TestPingPong posts to a loop that has nothing to do, again and again. A wake that is
// lost hangs the test.
func TestPingPong(t *testing.T) {
	eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
		stop := start(t, d)
		ran := make(chan int)
		for i := range check.Times(3000, 100_000) {
			must(t, d.Post(func() { ran <- i }))
			if got := <-ran; got != i {
				t.Fatalf("%d, want %d", got, i)
			}
		}
		stop()
	})
}

// TestManyPosters: everything that is posted runs, once, and in the order of its poster.
func TestManyPosters(t *testing.T) {
	eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
		stop := start(t, d)
		const posters = 8
		each := check.Times(2000, 50_000)
		var last [posters]int // written on the loop
		var wg sync.WaitGroup
		for p := range posters {
			wg.Go(func() {
				for i := range each {
					done := make(chan struct{}, 1)
					if err := d.Post(func() {
						if last[p] != i {
							t.Errorf("poster %d: %d after %d", p, i, last[p])
						}
						last[p] = i + 1
						done <- struct{}{}
					}); err != nil {
						t.Error(err)
					}
					if i%(p+1) == 0 { // some let the loop fall asleep
						<-done
					}
				}
			})
		}
		wg.Wait()
		stop()
		for d.Pending() > 0 {
			if n, err := d.Poll(0); n == 0 || err != nil {
				break
			}
		}
		for p, n := range last {
			if n != each {
				t.Errorf("%d of poster %d have run, want %d", n, p, each)
			}
		}
	})
}

// countWakes counts what reaches the poller, and keeps a Wait from returning until it is let
// go of.
type countWakes struct {
	poll.Poller
	wakes atomic.Int64
	hold  chan struct{}
}

func (c *countWakes) Wait(events []poll.Event, timeout time.Duration) (int, error) {
	n, err := c.Poller.Wait(events, timeout)
	if timeout != 0 {
		<-c.hold
	}
	return n, err
}

func (c *countWakes) Wake() error {
	c.wakes.Add(1)
	return c.Poller.Wake()
}

// TestOneWakePerSleep: many posts that end one sleep cost one wake; posts to a loop that
// is awake cost none.
func TestOneWakePerSleep(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		watchNothing(t, d)
		c := &countWakes{hold: make(chan struct{})}
		d.WrapPoller(func(p poll.Poller) poll.Poller { c.Poller = p; return c })
		stop := start(t, d)
		asleep(d)
		burst := func() {
			for range 100 {
				must(t, d.Post(func() {}))
				d.CallIdle(func() {})
				d.AfterFunc(time.Hour, func() {}).Stop()
				d.Hold()()
			}
		}
		held, letGo := make(chan struct{}), make(chan struct{})
		must(t, d.Post(func() { close(held); <-letGo }))
		burst() // while it wakes up
		close(c.hold)
		<-held
		burst() // while it is awake
		if n := c.wakes.Load(); n != 1 {
			t.Errorf("%d wakes for one sleep, want 1", n)
		}
		close(letGo)
		stop()
	})
}

func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		began := time.Now()
		var at []time.Duration
		d.AfterFunc(time.Hour, func() { at = append(at, time.Since(began)) })
		stop := start(t, d)
		synctest.Wait() // returns: Run is parked durably
		if len(at) != 0 || !d.Asleep() {
			t.Error("the loop does not sleep")
		}
		var wg sync.WaitGroup
		var sum int // written on the loop
		for i := range 10 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Minute)
				must(t, d.Post(func() { sum++ }))
			})
		}
		wg.Wait()
		synctest.Wait()
		if sum != 10 {
			t.Errorf("%d posts have run", sum)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(at) != 1 || at[0] != time.Hour {
			t.Errorf("the timer ran at %v, want 1h", at)
		}
		stop()
	})
}

// TestBubbleBurst: a loop that many wake in the same moment takes one token off its
// channel for each sleep. A second one would block the sender for good.
func TestBubbleBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		stop := start(t, d)
		n := 0
		for range 100 {
			synctest.Wait()
			release := d.Hold()
			for range 10 {
				must(t, d.Post(func() { n++ }))
				d.AfterFunc(1, func() { n++ })
			}
			release()
			time.Sleep(time.Nanosecond) // the timers and this goroutine at once
		}
		synctest.Wait()
		if n != 2000 {
			t.Errorf("%d have run", n)
		}
		stop()
	})
}

// TestOutsideAndInside: a dispatcher without descriptors sleeps on what it makes for
// each call, so that one bubble does not meet the channel of another.
func TestOutsideAndInside(t *testing.T) {
	d := open(t, dispatch.Config{})
	wait := func() {
		d.AfterFunc(time.Millisecond, func() {})
		for d.Pending() > 0 {
			_, err := d.Poll(-1)
			must(t, err)
		}
	}
	wait()
	for range 2 {
		synctest.Test(t, func(*testing.T) {
			go d.CallSoon(func() {})
			d.Hold()() // nothing is left behind
			synctest.Wait()
			if n := turn(t, d); n != 1 {
				t.Errorf("ran %d", n)
			}
			release := d.Hold()
			began := time.Now()
			if n, err := d.Poll(time.Hour); n != 0 || err != nil || time.Since(began) != time.Hour {
				t.Errorf("Poll = %d, %v after %v", n, err, time.Since(began))
			}
			release()
		})
	}
	wait()
}
