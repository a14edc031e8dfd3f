// Package park knows who waits and how they are woken.
//
// A call that has to wait does so in one of two ways, and the goroutine it runs
// on alone decides which. On an ordinary goroutine it blocks that goroutine. On
// a coroutine that runs a task it suspends the task, and the dispatcher that
// drives the coroutine goes on with others. The package keeps the process-wide
// table of coroutines that tells the two apart, the seam [Host] through which
// a task is suspended and woken, and [Queue], the one queue of waiters under
// every primitive of this module.
//
// Two rules hold everywhere:
//
//   - The mutex of the primitive is the only arbiter. A grant removes the waiter
//     from its queue while the mutex is held; a wake is only a hint to take the
//     mutex and look. A wake that comes late, twice or for nothing is harmless. Only a
//     goroutine that is told of its grant with the wake goes on without the mutex.
//   - Lock order: mutex of the primitive, then the lock of a cancellation tree,
//     then the lock of a dispatcher, then a shard of the table or the book of who
//     holds what. None of them is held while user code runs.
package park

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// Host suspends and wakes one task. Package core implements it; the calls but
// Wake are made by the task itself, on its coroutine.
type Host interface {
	// Arm makes a cancel of ctx wake the task until Disarm. A task has one
	// armed ctx at most.
	Arm(ctx context.Context)
	Disarm()
	// Suspend gives the coroutine back to its dispatcher until Wake. A Wake
	// since the last Suspend makes it return at once. It returns for nothing,
	// too: the caller looks at its state and suspends again. The reason says
	// what is waited for, and is seen by simulation only.
	Suspend(reason any)
	// Wake may be called from any goroutine, with the locks of a primitive held.
	Wake()
	// Err is not nil once waits of this task can no longer be served, because its
	// dispatcher has closed.
	Err() error
	// Failed counts a wait that has failed. A task that does nothing but try such waits
	// gives the others their turn in it now and then; it does not return in one that
	// tries on and on after its dispatcher has closed. No lock is held.
	Failed()
	// Simulated reports whether the loop of the task is a simulation, whose Suspend may panic.
	Simulated() bool
	// Quiet reports that there is nothing to ask before a wait: Context has not ended and runs no code of
	// others to know that, and Err is nil.
	Quiet() bool
	// Context is the task's own ctx, for calls that were given none. Its end wakes the task
	// without Arm.
	Context() context.Context
}

// G is what the table knows of one goroutine that is not an ordinary one: a
// coroutine, or the goroutine inside Poll, Drain or Run of a dispatcher.
type G struct {
	// Host is the task that runs now; nil on the goroutine of a loop. Only the
	// goroutine itself reads and writes it.
	Host Host
	// Loop is the dispatcher this goroutine runs, or that drives this coroutine.
	Loop any

	// Witness hears of what is taken and given back by the goroutine, see [Took]. It may be nil.
	Witness func(task context.Context, obj any, n int64)
	// Real hears of waits for the clock of package time, see [Real]. It may be nil.
	Real func()

	id atomic.Uintptr // 0: not in the table
}

// Is reports whether the calling goroutine is g, which costs far less than Current. Anybody may ask, also
// after Leave.
func (g *G) Is() bool { return g.id.Load() == gid.Current() }

// Self returns the task that the caller must suspend in order to wait, and nil where
// the caller is an ordinary goroutine, which it may block. It panics inside a
// callback of a dispatcher: nothing could wake the caller there.
func Self() Host {
	g := Current()
	if g == nil {
		if bars.Load() != 0 && barred() {
			panic("core: wait outside of the tasks of a simulation, which stands still meanwhile: wait in a task, or use proptest.Bubble")
		}
		return nil
	}
	if g.Host == nil {
		panic("core: wait inside a dispatcher callback")
	}
	return g.Host
}

// bars counts the goroutines that must not be blocked, and bar says which those are.
var (
	bars atomic.Int32
	bar  struct {
		mu sync.Mutex
		of map[uintptr]int // how often
	}
)

// Bar makes [Self] panic on the calling goroutine, until undo is called on it: it is the one that would turn the loop
// on which all that it could wait for happens. What need not wait works.
func Bar() (undo func()) {
	id := gid.Current()
	add := func(n int) {
		bar.mu.Lock()
		defer bar.mu.Unlock()
		if bar.of == nil {
			bar.of = map[uintptr]int{}
		}
		bar.of[id] += n
		if bar.of[id] == 0 {
			delete(bar.of, id)
		}
	}
	add(1)
	bars.Add(1)
	return func() {
		bars.Add(-1)
		add(-1)
	}
}

func barred() bool {
	bar.mu.Lock()
	defer bar.mu.Unlock()
	return bar.of[gid.Current()] > 0
}

// Running returns the task that the caller runs in, nil if there is none.
func Running() Host {
	if g := Current(); g != nil {
		return g.Host
	}
	return nil
}

// observers is how many want to know who holds what: simulations, and tracking if it is on.
var observers atomic.Int32

// Observe makes Took work, until stop.
func Observe() (stop func()) {
	observers.Add(1)
	return sync.OnceFunc(func() { observers.Add(-1) })
}

// Observed reports whether anybody wants to know who holds what: a simulation runs that lets nothing
// happen beside it, or tracking is on. It is for hot paths, which then call [Holders.Took].
func Observed() bool { return observers.Load() != 0 }

// Took tells the simulation that the caller runs in, if there is one, that it has taken n of
// obj, or given back -n.
func Took(obj any, n int64) {
	g := Current()
	if g == nil || g.Witness == nil {
		return
	}
	var task context.Context
	if g.Host != nil {
		task = g.Host.Context()
	}
	g.Witness(task, obj, n)
}

// Real tells the simulation that the caller runs in, if there is one, that it is about to wait for the clock of
// package time, which no simulation moves.
func Real() {
	if g := Current(); g != nil && g.Real != nil {
		g.Real()
	}
}

// Failed returns err, with which a wait fails at once because its ctx is done at the
// call.
func Failed(err error) error {
	if g := Current(); g != nil && g.Host != nil {
		g.Host.Failed()
	}
	return err
}
