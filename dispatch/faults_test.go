package dispatch_test

import (
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// TestPostsInOrder: a hundred thousand posts of eight goroutines run, each once, and those of one goroutine in
// its order.
func TestPostsInOrder(t *testing.T) {
	eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
		stop := start(t, d)
		const posters = 8
		each := check.Times(100_000, 1_000_000) / posters / 5 // five ways to sleep
		var next [posters]int                                 // written on the loop
		var wg, ran sync.WaitGroup
		for p := range posters {
			ran.Add(each)
			wg.Go(func() {
				for i := range each {
					must(t, d.Post(func() {
						if next[p] != i {
							t.Errorf("poster %d: %d, want %d", p, i, next[p])
						}
						next[p] = i + 1
						ran.Done()
					}))
				}
			})
		}
		wg.Wait()
		ran.Wait()
		stop()
	})
}

// TestMixedLoad has goroutines post, arm, stop, reset, hold, trigger and ask at random while the loop runs: what was
// not taken back runs, once.
func TestMixedLoad(t *testing.T) {
	eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
		stop := start(t, d)
		var wanted, ran atomic.Int64
		var wg sync.WaitGroup
		fn := func() { ran.Add(1) }
		for g := range 4 {
			wg.Go(func() {
				e := dispatch.NewEvent()
				w := addEvent(t, d, e, func() bool { return false })
				var timers []*dispatch.Timer
				for i := range check.Times(500, 20_000) {
					switch (i*7 + g) % 6 {
					case 0:
						wanted.Add(1)
						must(t, d.Post(fn))
					case 1:
						wanted.Add(1)
						timers = append(timers, d.AfterFunc(time.Duration(i%50)*time.Microsecond, fn))
					case 2:
						wanted.Add(1)
						d.CallIdle(fn)
					case 3:
						if n := len(timers); n > 0 && timers[i%n].Stop() {
							wanted.Add(-1)
						}
					case 4:
						if n := len(timers); n > 0 && !timers[i%n].Reset(time.Duration(i%30)*time.Microsecond) {
							wanted.Add(1)
						}
					case 5:
						release := d.Hold()
						e.Trigger()
						_, _ = d.Pending(), d.Stats()
						release()
					}
				}
				w.Stop()
			})
		}
		wg.Wait()
		stop()
		must(t, drained(d))
		if got, want := ran.Load(), wanted.Load(); got != want {
			t.Errorf("%d have run, want %d", got, want)
		}
	})
}

// TestPollFromTwo: of goroutines that turn a dispatcher at the same time one does, and the others are refused;
// nothing runs twice, and nothing is left.
func TestPollFromTwo(t *testing.T) {
	d := open(t, dispatch.Config{})
	var wg sync.WaitGroup
	var once sync.Once
	refused := make(chan struct{})
	inside, ran := 0, 0
	const posts = 2000
	for range posts {
		d.CallSoon(func() {
			<-refused // in the first one: somebody else has to come
			inside++
			if runtime.Gosched(); inside != 1 { // the race detector sees it as well
				t.Error("two callbacks at the same time")
			}
			inside--
			ran++
		})
	}
	for g := range 4 {
		wg.Go(func() {
			for d.Pending() > 0 {
				var err error
				if g%2 == 0 {
					_, err = d.Poll(0)
				} else {
					err = d.Drain(0)
				}
				switch {
				case errors.Is(err, dispatch.ErrRunning):
					once.Do(func() { close(refused) })
					runtime.Gosched()
				case err != nil && err != dispatch.ErrIdle:
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
	if ran != posts {
		t.Errorf("%d of %d have run", ran, posts)
	}
}

// TestGoexitDuringClose: a callback that ends the goroutine on which Close works leaves the rest of the
// work to the next Close, or to the one that waits already.
func TestGoexitDuringClose(t *testing.T) {
	for _, waits := range []bool{false, true} {
		d, err := dispatch.New(dispatch.Config{})
		must(t, err)
		var r record
		exiting, goOn := make(chan struct{}), make(chan struct{})
		d.CallSoon(r.does("exits", func() {
			close(exiting)
			<-goOn
			runtime.Goexit()
		}))
		d.CallSoon(r.does("behind"))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = d.Close()
		}()
		<-exiting
		closed := make(chan error, 1)
		if waits {
			go func() { closed <- d.Close() }()
		}
		close(goOn)
		<-ended
		if !waits {
			if err := d.Post(func() {}); err != dispatch.ErrClosed {
				t.Errorf("Post = %v", err)
			}
			closed <- d.Close()
		}
		must(t, <-closed)
		r.want(t, "exits", "behind")
		refusesAll(t, d)
	}
}

// TestStopWhileClosing stops watches on one goroutine while Close ends them on another: each ends once.
func TestStopWhileClosing(t *testing.T) {
	for range check.Times(20, 500) {
		d, err := dispatch.New(dispatch.Config{})
		must(t, err)
		watches := make([]*dispatch.Watch, 200)
		for i := range watches {
			watches[i] = addEvent(t, d, dispatch.NewEvent(), func() bool { t.Error("ran"); return true })
		}
		var wg sync.WaitGroup
		wg.Go(func() { must(t, d.Close()) })
		wg.Go(func() {
			for _, w := range watches {
				w.Stop()
			}
		})
		wg.Wait()
		if n := d.Stats().Events; n != 0 || watches[0].Stop() {
			t.Errorf("%d events are registered after Close", n)
		}
	}
}

// TestLaterTimerWakesNobody: a timer behind the one that the loop sleeps for does not end its sleep.
func TestLaterTimerWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, dispatch.Config{})
		stop := start(t, d)
		d.AfterFunc(time.Minute, func() {})
		synctest.Wait()
		before := d.Stats().Wakes
		d.AfterFunc(time.Hour, func() {}).Stop()
		d.AfterFunc(time.Minute+1, func() {}).Stop()
		d.AfterFunc(time.Minute, func() {}).Stop()
		if n := d.Stats().Wakes - before; n != 0 {
			t.Errorf("%d wakes by later timers", n)
		}
		d.AfterFunc(time.Second, func() {}).Stop()
		if n := d.Stats().Wakes - before; n != 1 {
			t.Errorf("%d wakes by an earlier timer", n)
		}
		stop()
	})
}
