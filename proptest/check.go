package proptest

import (
	"context"
	"flag"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

// TB is what [Check] needs of a test: *testing.T, *testing.B and *testing.F have it.
type TB = rapid.TB

// Check fails the test if it finds a case, that is drawn values with a schedule and cancels, in which
// prop does not hold. It runs 1000 cases, or as many as [Cases] or the flag -rapid.checks says. The
// case that fails is shrunk and reported, and stored in testdata/rapid, from where
// the next run of the test takes it first. A property that starts no task in any case fails, too.
//
// Without options only the schedule is drawn. Give [Cancels], unless the tasks cannot be canceled: most
// bugs of asynchronous code need a cancel at the wrong moment.
//
// A property holds if prop returns, all that it has claimed by [P.Always] and [P.Finally] is so, and none of
// the faults of the package comment comes up. The values of prop must be all it depends on: no
// randomness, no map order, no clock, nothing left from the case before.
func Check(t TB, prop func(p *P), opts ...Option) {
	t.Helper()
	c := newCheck(t, prop, opts)
	c.within(t, func() {
		t.Helper()
		for range c.rounds() {
			rapid.Check(t, c.property)
		}
	})
	if !c.started {
		t.Errorf("proptest: no case has started a task with P.Go, so nothing was checked")
	}
	if c.exhaustive {
		t.Log(c.summary())
	}
}

// within runs the cases in what they need around them, and reports the one that has failed and what they have
// left behind.
func (c *check) within(t TB, cases func()) {
	t.Helper()
	stop := park.Observe()
	defer c.sample()()
	left := c.watchLeaks()
	defer func() {
		c.close()
		stop()
		c.report(t) // also while t.FailNow of rapid ends the test
	}()
	cases()
	c.close()
	left(t)
}

func newCheck(t TB, prop func(*P), opts []Option) *check {
	t.Helper()
	c := &check{config: configOf(opts), prop: prop, name: t.Name()}
	if c.bubble || c.goroutines {
		if c.test = testOf(t); c.test == nil {
			t.Fatalf("proptest: Bubble and Goroutines need a *testing.T, or a TB with a method Test() *testing.T, not a %T", t)
		}
	}
	return c
}

// MakeCheck returns Check as the function of a subtest, for [testing.T.Run].
func MakeCheck[T TB](prop func(p *P), opts ...Option) func(T) {
	return func(t T) {
		t.Helper()
		Check(t, prop, opts...)
	}
}

// check is one call of Check.
type check struct {
	config
	prop  func(*P)
	name  string
	world *world // of the next case, if the last one has left it clean
	run   *run   // the present case, or the last one
	// recording is on once a case has failed: rapid runs it again.
	recording bool
	search    search     // of Exhaustive
	test      *testing.T // of Bubble and Goroutines
	sampler   *sampler   // nil: none
	vigil     *vigil     // of Bubble and Goroutines
	natives   natives
	started   bool     // a case has started a task
	fuzzed    bool     // it is one case of MakeFuzz
	exited    *site    // where the property or a claim has called runtime.Goexit, which ends the test
	lasting   *failure // that every further case has, too: to find a smaller one would take too long
}

// rounds is how often rapid is to run its number of cases, which is 100 unless somebody has set the flag.
func (c *check) rounds() int {
	checks, seed := flag.Lookup("rapid.checks"), flag.Lookup("rapid.seed")
	if c.exhaustive || checks.Value.String() != "100" || seed.Value.String() != "0" {
		return 1 // with a seed, the next round would be the same
	}
	return 1 + (c.cases-1)/100
}

// property is one case.
func (c *check) property(t *rapid.T) {
	r := c.again(t)
	if r == nil {
		r = c.try(t)
	}
	if r == nil {
		return
	}
	if f := r.fault; f != nil && f.kind == blocked && r.rec != nil {
		c.lasting = f
	}
	r.raise() // in this line only: rapid compares where failures come from
}

// again returns a case that has failed as one did that took real time, which shrinking would take again for
// each attempt.
func (c *check) again(t *rapid.T) *run {
	if c.lasting == nil {
		return nil
	}
	return &run{check: c, p: &P{T: t}, fault: c.lasting}
}

// try runs a case as the options say. It does not raise what has gone wrong, and returns nil if that is nothing.
func (c *check) try(t *rapid.T) *run {
	switch {
	case c.exhaustive:
		return c.explore(t)
	case c.goroutines && c.recording:
		return c.insist(t)
	default:
		return c.once(t, nil, nil)
	}
}

// once runs the property and its tasks once: under pl, or if that is nil under a plan that is drawn. It
// does not raise what has gone wrong.
func (c *check) once(t *rapid.T, pl *plan, tr *trace) *run {
	if c.bubble || c.goroutines {
		return c.inBubble(t, pl, tr)
	}
	r := newRun(c, t)
	c.run = r
	defer r.bar()()
	returned := false
	defer func() {
		if !returned {
			c.exited = goexitSite()
		}
	}()
	func() {
		defer r.end()
		r.whole(pl, tr)
	}()
	returned = true
	return r
}

// close ends the world of the cases so far: the next one gets a new one.
func (c *check) close() {
	if c.world != nil {
		c.world.close()
		c.world = nil
	}
}

// P is one case of a property: what draws its values, starts its tasks and says what must hold. It is
// for the property function, and for the tasks of this case; not for other goroutines.
//
// The methods of [rapid.T] do what they do there, also in a task: Fatalf fails the case, SkipNow
// throws it away, and generators draw from p.T.
type P struct {
	*rapid.T
	run     *run
	history history
}

// Context returns the ctx in which the case runs: of the simulated dispatcher, and canceled when the
// tasks of [P.Go] have ended. It is for constructors that want a ctx, before a task runs.
func (p *P) Context() context.Context { return p.run.ctx }

// Cleanup has fn called when the case is over, the last one first, also if another one panics. It may look at what
// the case has made, and under [Bubble] runs inside the bubble.
func (p *P) Cleanup(fn func()) {
	defer p.run.guard()()
	p.run.cleanups = append(p.run.cleanups, fn)
}

// IntRange draws an integer from low to high.
func (p *P) IntRange(low, high int, label string) int {
	p.T.Helper() // what is drawn is logged with the line of the caller
	return rapid.IntRange(low, high).Draw(p.T, label)
}

// Bool draws a truth value.
func (p *P) Bool(label string) bool {
	p.T.Helper()
	return rapid.Bool().Draw(p.T, label)
}

// Go starts a task of the case. It begins when the property function has returned; one that is started
// in a task begins at once, as with core.Start. The names are for the report, and should differ. The case fails if fn returns an
// error, unless that only says that ctx was canceled.
func (p *P) Go(name string, fn func(ctx context.Context) error) *core.Task {
	if p.run.crowd != nil {
		return p.run.crowd.start(name, fn)
	}
	return p.run.start(name, fn)
}

// Always claims that ok answers true behind every step of the case, and before the first. It may look at
// everything, and must neither wait nor change anything.
func (p *P) Always(name string, ok func() bool) {
	defer p.run.guard()()
	p.run.always = append(p.run.always, claim{name, ok})
}

// Finally claims that ok answers true when all tasks have ended.
func (p *P) Finally(name string, ok func() bool) {
	defer p.run.guard()()
	p.run.finally = append(p.run.finally, claim{name, ok})
}

// claim is what a property says.
type claim struct {
	name string
	ok   func() bool
}
