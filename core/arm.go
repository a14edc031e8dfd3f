package core

import "context"

// arming is what wakes the task of a coroutine when the ctx of its wait ends.
type arming struct {
	on   *scope      // that has the coroutine in its list
	stop func() bool // of context.AfterFunc
}

// outward is what was armed for a wait inside which another one is made.
type outward struct {
	arming
	next *outward // of the wait around that
}

// Arm implements park.Host.
func (t *task) Arm(ctx context.Context) {
	a := t.aim(ctx) // may run code of others, which may panic or wait
	c := t.co
	if c.arms++; c.arms > 1 {
		c.setAside()
	}
	c.stopArmed = a.stop
	if a.on != nil {
		a.on.arm(c)
	}
}

// aim finds out what is to wake t when ctx ends; its own ctx does by itself.
func (t *task) aim(ctx context.Context) (a arming) {
	if e, ok := ctx.(eitherCtx); ok {
		ctx = e.Context
	}
	s, ok := ctx.(*scope)
	if !ok {
		done := ctx.Done()
		if done == nil {
			return a
		}
		if s = scopeOf(ctx); s == nil || s.Done() != done {
			return arming{stop: t.sched.afterFunc(ctx, t.Wake)}
		}
		// It only carries values. The scope wakes the task itself, with no goroutine in between.
	}
	if s != &t.scope {
		a.on = s
	}
	return a
}

// Disarm implements park.Host.
func (t *task) Disarm() {
	c := t.co
	if c.armedOn != nil {
		c.armedOn.disarm(c)
	}
	if c.stopArmed != nil {
		c.stopArmed()
		c.stopArmed = nil
	}
	if c.arms--; c.arms > 0 {
		c.takeUp()
	}
}

// setAside makes way for a wait inside a wait, which a method of a ctx may make that the outer one
// asks.
func (c *coroutine) setAside() {
	outer := &outward{arming{c.armedOn, c.stopArmed}, c.outer}
	if outer.on != nil {
		outer.on.disarm(c)
	}
	c.outer = outer
}

// takeUp takes back what the last setAside has put away.
func (c *coroutine) takeUp() {
	outer := c.outer
	c.outer = outer.next
	c.stopArmed = outer.stop
	if outer.on == nil {
		return
	}
	outer.on.arm(c)
	if outer.on.over.Load() != nil {
		c.task.Wake() // it has ended meanwhile, and the outer wait may have asked before that
	}
}
