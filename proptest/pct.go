package proptest

import (
	"context"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// PCT draws schedules by probabilistic concurrency testing instead of deviations from FIFO: each task gets a
// priority, and whichever ready one has the highest runs, but for d-1 places in the schedule at which that
// one falls behind all others. Of a bug that needs d steps of different tasks in a certain order, in n tasks that take
// k steps together, a case finds at least one in n·k^(d-1), if the places are drawn evenly; here early ones are more
// likely than late ones. It is for bugs that need a task to be held up for
// long, which single deviations do not do; most others show sooner without it. Deviations does nothing
// then. A d of 1 draws priorities only; PCT panics if it is less.
//
// What a failing case reports, and [Replay] takes, are the deviations from FIFO that it came to.
//
// The method is that of Burckhardt, Kothari, Musuvathi and Nagarakatti: A randomized scheduler with
// probabilistic guarantees of finding bugs (ASPLOS 2010). Equal priorities, which rapid strives for
// when it shrinks a case, leave the order to FIFO.
func PCT(d int) Option {
	if d < 1 {
		panic("proptest: PCT of less than 1")
	}
	return func(c *config) { c.priorities = d }
}

// ranking is who goes first under PCT.
type ranking struct {
	drawn   []int // priorities of the tasks, in order of their first choice; 0 beyond
	changes []int // steps, still to come, at which the first one falls behind
	planned int   // changes that were drawn
	rank    map[context.Context]int
	lowest  int
}

// priority draws evenly, which integers of rapid are not: small ones are more likely, and half of the tasks
// would be equal.
var priority = rapid.Custom(func(t *rapid.T) int {
	p := 0
	for range 6 {
		p *= 2
		if rapid.Bool().Draw(t, "bit") {
			p++
		}
	}
	return p
})

// drawRanking draws priorities for the tasks of P.Go, and for two others that they may start.
func (c *config) drawRanking(t *rapid.T, tasks int) *ranking {
	k := &ranking{rank: map[context.Context]int{}}
	k.drawn = rapid.SliceOfN(priority, tasks+2, tasks+2).Draw(t, "priorities")
	if c.priorities > 1 {
		k.add(rapid.SliceOfN(anyStep, 0, c.priorities-1).Draw(t, "changes of priority"))
	}
	return k
}

func (k *ranking) add(changes []int) {
	k.changes = append(k.changes, changes...)
	k.planned += len(changes)
}

// choose picks the first of the highest rank. A change of an earlier step, in which there was no
// choice, is made up for.
func (k *ranking) choose(step int, ready []seam.Runnable) int {
	best := k.best(ready)
	for i := 0; i < len(k.changes); {
		if k.changes[i] > step {
			i++
			continue
		}
		k.changes = append(k.changes[:i:i], k.changes[i+1:]...)
		k.lowest--
		k.rank[taskOf(ready[best])] = k.lowest
		best = k.best(ready)
	}
	return best
}

func (k *ranking) best(ready []seam.Runnable) int {
	best := 0
	for i := range ready {
		if k.of(ready[i]) > k.of(ready[best]) {
			best = i
		}
	}
	return best
}

// of returns the priority of what is ready. All callbacks that are no tasks have one together.
func (k *ranking) of(r seam.Runnable) int {
	task := taskOf(r)
	p, ok := k.rank[task]
	if !ok {
		if i := len(k.rank); i < len(k.drawn) {
			p = k.drawn[i]
		}
		k.rank[task] = p
	}
	return p
}

// taskOf returns the ctx of a task that is ready, nil for another callback.
func taskOf(r seam.Runnable) context.Context {
	if t, ok := r.(interface{ Context() context.Context }); ok {
		return t.Context()
	}
	return nil
}
