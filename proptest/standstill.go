package proptest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// vigil watches, from outside the bubbles of a check, for a case that can never go on: a goroutine that waits for a mutex
// is not blocked for a bubble, so the clock stands still, and with it whoever holds the mutex over a wait.
// No deadlock is found then, and nobody could tell why the test does not end.
type vigil struct {
	name  string        // of the test
	cases atomic.Uint64 // that have begun

	mu    sync.Mutex // guards those below
	timer *time.Timer
	over  bool
	gone  chan struct{} // closed by a tick that comes when it is over
	last  uint64        // cases at the last tick
	seen  string        // how the bubble stood that could not go on at the last tick; empty: there was none
	times int           // ticks at which it stood like that
}

// vigilTick is how often a vigil looks whether the same case runs still.
var vigilTick = time.Second

// enough is how often a bubble has to stand in the same way.
const enough = 10

// watchBubbles has the bubbles of the check watched until stop.
func (c *check) watchBubbles() (stop func()) {
	v := &vigil{name: c.name, gone: make(chan struct{})}
	c.vigil = v
	v.mu.Lock()
	v.timer = time.AfterFunc(vigilTick, v.tick)
	v.mu.Unlock()
	return func() {
		v.mu.Lock()
		v.over = true
		waiting := !v.timer.Stop()
		v.mu.Unlock()
		if waiting {
			<-v.gone
		}
	}
}

// tick comes on a goroutine of its own.
func (v *vigil) tick() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.over {
		close(v.gone)
		return
	}
	now := v.cases.Load()
	stands, at := "", (*goroutine)(nil)
	if now == v.last {
		stands, at = standing(allStacks())
	}
	if stands == "" || stands != v.seen {
		v.times = 0
	}
	v.last, v.seen = now, stands
	if v.times++; stands != "" && v.times >= enough {
		b := blockOf(at)
		if b == nil {
			b = &block{call: at.state}
		}
		panic(fmt.Sprintf("proptest: %s: a case cannot go on: a goroutine waits in %s at %v, and whoever has the mutex waits, too. "+
			"The clock of a bubble stands still as long as a goroutine waits for a mutex: do not hold one over a wait, or use lock.AsyncLock. "+
			"The whole process ends here.\n\n%s", v.name, b.call, b.where, stands))
	}
	v.timer.Reset(vigilTick)
}

// mutexes are the states of goroutines that wait for a mutex.
var mutexes = []string{"sync.Mutex.Lock", "sync.RWMutex.Lock", "sync.RWMutex.RLock"}

// standing finds a bubble in which all goroutines are blocked, and at least one, which is returned, by a mutex. It returns
// how they stand, or "" if there is no such bubble.
func standing(trace string) (stands string, at *goroutine) {
	type one struct {
		blocks []string
		at     *goroutine
		moves  bool
	}
	bubbles := map[string]*one{}
	for block := range strings.SplitSeq(trace, "\n\n") {
		head, rest, _ := strings.Cut(block, "\n")
		start, id, ok := strings.Cut(head, ", "+bubbleMark)
		if !ok {
			continue
		}
		b := bubbles[id]
		if b == nil {
			b = &one{}
			bubbles[id] = b
		}
		start, _, _ = strings.Cut(start, ",") // without for how long
		b.blocks = append(b.blocks, start+"]:\n"+rest)
		g, ok := parseStack(block)
		switch {
		case !ok:
			b.moves = true
		case slices.Contains(mutexes, g.state):
			if b.at == nil {
				b.at = &g
			}
		default:
			// What is not durably blocked may be set going from outside the bubble.
			b.moves = b.moves || g.state != "coroutine" && !strings.HasSuffix(start, " (durable)")
		}
	}
	for _, b := range bubbles {
		if b.at != nil && !b.moves {
			return strings.Join(b.blocks, "\n\n"), b.at
		}
	}
	return "", nil
}
