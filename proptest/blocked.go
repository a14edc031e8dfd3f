package proptest

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// sampler watches, from outside the loop, for steps that block their thread: with the first
// of them the whole case stands still, and nobody else could tell why.
//
// It counts its own ticks, not time: in a process that gets no time it gets none either.
type sampler struct {
	// pulse is odd while callbacks run, and changes with each. Only the loop writes it.
	pulse atomic.Uint64
	// found is the first step that was seen to block. The step notices it when it ends, if it does.
	found atomic.Pointer[block]
	keen  atomic.Bool
	root  uint64 // the goroutine of the property
	name  string // of the test

	mu    sync.Mutex // guards those below
	timer *time.Timer
	over  bool
	gone  chan struct{} // closed by a tick that comes when it is over
	last  uint64        // pulse at the last tick
	spent time.Duration // in the present step
	next  int           // of looks
}

// block is how a step blocks its thread.
type block struct {
	pulse uint64
	call  string
	where *site
	stack goroutine
	// after is how long it has to block so before it counts: as long as never in a function of core.Blocking.
	after time.Duration
}

// The ticks of a sampler.
const (
	tick = time.Millisecond
	// keenTick is that of a check in which a step has blocked: it is to be seen again when rapid
	// runs the same case again.
	keenTick = 100 * time.Microsecond
)

// looks is when a step is looked at, from its first tick on. To look is to stop the world, so it is not done often
// in a step that only takes long.
var looks = []time.Duration{
	tick, 3 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, patient, time.Second, 10 * time.Second,
}

// patient is how long a step may wait for a mutex that a goroutine has, as that of a logger.
const patient = 100 * time.Millisecond

// sample has the cases watched that the calling goroutine will run, until stop. In a bubble blocking is nothing
// special, but for one way.
func (c *check) sample() (stop func()) {
	if c.bubble || c.goroutines {
		return c.watchBubbles()
	}
	c.natives.settle()
	s := &sampler{root: c.natives.root, name: c.name, gone: make(chan struct{})}
	c.sampler = s
	s.mu.Lock()
	s.timer = time.AfterFunc(tick, s.tick) // so that a check that is done soon needs no goroutine
	s.mu.Unlock()
	return s.stop
}

// stop ends it. Nothing of it is left when it returns.
func (s *sampler) stop() {
	s.mu.Lock()
	s.over = true
	waiting := !s.timer.Stop()
	s.mu.Unlock()
	if waiting {
		<-s.gone
	}
}

// begin says that callbacks are to run.
func (s *sampler) begin() {
	if s != nil {
		s.pulse.Store(s.pulse.Load() | 1)
	}
}

// beat says that one has.
func (s *sampler) beat() {
	if s != nil {
		s.pulse.Store(s.pulse.Load() + 2)
	}
}

// rest says that none runs until begin.
func (s *sampler) rest() {
	if s != nil {
		s.pulse.Store((s.pulse.Load() + 2) &^ 1)
	}
}

// take returns what was seen of the steps that have ended, nil if that is nothing.
func (s *sampler) take() *block {
	if s == nil || s.found.Load() == nil {
		return nil
	}
	s.keen.Store(true)
	return s.found.Swap(nil)
}

// tick comes on a goroutine of its own.
func (s *sampler) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		close(s.gone)
		return
	}
	pause := tick
	now := s.pulse.Load()
	switch keen := s.keen.Load(); {
	case now != s.last || now&1 == 0:
		s.last, s.spent, s.next = now, 0, 0
		if keen {
			pause = keenTick
		}
	case s.next < len(looks) && (s.spent >= looks[s.next] || keen && s.next == 0):
		s.look(now, looks[s.next])
		s.next++
		s.spent += tick
	default:
		s.spent += tick
	}
	s.timer.Reset(pause)
}

// look finds out whether the step of that pulse blocks, which has gone on for so long.
func (s *sampler) look(pulse uint64, spent time.Duration) {
	all := goroutines()
	if s.pulse.Load() != pulse {
		return
	}
	g := s.runner(all)
	if g == nil {
		return
	}
	b := blockOf(g)
	switch {
	case b == nil:
	case spent == looks[len(looks)-1]:
		s.forever(b)
	case spent < b.after:
	default:
		b.pulse = pulse
		s.found.CompareAndSwap(nil, b)
	}
}

// runner returns the goroutine that runs the step. The loop, and each task that has started another one or
// has called for a value of a sequence, waits for the coroutine it has gone on to: so it is the only one in
// the tree of these that does not.
func (s *sampler) runner(all []goroutine) *goroutine {
	by := make(map[uint64]*goroutine, len(all))
	for i := range all {
		by[all[i].id] = &all[i]
	}
	var found *goroutine
	for i := range all {
		g := &all[i]
		if g.state == "coroutine" {
			continue
		}
		at := g
		for at != nil && at.id != s.root && at.isCoroutine() {
			at = by[at.parent]
		}
		if at == nil || at.id != s.root {
			continue
		}
		if found != nil {
			return nil
		}
		found = g
	}
	return found
}

// blocking are the states of a goroutine that waits for others, each with how long it has to before the step
// counts as one that blocks.
var blocking = map[string]time.Duration{
	"chan receive": 0, "chan send": 0, "select": 0, "sleep": 0, "IO wait": 0,
	"sync.Cond.Wait": 0, "sync.WaitGroup.Wait": 0,
	"semacquire": patient, "sync.Mutex.Lock": patient, "sync.RWMutex.Lock": patient, "sync.RWMutex.RLock": patient,
	"syscall": never, // as on a slow disk
}

const never = 1 << 62

// blockOf tells how g blocks in code under test, nil if it does not.
func blockOf(g *goroutine) *block {
	after, ok := blocking[g.state]
	if !ok {
		return nil
	}
	b := &block{call: "a " + strings.Replace(g.state, "chan ", "channel ", 1), after: after, stack: *g}
	for _, f := range g.frames {
		switch {
		case b.where != nil:
			if strings.HasPrefix(f.fn, module+"core.inline") {
				b.after = never
			}
		case f.standard():
			b.call = f.fn
		case ours(f.fn, f.file):
			return nil // the module itself knows what it waits for
		default:
			b.where = f.site()
		}
	}
	if b.where == nil {
		return nil
	}
	return b
}

// forever ends the process, since a step that blocks and does not come back can end in no other way. It
// leaves alone what may have good reason, but says what it does.
func (s *sampler) forever(b *block) {
	var at strings.Builder
	for _, f := range b.stack.frames {
		fmt.Fprintf(&at, "%s\n\t%s:%d\n", f.fn, f.file, f.line)
	}
	if b.after == never {
		fmt.Printf("proptest: %s: a step takes long, with %s at %v; in a simulation no other task runs meanwhile.\n\n%s", s.name, b.call, b.where, &at)
		return
	}
	panic(fmt.Sprintf("proptest: %s: %v. It does not come back, so the whole process ends here.\n\n%s", s.name, b.failure(), &at))
}

func (b *block) failure() *failure {
	return &failure{kind: blocked, what: b.call, where: b.where}
}
