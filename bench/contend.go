package main

import (
	"context"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// background is the ctx of those who cannot be canceled.
var background = context.Background()

// cancelable is a ctx that can be canceled, and never is.
var cancelable, _ = context.WithCancel(background)

// timed measures what needs nothing to be made before.
func timed(fn func(n int)) work {
	return func(n int) result {
		start := time.Now()
		fn(n)
		return result{took: time.Since(start)}
	}
}

// inTask measures fn in a task, and as fast as it is with the ctx of that.
func inTask(fn func(ctx context.Context, n int)) work {
	return func(n int) (r result) {
		must(core.Run(background, func(ctx context.Context) error {
			r = timed(func(n int) { fn(ctx, n) })(n)
			return nil
		}))
		return r
	}
}

// must is for what cannot fail: nobody cancels anything here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// contenders is how many there are for one thing.
const contenders = 100

// tally counts who got it how often. All begin at the same time, and stop when n were got together.
type tally struct {
	n       int64
	total   atomic.Int64
	each    [contenders]int
	longest [contenders]int64
	section func()
}

// acquire is one turn of contender i.
func (t *tally) turn(i int, acquire func() error, release func()) (more bool) {
	before := t.total.Load()
	must(acquire())
	now := t.total.Add(1)
	if now > t.n {
		release()
		return false
	}
	t.each[i]++
	t.longest[i] = max(t.longest[i], now-before-1)
	t.section()
	release()
	return true
}

func (t *tally) result(took time.Duration) result {
	s := share{least: t.each[0]}
	for i, n := range t.each {
		s.most, s.least = max(s.most, n), min(s.least, n)
		s.longest = max(s.longest, int(t.longest[i]))
	}
	return result{took, s}
}

// byGoroutines lets goroutines contend. All that there is of it, so many, is held until they wait: else on few
// processors the first one is through before the second has begun. What is made is used for one measurement.
func byGoroutines(section func(), size int, mk func() (acquire func() error, release func())) work {
	return func(n int) result {
		acquire, release := mk()
		for range size {
			must(acquire())
		}
		t := &tally{n: int64(n), section: section}
		var begun atomic.Int64
		var wg sync.WaitGroup
		for i := range contenders {
			wg.Go(func() {
				begun.Add(1)
				for t.turn(i, acquire, release) {
				}
			})
		}
		settle(func() int { return int(begun.Load()) }, contenders)
		time.Sleep(time.Millisecond) // a mutex does not tell who waits for it
		began := time.Now()
		for range size {
			release()
		}
		wg.Wait()
		return t.result(time.Since(began))
	}
}

// byTasks is byGoroutines for the tasks of one dispatcher: each release is a hand-over.
func byTasks(mk func() (acquire func(ctx context.Context) error, release func())) work {
	return func(n int) (r result) {
		acquire, release := mk()
		must(core.Run(background, func(ctx context.Context) error {
			t := &tally{n: int64(n), section: func() {}}
			began := time.Now()
			err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				must(acquire(ctx)) // until all wait
				for i := range contenders {
					g.Go(ctx, func(ctx context.Context) error {
						take := func() error { return acquire(ctx) }
						for t.turn(i, take, release) {
						}
						return nil
					})
				}
				release()
				return nil
			})
			r = t.result(time.Since(began))
			return err
		}))
		return r
	}
}

// switches is what tasks cost at least: n switches to one of so many coroutines, and back.
func switches(of int) work {
	return func(n int) result {
		nexts := make([]func() (int, bool), of)
		for i := range nexts {
			next, stop := iter.Pull(func(yield func(int) bool) {
				for yield(0) {
				}
			})
			defer stop()
			nexts[i] = next
			next()
		}
		return timed(func(n int) {
			for i := 0; i < n; {
				for _, next := range nexts {
					next()
					i++
				}
			}
		})(n)
	}
}

func nothing() {}

// spins is how many turns of a loop take 20 µs, about.
var spins = sync.OnceValue(func() int {
	best := time.Duration(1 << 62)
	const n = 100_000
	for range 20 {
		start := time.Now()
		spin(n)
		best = min(best, time.Since(start))
	}
	return int(n * 20 * time.Microsecond / max(best, 1))
})

var spun atomic.Int64

func spin(n int) {
	x := 1
	for i := range n {
		x ^= x<<3 + i
	}
	spun.Store(int64(x))
}

// work20 is a section that computes for 20 µs.
func work20() { spin(spins()) }

// pingPong lets two goroutines wait for each other in turn.
func pingPong(a, b func(n int)) work {
	return timed(func(n int) {
		var wg sync.WaitGroup
		wg.Go(func() { b(n) })
		a(n)
		wg.Wait()
	})
}

// tasksTogether runs them as tasks of one dispatcher.
func tasksTogether(fns ...func(ctx context.Context, n int)) work {
	return inTask(func(ctx context.Context, n int) {
		must(core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for _, fn := range fns {
				g.Go(ctx, func(ctx context.Context) error { fn(ctx, n); return nil })
			}
			return nil
		}))
	})
}

// settle waits until n callers wait.
func settle(waiting func() int, n int) {
	for waiting() < n {
		runtime.Gosched()
	}
}
