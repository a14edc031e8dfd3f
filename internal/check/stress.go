package check

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stress runs participants that make calls whose contexts end at random moments. It is
// meant for the race detector, and for runs outside of bubbles. What it counts on
// holds in every schedule.
type Stress struct {
	Runner Runner
	N      int // participants
	Ops    int // calls of each

	mu   sync.Mutex
	errs []error
}

// chaos ends contexts from other goroutines.
type chaos struct {
	cancels chan func()
	wg      sync.WaitGroup
}

func newChaos() *chaos {
	c := &chaos{cancels: make(chan func(), 16)}
	for i := range 2 {
		c.wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for cancel := range c.cancels {
				for range rnd.IntN(20) {
					runtime.Gosched()
				}
				cancel()
			}
		})
	}
	return c
}

func (c *chaos) end() {
	close(c.cancels)
	c.wg.Wait()
}

// ctx returns a context for one call, which may be the participant's own, and
// what to do when the call is over.
func (c *chaos) ctx(own context.Context, rnd *rand.Rand) (context.Context, func()) {
	switch rnd.IntN(7) {
	case 0:
		return context.Background(), func() {}
	case 1:
		ctx, cancel := context.WithTimeout(own, time.Duration(rnd.IntN(200))*time.Microsecond)
		return ctx, cancel
	case 2, 3:
		ctx, cancel := context.WithCancel(own)
		c.throw(cancel)
		return ctx, cancel
	case 4:
		if ctx := NewCtx(); c.throw(ctx.Cancel) {
			return ctx, func() {}
		}
	}
	return own, func() {}
}

// throw has cancel called soon, or answers false if too many are on their way.
func (c *chaos) throw(cancel func()) bool {
	select {
	case c.cancels <- cancel:
		return true
	default:
		return false
	}
}

func (s *Stress) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, fmt.Errorf(format, args...))
}

func (s *Stress) result() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errs[:min(len(s.errs), 5)]...)
}

// run starts the participants, cancels every fourth of them while they run, and waits for
// all. The bodies go on with contexts of the chaos until their ctx is done.
func (s *Stress) run(c *chaos, body func(ctx context.Context, i int, rnd *rand.Rand)) {
	var cancels []context.CancelFunc
	for i := range s.N {
		cancel := s.Runner.Go(fmt.Sprint("p", i), func(ctx context.Context) {
			body(ctx, i, rand.New(rand.NewPCG(uint64(i), 2)))
		})
		if i%4 == 3 {
			cancels = append(cancels, cancel)
		}
	}
	for _, cancel := range cancels {
		runtime.Gosched()
		cancel()
	}
	s.Runner.Wait()
	c.end()
}

// wrong looks at the error of a call with ctx.
func (s *Stress) wrong(ctx context.Context, err error) {
	if err == nil {
		return
	}
	if is := ctx.Err(); !errors.Is(err, is) || is == nil {
		s.fail("a call returned %v, and its ctx says %v", err, is)
	}
}

// Lock checks that one participant at a time holds a lock, while each takes one, and
// another inside.
func (s *Stress) Lock(outer, inner Locker) error {
	c := newChaos()
	var holders [2]int // written by the holder alone
	enter := func(ctx context.Context, l Locker, i int, rnd *rand.Rand, fn func()) {
		if rnd.IntN(8) == 0 {
			if !l.TryAcquire() {
				return
			}
		} else {
			ctx, done := c.ctx(ctx, rnd)
			defer done()
			if err := l.Acquire(ctx); err != nil {
				s.wrong(ctx, err)
				return
			}
		}
		if holders[i]++; holders[i] != 1 {
			s.fail("%d hold the lock", holders[i])
		}
		fn()
		holders[i]--
		l.Release()
	}
	s.run(c, func(ctx context.Context, _ int, rnd *rand.Rand) {
		for range s.Ops {
			enter(ctx, outer, 0, rnd, func() {
				enter(ctx, inner, 1, rnd, func() {})
			})
		}
	})
	if !outer.TryAcquire() || !inner.TryAcquire() {
		s.fail("a lock is held when all have gone")
	}
	return s.result()
}

// Event checks that every wait ends, by a Fire or by its ctx, and that only a Fire ends
// it well.
func (s *Stress) Event(e Eventer) error {
	c := newChaos()
	var fires atomic.Int64
	s.run(c, func(ctx context.Context, i int, rnd *rand.Rand) {
		for range s.Ops {
			if i%3 == 0 {
				fires.Add(1)
				e.Fire()
				if rnd.IntN(2) == 0 {
					runtime.Gosched()
				}
				e.Clear()
				continue
			}
			func() {
				ctx, done := context.WithTimeout(ctx, time.Millisecond)
				defer done()
				ctx, done = c.ctx(ctx, rnd)
				defer done()
				if ctx.Done() == nil {
					return // nothing would end the wait behind the last Fire
				}
				err := e.Wait(ctx)
				s.wrong(ctx, err)
				if err == nil && fires.Load() == 0 {
					s.fail("a wait ended before the first Fire")
				}
			}()
		}
	})
	return s.result()
}

// Queue checks that every item put is got or left, once, and in the order of its producer.
func (s *Stress) Queue(q Queuer) error {
	c := newChaos()
	var mu sync.Mutex
	var put, got []int
	producers := atomic.Int64{}
	for i := range s.N {
		if i%2 == 0 {
			producers.Add(1)
		}
	}
	const scale = 1 << 20 // an item is its producer and a number that rises
	s.run(c, func(own context.Context, i int, rnd *rand.Rand) {
		var mine []int
		defer func() {
			mu.Lock()
			defer mu.Unlock()
			if i%2 == 0 {
				put = append(put, mine...)
			} else {
				got = append(got, mine...)
			}
		}()
		if i%2 == 0 {
			for n := range s.Ops {
				v := i*scale + n
				ctx, done := c.ctx(own, rnd)
				err := q.Put(ctx, v)
				s.wrong(ctx, err)
				done()
				if err == nil {
					mine = append(mine, v)
				}
			}
			if producers.Add(-1) == 0 {
				q.Shutdown()
			}
			return
		}
		last := make(map[int]int)
		for own.Err() == nil {
			ctx, done := c.ctx(own, rnd)
			v, err := q.Get(ctx)
			if err != nil && ctx.Err() == nil {
				return // shut down
			}
			done()
			if err != nil {
				continue
			}
			if n, ok := last[v/scale]; ok && n >= v%scale {
				s.fail("item %d of producer %d came after %d", v%scale, v/scale, n)
			}
			last[v/scale] = v % scale
			mine = append(mine, v)
		}
	})
	left := q.Clear()
	all := slices.Concat(got, left)
	slices.Sort(all)
	slices.Sort(put)
	if !slices.Equal(all, put) {
		s.fail("put %d items, got %d and %d are left: not the same", len(put), len(got), len(left))
	}
	return s.result()
}
