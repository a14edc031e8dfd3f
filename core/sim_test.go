package core_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
)

// sim runs tasks in virtual time and in a drawn order: that of the FIFO, but for some
// drawn deviations.
type sim struct {
	d        *dispatch.Dispatcher
	now      int64
	steps    int
	devs     map[int]int    // at which step which one is run instead of the first
	at       map[int]func() // what happens behind which step
	check    func() error   // an invariant, asked after each step
	stuck    func() bool    // nothing can happen: makes something happen, or answers false
	err      error          // the first violation
	maxSteps int
}

// newSim returns a simulation with deviations drawn from t.
func newSim(t *rapid.T) *sim {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{d: d, devs: map[int]int{}, at: map[int]func(){}, check: func() error { return nil }, maxSteps: 5000}
	for _, dev := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
		return [2]int{rapid.IntRange(0, 60).Draw(t, "step"), rapid.IntRange(1, 4).Draw(t, "pick")}
	}), 0, 6).Draw(t, "deviations") {
		s.devs[dev[0]] = dev[1]
	}
	seam.Of(d).Simulate(&seam.Sim{
		Choose: func(ready []seam.Runnable) int { return s.devs[s.steps] % len(ready) },
		Step: func() bool {
			s.steps++
			if fn := s.at[s.steps]; fn != nil {
				fn()
			}
			if s.err == nil {
				s.err = s.check()
			}
			return true
		},
		Now: func() int64 { return s.now },
		Sleep: func(next int64, armed bool) bool {
			if s.steps > s.maxSteps {
				return false
			}
			if armed {
				s.now = max(s.now, next)
				return true
			}
			return s.stuck != nil && s.stuck()
		},
	})
	return s
}

// run runs main and asserts that it ends, with no violation on the way and nothing left.
func (s *sim) run(t *rapid.T, main func(ctx context.Context) error) {
	t.Helper()
	if err := core.RunOn(context.Background(), s.d, main); err != nil {
		t.Fatalf("RunOn: %v", err)
	}
	if s.err != nil {
		t.Fatalf("violated: %v", s.err)
	}
	if n := s.d.Pending(); n != 0 {
		t.Fatalf("%d pending", n)
	}
	if err := s.d.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if n := park.Entries(); n != 0 {
		t.Fatalf("%d coroutines are left", n)
	}
}

// program is a few tasks that share a lock, a queue, an event and a future.
type program struct {
	l       lock.AsyncLock
	q       *queue.AsyncQueue[int]
	e       event.AsyncEvent
	f       *core.Future[int]
	holder  int   // of the lock; 0: nobody
	line    []int // who waits for the lock, as far as they know
	granted map[int]bool
	puts    map[int]bool // items
	gets    []int
	tasks   []*core.Task
	id      int
	err     error // the first thing that went wrong in a task
}

func (p *program) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// invariant holds between any two steps.
func (p *program) invariant() error {
	l, q := p.l.Stats(), p.q.Stats()
	switch {
	case p.err != nil:
		return p.err
	case !l.Locked && l.Waiting > 0:
		return errors.New("a free lock has waiters")
	case l.Waiting != len(p.line):
		return errors.New("the lock has another number of waiters than the model")
	case q.Len > 0 && q.Getters > 0:
		return errors.New("a getter waits while there are items")
	case q.Len < 2 && q.Putters > 0:
		return errors.New("a putter waits while there is room")
	case p.e.IsSet() && p.e.Stats().Waiting > 0:
		return errors.New("somebody waits for an event that is set")
	case p.f.Finished() && core.Waiters(p.f) > 0:
		return errors.New("somebody awaits a future that is finished")
	}
	return nil
}

// failed looks at the error of a wait.
func (p *program) failed(ctx context.Context, err error) bool {
	if err != nil && (err != context.Canceled || ctx.Err() == nil) {
		p.fail("a wait ended with another error than that of its ctx")
	}
	return err != nil
}

func (p *program) acquire(ctx context.Context, id int) bool {
	waits := p.l.Locked() && ctx.Err() == nil
	if waits {
		p.line = append(p.line, id)
	}
	err := p.l.Acquire(ctx)
	if waits && p.granted[id] == (err != nil) {
		p.fail("the lock was not granted in order of arrival, or a grant was lost")
	}
	if p.failed(ctx, err) {
		for i, who := range p.line {
			if who == id {
				p.line = append(p.line[:i:i], p.line[i+1:]...)
			}
		}
		return false
	}
	delete(p.granted, id)
	if p.holder != 0 {
		p.fail("two tasks hold the lock")
	}
	p.holder = id
	return true
}

func (p *program) release() {
	p.holder = 0
	p.l.Release()
	if len(p.line) > 0 {
		p.granted[p.line[0]] = true
		p.line = p.line[1:]
	}
}

// do makes one operation of task id.
func (p *program) do(ctx context.Context, id int, op string) error {
	switch op {
	case "lock":
		if !p.acquire(ctx, id) {
			return ctx.Err()
		}
		defer p.release()
		return core.Yield(ctx)
	case "put":
		p.id++
		v := p.id
		if !p.failed(ctx, p.q.Put(ctx, v)) {
			p.puts[v] = true
		}
	case "get":
		v, err := p.q.Get(ctx)
		if !p.failed(ctx, err) {
			p.gets = append(p.gets, v)
		}
	case "wait":
		p.failed(ctx, p.e.Wait(ctx))
	case "fire":
		p.e.Fire()
	case "clear":
		p.e.Clear()
	case "await":
		_, err := p.f.Await(ctx)
		p.failed(ctx, err)
	case "complete":
		p.f.TryComplete(id)
	case "yield":
		p.failed(ctx, core.Yield(ctx))
	case "sleep":
		p.failed(ctx, core.Sleep(ctx, 3))
	case "shield":
		if err := core.Sleep(core.Shield(ctx), 2); err != nil {
			p.fail("a shielded Sleep was canceled")
		}
	}
	return ctx.Err()
}

// Small programs under drawn schedules and cancels: nobody is overtaken, no wakeup and no item
// is lost, no one waits who need not, and a cancel leaves no trace.
func TestSchedules(t *testing.T) {
	ops := rapid.SampledFrom([]string{
		"lock", "lock", "lock", "put", "get", "put", "get", "wait", "fire", "clear", "await", "complete", "yield", "sleep", "shield",
	})
	rapid.Check(t, func(t *rapid.T) {
		bodies := rapid.SliceOfN(rapid.SliceOfN(ops, 1, 4), 3, 5).Draw(t, "tasks")
		cancels := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 30).Draw(t, "step"), rapid.IntRange(0, 4).Draw(t, "victim")}
		}), 0, 3).Draw(t, "cancels")
		s := newSim(t)
		p := &program{q: queue.New[int](2), f: core.NewFuture[int](), granted: map[int]bool{}, puts: map[int]bool{}}
		s.check = p.invariant
		for _, c := range cancels {
			s.at[c[0]] = func() {
				if len(p.tasks) > 0 {
					p.tasks[c[1]%len(p.tasks)].Cancel()
				}
			}
		}
		deadlocks := 0
		s.stuck = func() bool { // tasks that wait for each other: it is theirs, and a cancel ends it
			deadlocks++
			for _, task := range p.tasks {
				task.Cancel()
			}
			return deadlocks == 1
		}
		s.run(t, func(ctx context.Context) error {
			for i, body := range bodies {
				p.tasks = append(p.tasks, core.Start(ctx, func(ctx context.Context) error {
					for _, op := range body {
						if err := p.do(ctx, i+1, op); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			for _, task := range p.tasks {
				_ = task.Wait(ctx)
			}
			return nil
		})
		for _, v := range append(p.gets, p.q.Clear()...) {
			if !p.puts[v] {
				t.Fatal("an item was got twice, or was never put")
			}
			delete(p.puts, v)
		}
		if len(p.puts) != 0 {
			t.Fatal("an item is lost")
		}
		if l := p.l.Stats(); l.Locked || l.Waiting != 0 {
			t.Fatal("the lock is not free at the end")
		}
	})
}

// A task that never rests does not keep a simulated run from its end.
func TestSimulationEndsWithMain(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	seam.Of(d).Simulate(&seam.Sim{
		Choose: func([]seam.Runnable) int { return 0 },
		Step: func() bool {
			if steps++; steps > 10_000 {
				panic("the run does not end")
			}
			return true
		},
	})
	var task *core.Task
	if p := panics(func() {
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			task = core.Start(ctx, func(ctx context.Context) error {
				for core.Yield(ctx) == nil {
				}
				return ctx.Err()
			})
			return core.Yield(ctx)
		}), nil)
	}); p != nil {
		t.Fatal(p)
	}
	canceledBy(t, "the task", task, core.ErrMainReturned)
	wantErr(t, "Close", d.Close(), nil)
	nothingLeft(t)
}
