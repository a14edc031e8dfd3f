package core

import (
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// Check makes a failure of w known that nobody may be waiting for: it is reported as that of a
// task of [Spawn] is. It does not wait, and takes w from nobody: others may await it all the
// same. That w was canceled is no failure.
//
// The report goes to dispatch.Config.Unhandled of the dispatcher that w runs on, if it
// is a task, or else of the one that Check is called on. It never comes inside the call. Without
// a dispatcher the error is logged, with the place of the call of Check, and a panic ends
// the program. On a dispatcher that is closed nobody is told.
func Check(w Waitable) {
	p := promiseOf("Check", w)
	p.looked()
	c := &checked{p: p, unhandled: unhandled{what: "future checked at " + callerPlace(1)}}
	if t := p.task; t != nil && t.sched != nil {
		c.loop = t.sched.loop
		if t.tree.sched == t.sched {
			c.tree = t.tree // a RunOn of it waits for the report
		}
	} else if g := park.Current(); g != nil {
		c.loop = seam.Of(g.Loop)
	}
	c.fn = c.ended
	p.post(&c.watcher, poster)
}

// checked is a future that was given to Check.
type checked struct {
	watcher
	unhandled
	p    *promise
	loop seam.Loop // nil: none
}

// ended hears that the future is finished. Its mutex is held.
func (c *checked) ended() {
	if !c.p.Failed() {
		return
	}
	c.err = c.p.err
	if c.loop == nil {
		go c.RunReady()
		return
	}
	c.count(1)
	c.report = c.loop.Settings().Unhandled
	c.loop.Ready(c)
}

// RunReady reports the failure, with no lock held: it may be an error of the user's own making.
func (c *checked) RunReady() {
	if t := c.p.task; t != nil && t.meantToEnd(c.err) {
		c.count(-1)
		return
	}
	c.unhandled.RunReady()
}
