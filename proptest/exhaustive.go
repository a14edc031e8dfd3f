package proptest

import (
	"fmt"

	"pgregory.net/rapid"
)

// Exhaustive runs all schedules that differ from FIFO in at most bound steps, instead of drawn ones, for each set
// of values that the property draws; a negative bound is none. With [Cancels], [Panics] and [Timers], up to
// so many of those at every place where they make a difference belong to the schedules, too. The test logs how many there were and
// whether that was all:
//
//	exhaustive: all 1680 schedules
//
// Schedules with few deviations come first, so the one that fails is among the smallest that do. Each is a new
// run of the property with the same drawn values. [MaxSchedules] bounds their number. A property that draws nothing is one case,
// however many rapid is asked for.
//
// A step is what a task does from one wait to the next: one that yields twice has three. The free
// interleavings of 3 such tasks are 9!/(3!·3!·3!) = 1,680, those of 5 are 168,168,000: of those a bound
// of 4 leaves some 30,000.
func Exhaustive(bound int) Option {
	return func(c *config) { c.exhaustive, c.bound = true, bound }
}

// MaxSchedules sets after how many schedules, in all cases together, [Exhaustive] ends. Later cases run the plain
// schedule only. The default is 100,000.
func MaxSchedules(n int) Option {
	if n < 1 {
		panic("proptest: MaxSchedules of less than 1")
	}
	return func(c *config) { c.maxSchedules = n }
}

// search is what Exhaustive has seen in one Check.
type search struct {
	ran    int      // schedules
	cases  int      // that were run to the end of their space
	cut    int      // that were not
	single bool     // the property draws nothing, and its only case was run
	found  *failure // of the first case that has failed
	cost   int      // schedules which that took
	last   *plan    // that has failed last
}

// maxDefault is how many schedules are run if nobody says.
const maxDefault = 100_000

// explore is once under Exhaustive, for all schedules. It returns a run that has failed, nil if none has.
func (c *check) explore(t *rapid.T) *run {
	s := &c.search
	if s.single && s.found == nil {
		return nil
	}
	tape, err := tapeOf(t)
	if err != nil {
		t.Fatalf("proptest: Exhaustive: %v", err)
	}
	if s.last != nil { // rapid tries a smaller case, or this one again
		c.recording = true
		if r := c.once(t, s.last, nil); s.isFound(r.fault) {
			return r
		}
		c.close() // it records
		tape.rewind()
	}
	c.recording = false
	r := c.walk(t, tape)
	if r == nil || r.fault == nil {
		return r
	}
	s.last = r.plan
	if s.found == nil {
		s.found = r.fault
	}
	c.recording = true
	tape.rewind()
	r = c.once(t, r.plan, nil)
	if !s.isFound(r.fault) {
		c.close()
		t.Fatalf("proptest: Exhaustive: Replay(%q) fails only now and then: the case depends on more than its values and schedule", s.last)
	}
	return r
}

// walk runs the schedules of one case, and returns the run that has failed, if one has.
func (c *check) walk(t *rapid.T, tape *tape) *run {
	s := &c.search
	limit := maxDefault
	if c.maxSchedules > 0 {
		limit = c.maxSchedules
	}
	limit = max(limit-s.ran, 1)
	if s.found != nil {
		limit = max(1000, s.cost) // while rapid shrinks
	}
	f := &frontier{config: &c.config, limit: limit}
	ran := 0
	drew := false
	defer func() { s.single = !drew && s.found == nil }()
	for pl, ok := f.next(); ok; pl, ok = f.next() {
		if ran == limit {
			s.cut++
			return nil
		}
		if ran > 0 {
			tape.rewind()
		}
		tr := &trace{config: &c.config, after: f.moves}
		r := c.once(t, pl, tr)
		drew = drew || !tape.unused() // in some schedules only, if in a task
		ran++
		if s.found == nil {
			s.ran++
			s.cost = ran
		}
		if r.fault.isSkip() {
			continue
		}
		if t.Failed() || r.fault != nil && (s.found == nil || s.isFound(r.fault)) {
			return r
		}
		f.add(tr.options)
	}
	s.cases++
	return nil
}

// isFound reports whether f is the failure that was found first, as far as rapid tells failures apart.
func (s *search) isFound(f *failure) bool {
	return f != nil && s.found != nil && f.kind == s.found.kind && f.index == s.found.index &&
		f.where.hash() == s.found.where.hash()
}

// summary says how much was run.
func (c *check) summary() string {
	s := &c.search
	with := ""
	if c.bound >= 0 {
		with = fmt.Sprintf(" with at most %d deviations", c.bound)
	}
	cases := ""
	if n := s.cases + s.cut; n > 1 {
		cases = fmt.Sprintf(" of %d cases", n)
	}
	if s.cut == 0 {
		return fmt.Sprintf("exhaustive: all %d schedules%s%s", s.ran, with, cases)
	}
	return fmt.Sprintf("exhaustive: %d schedules of more%s%s, bound of schedules reached", s.ran, with, cases)
}

// move is one thing in which a schedule differs from the plain one.
type move struct {
	step int32
	kind moveKind
	pick int32
}

// moveKind is the kind of a move. Moves of the same step happen in this order, but for a panic: it comes
// last, because which task goes on in a step is known only when all else of that step is.
type moveKind uint8

const (
	earlyTimer moveKind = iota
	cancelTask
	deviate // pick is how many are ready where it is an option, and the one that runs where it is made
	killTask
)

// before orders the moves of a schedule.
func (m move) before(o move) bool {
	switch {
	case m.step != o.step:
		return m.step < o.step
	case m.kind != o.kind:
		return m.kind < o.kind
	default:
		return m.kind == cancelTask && m.pick < o.pick
	}
}

// frontier is what is still to be run, fewest moves first. Each schedule is the one before plus one
// move behind its last, so each comes up once.
type frontier struct {
	config *config
	limit  int // more than that are never asked for
	nodes  []node
	option int    // of the first node
	pick   int32  // of that option, if it is a deviation
	moves  []move // of the schedule that runs
	queued int    // schedules in nodes
	begun  bool
}

// node is a schedule that was run, with the moves that can follow.
type node struct {
	moves   []move
	options []move
}

// next returns the next schedule.
func (f *frontier) next() (*plan, bool) {
	if !f.begun {
		f.begun = true
		return f.plan(), true
	}
	for len(f.nodes) > 0 {
		n := &f.nodes[0]
		if f.option == len(n.options) {
			f.nodes[0] = node{}
			f.nodes = f.nodes[1:]
			f.option = 0
			continue
		}
		m := n.options[f.option]
		if m.kind == deviate {
			f.pick++
			if f.pick == m.pick {
				f.option, f.pick = f.option+1, 0
				continue
			}
			m.pick = f.pick
		} else {
			f.option++
		}
		f.moves = append(n.moves[:len(n.moves):len(n.moves)], m)
		f.queued--
		return f.plan(), true
	}
	return nil, false
}

// plan makes a plan of the moves.
func (f *frontier) plan() *plan {
	p := &plan{}
	for _, m := range f.moves {
		d := disturbance{int(m.step), int(m.pick)}
		switch m.kind {
		case earlyTimer:
			p.timers = append(p.timers, d.Step)
		case cancelTask:
			p.cancels = append(p.cancels, d)
		case deviate:
			p.deviations = append(p.deviations, d)
		case killTask:
			p.panics = append(p.panics, d)
		}
	}
	return p
}

// add notes what can follow the schedule that has just run.
func (f *frontier) add(options []move) {
	if len(options) == 0 || f.queued > f.limit {
		return
	}
	f.nodes = append(f.nodes, node{f.moves, options})
	for _, m := range options {
		if m.kind == deviate {
			f.queued += int(m.pick) - 1
		} else {
			f.queued++
		}
	}
}

// trace notes where a run could have been another.
type trace struct {
	config  *config
	after   []move // moves that were made
	options []move
}

// offer notes a move that could be made, if it is behind the others and there are not too many of its kind.
func (tr *trace) offer(m move) {
	n, most := 0, 0
	switch m.kind {
	case earlyTimer:
		most = tr.config.timers
	case cancelTask:
		most = tr.config.cancels
	case deviate:
		most = tr.config.bound
	case killTask:
		most = tr.config.panics
	}
	if k := len(tr.after); k > 0 && !tr.after[k-1].before(m) {
		return
	}
	if most >= 0 {
		for _, at := range tr.after {
			if at.kind == m.kind {
				n++
			}
		}
		if n >= most {
			return
		}
	}
	tr.options = append(tr.options, m)
}

// chosen hears of a choice.
func (tr *trace) chosen(step, ready int) {
	tr.offer(move{int32(step), deviate, int32(ready)})
}

// disturbed hears that a step begins.
func (tr *trace) disturbed(r *run) {
	if tr.config.timers > 0 {
		if next, armed := r.world.loop.Next(); armed && next > r.now {
			tr.offer(move{int32(r.step), earlyTimer, 0})
		}
	}
	if tr.config.cancels == 0 {
		return
	}
	for i, t := range r.tasks {
		if !t.handle.Finished() && !tr.canceled(i) {
			tr.offer(move{int32(r.step), cancelTask, int32(i)})
		}
	}
}

// canceled reports whether the plan cancels a task.
func (tr *trace) canceled(task int) bool {
	for _, m := range tr.after {
		if m.kind == cancelTask && int(m.pick) == task {
			return true
		}
	}
	return false
}

// resumed hears that a task goes on.
func (tr *trace) resumed(r *run, task int) {
	tr.offer(move{int32(r.step), killTask, int32(task)})
}
