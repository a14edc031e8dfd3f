package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// permits is the least that one can wait for.
type permits struct {
	mu    sync.Mutex
	n     int
	queue xsync.WaitQueue[int]
}

func (p *permits) take(want *int) (bool, error) {
	if *want > p.n {
		return false, nil
	}
	p.n -= *want
	return true, nil
}

func (p *permits) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n += n
	p.queue.Settle(p.take)
}

func (p *permits) acquire(ctx context.Context, n int) error {
	_, err := p.queue.Wait(ctx, &p.mu, n, p.take)
	return err
}

func (p *permits) one() xsync.Case { return p.queue.Case(&p.mu, 1, p.take, nil) }

// state returns what is free, and how many wait.
func (p *permits) state() (n, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.n, p.queue.Len()
}

func (p *permits) want(t *testing.T, n, waiting int) {
	t.Helper()
	if free, waits := p.state(); free != n || waits != waiting {
		t.Errorf("%d are free and %d wait, want %d and %d", free, waits, n, waiting)
	}
}

// selected is what a Select returns.
type selected struct {
	n   int
	err error
}

// both runs a test with Selects on goroutines and in tasks, in a bubble.
func both(t *testing.T, test func(t *testing.T, start func(ctx context.Context, cases ...xsync.Case) <-chan selected)) {
	t.Run("goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(ctx context.Context, cases ...xsync.Case) <-chan selected {
				out := make(chan selected, 1)
				go func() {
					n, err := xsync.Select(ctx, cases...)
					out <- selected{n, err}
				}()
				synctest.Wait()
				return out
			})
		})
	})
	t.Run("task", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			test(t, func(ctx context.Context, cases ...xsync.Case) <-chan selected {
				out := make(chan selected, 1)
				go func() {
					_ = core.Run(context.Background(), func(context.Context) error {
						n, err := xsync.Select(ctx, cases...)
						out <- selected{n, err}
						return nil
					})
				}()
				synctest.Wait()
				return out
			})
		})
	})
}

// pass lets virtual time pass.
func pass(t *testing.T, d time.Duration) {
	t.Helper()
	if err := core.Sleep(t.Context(), d); err != nil {
		t.Error(err)
	}
}

// got asserts that a Select has ended so.
func got(t *testing.T, out <-chan selected, n int, err error) {
	t.Helper()
	synctest.Wait()
	select {
	case s := <-out:
		if s.n != n || s.err != err {
			t.Errorf("Select = %d, %v, want %d, %v", s.n, s.err, n, err)
		}
	default:
		t.Errorf("Select waits, want %d, %v", n, err)
	}
}

// waiting asserts that a Select has not ended.
func waiting(t *testing.T, out <-chan selected) {
	t.Helper()
	synctest.Wait()
	select {
	case s := <-out:
		t.Errorf("Select = %d, %v, want it to wait", s.n, s.err)
	default:
	}
}

func TestSelect(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var a, b, c permits
		b.n, c.n = 1, 1
		got(t, start(t.Context(), a.one(), b.one(), c.one()), 1, nil) // the first that is ready
		b.want(t, 0, 0)
		c.want(t, 1, 0)

		c.n = 0
		out := start(t.Context(), a.one(), b.one(), c.one())
		waiting(t, out)
		c.add(1)
		a.add(1)
		got(t, out, 2, nil) // the first that is granted, and nothing else
		a.want(t, 1, 0)
		b.want(t, 0, 0)
		c.want(t, 0, 0)

		done, cancel := context.WithCancel(t.Context())
		cancel()
		got(t, start(done, a.one()), -1, context.Canceled) // a done ctx takes nothing
		a.want(t, 1, 0)
		a.n = 0

		ctx, cancel := context.WithCancel(t.Context())
		out = start(ctx, a.one(), b.one())
		a.want(t, 0, 1)
		b.want(t, 0, 1)
		cancel()
		got(t, out, -1, context.Canceled)
		a.want(t, 0, 0)
		b.want(t, 0, 0)

		// A grant that comes first stays.
		ctx, cancel = context.WithCancel(t.Context())
		out = start(ctx, a.one(), b.one())
		b.mu.Lock()
		b.n++
		b.queue.Settle(b.take)
		cancel()
		b.mu.Unlock()
		got(t, out, 1, nil)
		a.want(t, 0, 0)
		b.want(t, 0, 0)
	})
}

// A Select that stands in front of a queue and leaves lets those behind it go.
func TestSelectLeavesTheHead(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var a, b permits
		two := a.queue.Case(&a.mu, 2, a.take, nil)
		first := start(t.Context(), two, b.one())
		second := start(t.Context(), a.one())
		a.add(1)
		waiting(t, second) // behind one that wants two
		third := start(t.Context(), b.one(), a.one())
		waiting(t, third) // and so is a newcomer, though one is free
		b.add(1)
		got(t, first, 1, nil)
		got(t, second, 0, nil)
		a.add(1)
		got(t, third, 1, nil)
		a.want(t, 0, 0)
		b.want(t, 0, 0)
	})
}

// Those who wait for one thing and those who select it stand in one line.
func TestSelectOrder(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var a, b permits
		var order []int
		for i := range 6 {
			go func() {
				if i%2 == 0 {
					if _, err := xsync.Select(t.Context(), b.one(), a.one()); err != nil {
						t.Error(err)
					}
				} else if err := a.acquire(t.Context(), 1); err != nil {
					t.Error(err)
				}
				order = append(order, i) // one at a time, as below
			}()
			synctest.Wait()
		}
		for range 6 {
			a.add(1)
			synctest.Wait()
		}
		if fmt.Sprint(order) != "[0 1 2 3 4 5]" {
			t.Errorf("granted in the order %v", order)
		}
		waits := start(t.Context(), a.one())
		a.add(1)
		got(t, waits, 0, nil)
	})
}

// The same thing may be selected twice, and grants by the owner count as those of a take function.
func TestSelectGrants(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var mu sync.Mutex
		var q xsync.WaitQueue[string]
		never := func(*string) (bool, error) { return false, nil }
		var took string
		c := func() xsync.Case {
			return q.Case(&mu, "brought", never, func(v string, err error) { took = fmt.Sprint(v, err) })
		}
		locked := func(fn func()) {
			mu.Lock()
			defer mu.Unlock()
			fn()
		}
		out := start(t.Context(), c(), c())
		locked(func() {
			if n := q.GrantN(-1); n != 1 {
				t.Errorf("GrantN = %d for one Select", n)
			}
		})
		got(t, out, 0, nil)
		if took != "brought<nil>" {
			t.Errorf("took %q", took)
		}
		out = start(t.Context(), c(), c())
		locked(func() {
			if !q.Hand("given") || q.Hand("more") || q.Grant() {
				t.Error("one Select is granted once")
			}
		})
		got(t, out, 0, nil)
		if took != "given<nil>" {
			t.Errorf("took %q", took)
		}
		over := errors.New("over")
		out = start(t.Context(), c())
		locked(func() { q.Fail(1, over) })
		got(t, out, 0, over)
		if took != "broughtover" || q.Len() != 0 {
			t.Errorf("took %q, %d wait", took, q.Len())
		}
	})
}

func TestSelectAfter(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var a permits
		began := time.Now()
		after := xsync.After(time.Minute)
		for range 2 { // a Case can be used again
			out := start(t.Context(), a.one(), after)
			waiting(t, out)
			pass(t, time.Minute-1)
			waiting(t, out)
			pass(t, 1)
			got(t, out, 1, nil)
		}
		if d := time.Since(began); d != 2*time.Minute {
			t.Errorf("took %v", d)
		}
		out := start(t.Context(), a.one(), after)
		a.add(1)
		got(t, out, 0, nil)
		got(t, start(t.Context(), a.one(), xsync.After(0)), 1, nil)
		pass(t, time.Hour) // the timers of the past mean nothing
		a.want(t, 0, 0)
	})
}

// A panic in a take function leaves nothing behind.
func TestSelectPanic(t *testing.T) {
	var a, b permits
	boom := true
	c := b.queue.Case(&b.mu, 1, func(want *int) (bool, error) {
		if boom {
			boom = false
			return false, nil // that was the first look
		}
		panic("boom")
	}, nil)
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("no panic")
			}
		}()
		_, _ = xsync.Select(t.Context(), a.one(), c)
	}()
	a.want(t, 0, 0)
	b.want(t, 0, 0)
	if n, err := xsync.Select(t.Context(), a.one(), xsync.After(0)); n != 1 || err != nil {
		t.Errorf("Select = %d, %v", n, err)
	}
}

// A take function that panics where the owner settles leaves the Select as it was.
func TestSelectPanicElsewhere(t *testing.T) {
	both(t, func(t *testing.T, start func(context.Context, ...xsync.Case) <-chan selected) {
		var a, b permits
		boom := false
		out := start(t.Context(), b.queue.Case(&b.mu, 1, func(want *int) (bool, error) {
			if boom {
				panic("boom")
			}
			return b.take(want)
		}, nil), a.one())
		boom = true
		func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			defer func() {
				if recover() != "boom" {
					t.Error("no panic")
				}
			}()
			b.n++
			b.queue.Settle(func(*int) (bool, error) { panic("boom") })
		}()
		waiting(t, out)
		boom = false
		a.add(1)
		got(t, out, 1, nil)
		b.want(t, 1, 0)
	})
}

func TestSelectMisuse(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Select of a zero Case does not panic")
		}
	}()
	_, _ = xsync.Select(t.Context(), xsync.Case{})
}

// Selects under drawn schedules and cancels: exactly one effect, none for one that was canceled,
// nobody waits for what is free, and nothing is left.
func TestSelectSchedules(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		all := make([]*permits, p.IntRange(1, 3, "things"))
		total := 0
		for i := range all {
			all[i] = &permits{n: p.IntRange(0, 2, "free")}
			total += all[i].n
		}
		if total == 0 {
			all[0].n, total = 1, 1
		}
		held := 0
		for i := range p.IntRange(2, 4, "tasks") {
			plain := p.Bool("plain")
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				for range 2 {
					var from *permits
					if k := i % len(all); plain && all[k].n > 0 {
						from = all[k]
						if err := from.acquire(ctx, 1); err != nil {
							return err
						}
					} else {
						var cases []xsync.Case
						for _, a := range all {
							cases = append(cases, a.one())
						}
						n, err := xsync.Select(ctx, cases...)
						if err != nil {
							return err
						}
						from = all[n]
					}
					held++
					err := core.Yield(ctx)
					held--
					from.add(1)
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
		p.Always("what is not held is free", func() bool {
			free := 0
			for _, a := range all {
				free += a.n
			}
			return free+held <= total
		})
		p.Always("nobody waits for what is free", func() bool {
			for _, a := range all {
				if n, waits := a.state(); n > 0 && waits > 0 {
					return false
				}
			}
			return true
		})
		p.Finally("all is free, and nobody waits", func() bool {
			free := 0
			for _, a := range all {
				n, waits := a.state()
				free += n
				if waits > 0 {
					return false
				}
			}
			return free == total
		})
	}, proptest.Cancels(3))
}

// Goroutines and tasks of several dispatchers select the same things, with cancels.
func TestSelectStress(t *testing.T) {
	var a, b, c permits
	a.n, b.n, c.n = 1, 1, 1
	all := []*permits{&a, &b, &c}
	work := func(ctx context.Context) error {
		r := rand.New(rand.NewPCG(1, 2))
		for range 300 {
			k := r.IntN(3)
			ctx, cancel := context.WithCancel(ctx)
			if r.IntN(3) == 0 {
				go cancel()
			}
			n, err := xsync.Select(ctx, all[k].one(), all[(k+1)%3].one())
			cancel()
			if err != nil {
				continue
			}
			from := all[(k+n)%3]
			if r.IntN(2) == 0 {
				_ = core.Yield(context.Background())
			}
			from.add(1)
		}
		return nil
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { _ = work(context.Background()) })
	}
	for range 2 {
		wg.Go(func() {
			err := core.Run(context.Background(), func(ctx context.Context) error {
				var tasks []*core.Task
				for range 3 {
					tasks = append(tasks, core.Start(ctx, work))
				}
				return core.AllFinished(ctx, tasks...)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, p := range all {
		p.want(t, 1, 0)
	}
}
