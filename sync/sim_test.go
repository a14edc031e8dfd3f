package xsync_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// line is a queue for permits as it ought to be. It is exact for tasks of one dispatcher, where
// nothing comes between a call and its first wait, nor between giving up and the return.
type line struct {
	free    int
	queue   []claim
	granted map[int]bool // of those who have waited and have not returned
	err     error        // the first thing that went wrong
	waits   int
}

type claim struct{ id, n int }

func newLine(free int) *line { return &line{free: free, granted: map[int]bool{}} }

func (l *line) fail(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format, args...)
	}
}

func (l *line) serve() {
	for len(l.queue) > 0 && l.queue[0].n <= l.free {
		l.free -= l.queue[0].n
		l.granted[l.queue[0].id] = true
		l.queue = l.queue[1:]
	}
}

func (l *line) give(n int) {
	l.free += n
	l.serve()
}

// take makes the call of one who wants n, and compares what comes of it.
func (l *line) take(ctx context.Context, id, n int, call func(ctx context.Context, n int) error) error {
	waits := false
	if ctx.Err() == nil {
		l.queue = append(l.queue, claim{id, n})
		l.serve()
		waits = !l.granted[id]
	}
	if waits {
		l.waits++
	}
	err := call(ctx, n)
	granted := l.granted[id]
	delete(l.granted, id)
	switch {
	case err == nil && !granted:
		l.fail("%d has overtaken somebody", id)
	case err != nil && granted:
		l.fail("%d was granted, and got %v", id, err)
	case err != nil && (err != context.Canceled || ctx.Err() == nil):
		l.fail("a wait ended with %v", err)
	}
	if err != nil {
		l.queue = slices.DeleteFunc(l.queue, func(c claim) bool { return c.id == id })
		l.serve()
	}
	return err
}

// try compares what a call answers that does not wait.
func (l *line) try(n int, call func(n int) bool) bool {
	ok := len(l.queue) == 0 && n <= l.free
	if call(n) != ok {
		l.fail("a call that does not wait answered %t", !ok)
	}
	if ok {
		l.free -= n
	}
	return ok
}

// program is what some tasks do with one of each primitive.
type program struct {
	sem, tokens *line
	s           *xsync.Semaphore
	b           *xsync.TokenBucket // filled by hand
	timed       *xsync.TokenBucket // on the dispatcher's clock
	mu          sync.Mutex
	cond        *xsync.Cond
	signals     *line // notifications as permits that do not stay
	barrier     *xsync.Barrier
	wg          xsync.WaitGroup
	once        xsync.Once[int]
	running     int // initialisers
	tasks       []*core.Task
}

// invariant holds between any two steps.
func (p *program) invariant() error {
	sem, b, o, wg, bar := p.s.Stats(), p.b.Stats(), p.once.Stats(), p.wg.Stats(), p.barrier.Stats()
	switch {
	case p.sem.err != nil:
		return fmt.Errorf("Semaphore: %w", p.sem.err)
	case p.tokens.err != nil:
		return fmt.Errorf("TokenBucket: %w", p.tokens.err)
	case p.signals.err != nil:
		return fmt.Errorf("Cond: %w", p.signals.err)
	case sem.Waiting != len(p.sem.queue) || sem.Size-sem.Held != p.sem.free:
		return fmt.Errorf("Semaphore: %+v, but %d wait and %d are free", sem, len(p.sem.queue), p.sem.free)
	case b.Waiting != len(p.tokens.queue):
		return fmt.Errorf("TokenBucket: %+v, but %d wait", b, len(p.tokens.queue))
	case p.cond.Stats().Waiting != len(p.signals.queue):
		return fmt.Errorf("Cond: %+v, but %d wait", p.cond.Stats(), len(p.signals.queue))
	case o.Waiting > 0 && !o.Running || p.running > 1 || o.Done && p.running > 0:
		return fmt.Errorf("Once: %+v, %d initialisers run", o, p.running)
	case wg.Count == 0 && wg.Waiting > 0:
		return fmt.Errorf("WaitGroup: %+v", wg)
	case bar.Broken && bar.Arrived > 0 || bar.Arrived >= bar.Parties:
		return fmt.Errorf("Barrier: %+v", bar)
	}
	return nil
}

// do makes one operation of task id.
func (p *program) do(ctx context.Context, id int, op string) {
	shielded := core.Shield(ctx)
	switch op {
	case "acquire", "acquire2":
		n := len(op) - len("acquire") + 1
		if p.sem.take(ctx, id, n, p.s.AcquireN) == nil {
			_ = core.Yield(shielded)
			p.sem.give(n)
			p.s.ReleaseN(n)
		}
	case "try":
		if p.sem.try(1, p.s.TryAcquireN) {
			_ = core.Yield(shielded)
			p.sem.give(1)
			p.s.Release()
		}
	case "consume":
		if p.tokens.take(ctx, id, 2, p.b.Consume) == nil {
			_ = core.Yield(shielded)
			p.tokens.give(2)
			p.b.Replenish(2)
		}
	case "timed":
		_ = p.timed.Consume(ctx, 3)
	case "wait":
		p.mu.Lock()
		_ = p.signals.take(ctx, id, 1, func(ctx context.Context, _ int) error { return p.cond.Wait(ctx) })
		p.mu.Unlock()
	case "notify":
		p.signals.give(1)
		p.signals.free = 0
		p.cond.Notify(1)
	case "barrier":
		if _, err := p.barrier.Wait(ctx); err == xsync.ErrBroken {
			p.barrier.Reset()
		}
	case "work":
		p.wg.Add(1)
		_ = core.Yield(shielded)
		p.wg.Done()
	case "workers":
		_ = p.wg.Wait(ctx)
	case "once":
		_, _ = p.once.Do(ctx, func(ctx context.Context) (int, error) {
			p.running++
			defer func() { p.running-- }()
			if id%2 == 0 {
				return 0, errBoom
			}
			return id, core.Yield(ctx)
		})
	}
}

// Small programs under drawn schedules and cancels: nobody is overtaken, no grant is lost, no one
// waits who need not, after any step, and a cancel leaves no trace.
func TestSchedules(t *testing.T) {
	ops := rapid.SampledFrom([]string{
		"acquire", "acquire2", "try", "acquire", "acquire2", "consume", "consume", "timed", "wait", "notify", "barrier", "work", "workers", "once",
	})
	pairs := func(t *rapid.T, name string, a, b int) [][2]int {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, a).Draw(t, "step"), rapid.IntRange(0, b).Draw(t, "pick")}
		}), 0, 5).Draw(t, name)
	}
	rapid.Check(t, func(t *rapid.T) {
		bodies := rapid.SliceOfN(rapid.SliceOfN(ops, 1, 5), 3, 6).Draw(t, "tasks")
		deviations, cancels := map[int]int{}, map[int]int{}
		for _, d := range pairs(t, "deviations", 60, 4) {
			deviations[d[0]] = d[1]
		}
		for _, c := range pairs(t, "cancels", 40, 5) {
			cancels[c[0]] = 1 + c[1]
		}
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		p := &program{
			sem: newLine(2), s: xsync.NewSemaphore(2), tokens: newLine(3), b: xsync.NewTokenBucket(3, 0, xsync.Continuous),
			signals: newLine(0), barrier: xsync.NewBarrier(2),
		}
		p.cond = xsync.NewCond(&p.mu)
		var now int64
		var violated error
		steps, stuck := 0, 0
		seam.Of(d).Simulate(&seam.Sim{
			Choose: func(ready []seam.Runnable) int { return deviations[steps] % len(ready) },
			Step: func() bool {
				steps++
				if c := cancels[steps]; c > 0 && len(p.tasks) > 0 {
					p.tasks[c%len(p.tasks)].Cancel()
				}
				if violated == nil {
					violated = p.invariant()
				}
				return true
			},
			Now: func() int64 { return now },
			Sleep: func(next int64, armed bool) bool {
				if armed {
					now = max(now, next)
					return true
				}
				// Nothing can happen: tasks that wait for each other, which a cancel ends.
				for _, task := range p.tasks {
					task.Cancel()
				}
				stuck++
				return stuck == 1
			},
		})
		p.timed = xsync.NewTokenBucketOn(d, 4, time.Second, xsync.Continuous)
		if err := core.RunOn(t.Context(), d, func(ctx context.Context) error {
			for i, body := range bodies {
				p.tasks = append(p.tasks, core.Start(ctx, func(ctx context.Context) error {
					for _, op := range body {
						p.do(ctx, i+1, op)
					}
					return nil
				}))
			}
			for _, task := range p.tasks {
				_ = task.Wait(ctx)
			}
			return nil
		}); err != nil {
			t.Fatalf("RunOn: %v", err)
		}
		if err := errors.Join(violated, p.invariant(), d.Close()); err != nil {
			t.Fatal(err)
		}
		if n := park.Entries(); n != 0 {
			t.Fatalf("%d coroutines are left", n)
		}
		if p.sem.free != 2 || p.tokens.free != 3 || p.wg.Stats() != (xsync.WaitGroupStats{}) || p.timed.Stats().Waiting != 0 {
			t.Fatalf("at the end: %+v, %+v, %+v, %+v", p.s.Stats(), p.b.Stats(), p.wg.Stats(), p.timed.Stats())
		}
	})
}

// Of a hundred contenders with cancels at any moment nobody is ever overtaken.
func TestNobodyIsOvertaken(t *testing.T) {
	s, b := xsync.NewSemaphore(4), xsync.NewTokenBucket(4, 0, xsync.Discrete)
	for name, impl := range map[string]struct {
		call func(ctx context.Context, n int) error
		give func(n int)
	}{
		"Semaphore":   {s.AcquireN, s.ReleaseN},
		"TokenBucket": {b.Consume, b.Replenish},
	} {
		t.Run(name, func(t *testing.T) {
			const contenders = 100
			l := newLine(4)
			var cancels [contenders]context.CancelFunc
			canceled := 0
			if err := core.Run(t.Context(), func(ctx context.Context) error {
				var all []*core.Task
				for i := range contenders {
					all = append(all, core.Start(ctx, func(ctx context.Context) error {
						for j := range check.Many(200, 10_000) {
							var own context.Context
							own, cancels[i] = core.WithCancel(ctx)
							if n := 1 + (i+j)%4; l.take(own, i, n, impl.call) == nil {
								if cancel := cancels[(i*7+j*13)%contenders]; cancel != nil {
									cancel()
								}
								_ = core.Yield(ctx)
								l.give(n)
								impl.give(n)
							} else {
								canceled++
							}
							cancels[i]()
						}
						return l.err
					}))
				}
				return core.AllFinished(ctx, all...)
			}); err != nil {
				t.Fatal(err)
			}
			if l.err != nil || l.free != 4 || len(l.queue) != 0 {
				t.Errorf("%v; %d are free, %d wait", l.err, l.free, len(l.queue))
			}
			if l.waits == 0 || canceled == 0 {
				t.Errorf("%d waits, %d canceled: the test is too weak", l.waits, canceled)
			}
		})
	}
}
