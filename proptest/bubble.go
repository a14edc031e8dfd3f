package proptest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// Bubble runs each case in a bubble of [testing/synctest], whose clock takes the place of the simulated one. So what
// needs the world outside the tasks works as well: contexts of context.WithTimeout, time.After,
// functions of core.Blocking on goroutines of their own, and goroutines that the code under test starts.
// After each step all those goroutines run until they are blocked, and only then the next step is drawn. In which order they
// run, and how they interleave with each other, is not drawn.
//
// A case has failed, beyond what is checked anyway, if goroutines are left an hour, by the clock of the bubble, after the tasks have
// ended and [P.Context] was canceled: the report names them. Nobody can end those, so
// they stay in the process. A deadlock is found when nothing has happened for a hundred years; a goroutine that
// wakes up again and again for ever hides it.
//
// A small case takes some four times as long in a bubble. What blocks outside the bubble, in a system call or on a
// channel that was made elsewhere, holds up its clock. So does a goroutine that waits for a mutex: if
// whoever has that waits for time to pass, or for one that waits for the mutex, the case cannot go on, which ends the process
// after some seconds, with the places. The calling test must be a *testing.T, or a [TB] with a method
// Test() *testing.T.
func Bubble() Option {
	return func(c *config) { c.bubble = true }
}

const (
	// forever is longer than any timer of a test, and short enough for the clock of a bubble,
	// which ends in 2262.
	forever = 100 * 365 * 24 * time.Hour
	// grace is how long goroutines have for their end.
	grace = time.Hour
)

// testOf returns the *testing.T that a test runs on, nil if it is none.
func testOf(t TB) *testing.T {
	switch t := t.(type) {
	case *testing.T:
		return t
	case interface{ Test() *testing.T }:
		return t.Test()
	default:
		return nil
	}
}

// bubble is a case in a bubble.
type bubble struct {
	id       string // what stack traces call it, while the case is recorded
	run      *run
	ended    bool     // the case has come to an end, of which kind ever
	returned bool     // by returning
	value    any      // what the property has panicked with
	site     *site    // of that panic, or of a Goexit
	calls    []string // the functions in which it has
	popped   any      // what synctest has to say
}

// inBubble is once in a bubble.
func (c *check) inBubble(t *rapid.T, pl *plan, tr *trace) *run {
	b := &bubble{}
	c.vigil.cases.Add(1)
	b.enter(c.test, func() {
		if c.recording {
			b.id = bubbleID()
		}
		r := newRun(c, t)
		c.run, b.run = r, r
		defer r.end()
		r.whole(pl, tr)
	})
	c.world = nil // which belonged to the bubble
	r := b.run
	switch {
	case b.value != nil && isSkip(b.value):
		panic(b.value) // on a line of its own: rapid must not take it for a failure
	case b.value != nil:
		if !isRapid(b.value) { // the trace that rapid shows is that of the next line
			t.Logf("proptest: the property, a claim or a function of Cleanup panicked: %s\n\t%s", plain(b.value), strings.Join(b.calls, "\n\t"))
		}
		lane(b.site.hash(), func() { panic(b.value) })
	case b.popped != nil && !b.ended:
		f := &failure{kind: deadlock}
		if r.phase == preparing {
			f.who = "the property function"
		}
		r.failLate(f)
	case b.popped != nil:
		r.failLate(&failure{kind: leftGoroutines})
	case !b.returned:
		r.failLate(&failure{kind: goexit, who: "the property, a claim or a callback", where: b.site})
	}
	if b.popped != nil {
		for _, text := range inBubble(b.id) {
			t.Logf("proptest: left behind: %s", text)
		}
	}
	return r
}

// enter runs fn in a bubble, on a goroutine that may end as it likes.
func (b *bubble) enter(t *testing.T, fn func()) {
	defer func() { b.popped = recover() }() // goroutines are left
	synctest.Test(t, func(*testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				b.ended = true
				if b.value = recover(); b.value != nil {
					b.site, b.calls = callSite(), here().stack()
				} else if !b.returned {
					b.site = goexitSite()
				}
			}()
			fn()
			b.returned = true
		}()
		<-done
	})
}

// failLate is fail for what shows when the case is over.
func (r *run) failLate(f *failure) {
	if r.fault != nil {
		return
	}
	f.step = r.step
	r.fault = f
	r.check.recording = true
	switch {
	case r.rec == nil:
	case r.rec.final.plan == nil: // the case does not come to its end
		r.rec.finish(r)
	default:
		r.rec.final.fault = f
	}
}

// inBubble fits the world into a bubble: time is the bubble's, and other goroutines may take part.
func (w *world) inBubble() {
	start := time.Now()
	w.sim.Epoch = start
	w.sim.Sleep, w.sim.Context, w.sim.Until, w.sim.Foreign, w.sim.Real = nil, nil, nil, nil, nil
	stepping := false
	begin := w.sim.Begin
	w.sim.Begin = func(r seam.Runnable) {
		stepping = true
		if begin != nil {
			begin(r)
		}
	}
	step := w.sim.Step
	w.sim.Step = func() bool {
		stepping = false
		synctest.Wait()
		w.run.now = int64(time.Since(start))
		return step()
	}
	w.sim.Now = func() int64 {
		// The loop asks before it looks for what is ready. If others have just woken it, they get
		// as far as they can first, so that a choice does not depend on which of them was faster.
		if g := park.Current(); g != nil && g.Host == nil && g.Loop == any(w.d) && !stepping {
			synctest.Wait()
		}
		return int64(time.Since(start))
	}
}

// stuck comes up in the FIFO when nothing else has for as long as there are bubbles.
type stuck struct{ run *run }

func (s stuck) RunReady() {
	s.run.idled = true
	if s.run.phase == working && s.run.left > 0 {
		s.run.fail(&failure{kind: deadlock})
	}
}

// runUntil turns the loop until done answers true, or nothing can happen any more.
func (r *run) runUntil(done func() bool) error {
	if !r.check.bubble {
		return r.world.loop.RunUntil(done)
	}
	r.idled = false
	far := time.AfterFunc(forever, func() { r.world.loop.Ready(stuck{r}) })
	defer far.Stop()
	return r.world.loop.RunUntil(func() bool { return r.idled || done() })
}

// quiet reports, in a bubble, whether nothing is there any more but what waits for time to pass.
func (r *run) quiet() bool {
	if !r.check.bubble {
		return false
	}
	s := r.world.d.Stats()
	return s.Tasks == 0 && s.Ready == 0
}
