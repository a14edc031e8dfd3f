package core_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
)

// member is a task of a drawn tree of groups, and what the model says of it.
type member struct {
	// Drawn.
	name     string
	kind     string // how its ctx is derived from that of its group
	timeout  int64
	try      bool   // by TryGo
	limit    int    // of the group it opens
	function string // what the function of that group does when the children have begun
	ends     string // what the task does behind the group
	cleans   string // how its clean-up waits
	children []*member

	// The model.
	in       *groupModel // nil: the root
	opens    *groupModel // nil: not yet
	begun    bool
	ended    bool
	stopped  bool  // the ctx it was started with is canceled
	limitAt  int64 // the deadline of that, 0: none
	cleanups int
	outcome  error
	ctx      context.Context
	stop     func()
}

// groupModel is what the model says of a group.
type groupModel struct {
	owner  *member
	g      *core.Group
	ctx    context.Context
	over   bool // canceled, by an error or by Cancel
	called bool // by Cancel first
	left   bool // the function has returned
	first  error
	later  int // panics behind it
}

var (
	memberKinds     = []string{"own", "own", "cancel", "timeout", "value", "shield", "shield timeout", "background"}
	memberEnds      = []string{"return", "forever", "sleep", "yield", "fail", "panic", "goexit", "idle"}
	memberFunctions = []string{"return", "return", "forever", "sleep", "fail", "panic", "goexit", "cancel", "panic canceled"}
	memberCleans    = []string{"no", "shield", "shield timeout", "pull"}
)

func drawMember(t *rapid.T, all *[]*member, depth int) *member {
	m := &member{
		name:     fmt.Sprint("m", len(*all)),
		kind:     rapid.SampledFrom(memberKinds).Draw(t, "kind"),
		timeout:  int64(rapid.IntRange(0, 20).Draw(t, "timeout")),
		try:      rapid.Bool().Draw(t, "try"),
		limit:    rapid.IntRange(0, 3).Draw(t, "limit"),
		function: rapid.SampledFrom(memberFunctions).Draw(t, "function"),
		ends:     rapid.SampledFrom(memberEnds).Draw(t, "ends"),
		cleans:   rapid.SampledFrom(memberCleans).Draw(t, "cleans"),
	}
	*all = append(*all, m)
	if depth > 0 {
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			m.children = append(m.children, drawMember(t, all, depth-1))
		}
	}
	return m
}

// somePanic stands in the model for the panic of a task.
var somePanic error = &core.PanicError{}

// groups is a tree of groups under test.
type groups struct {
	s       *sim
	all     []*member
	stopped bool // the root is canceled
	cancel  func()
	err     error
}

func (gs *groups) fail(format string, args ...any) {
	if gs.err == nil {
		gs.err = fmt.Errorf(format, args...)
	}
}

// derive returns the ctx that m is started with, in a group that has ctx.
func (gs *groups) derive(ctx context.Context, m *member) context.Context {
	m.stop = func() {}
	d := time.Duration(m.timeout)
	switch m.kind {
	case "cancel":
		ctx, m.stop = core.WithCancel(ctx)
	case "timeout":
		ctx, m.stop = core.WithTimeout(ctx, d)
		m.limitAt = gs.s.now + m.timeout
	case "shield timeout":
		ctx, m.stop = core.ShieldTimeout(ctx, d)
		m.limitAt = gs.s.now + m.timeout
	case "shield":
		ctx = core.Shield(ctx)
	case "value":
		ctx = context.WithValue(ctx, m, m)
	case "background":
		ctx = core.On(context.Background(), gs.s.d)
	}
	return ctx
}

// failed tells the model of an error in a group.
func (gm *groupModel) failed(err error) {
	_, panicked := errors.AsType[*core.PanicError](err)
	if gm == nil || err == nil || gm.called && !panicked && errors.Is(err, context.Canceled) {
		return
	}
	gm.over = true
	switch {
	case gm.first == nil:
		gm.first = err
	case panicked:
		gm.later++
	}
}

// body is what a task does.
func (gs *groups) body(ctx context.Context, m *member) (err error) {
	m.begun, m.ctx, m.outcome = true, ctx, core.ErrGoexit
	defer gs.outer(m)
	defer gs.inner(ctx, m)
	if len(m.children) > 0 {
		err = gs.group(ctx, m)
	}
	switch m.ends {
	case "forever":
		err = forever(ctx)
	case "sleep":
		err = core.Sleep(ctx, 7)
	case "yield":
		err = core.Yield(ctx)
	case "idle":
		err = core.Idle(ctx)
	case "fail":
		err = errors.New(m.name)
	case "panic":
		m.outcome = somePanic
		panic(context.Canceled) // which is no cancel
	case "goexit":
		runtime.Goexit()
	}
	m.outcome = err
	return err
}

// group is the group that m opens.
func (gs *groups) group(ctx context.Context, m *member) error {
	gm := &groupModel{owner: m}
	m.opens = gm
	panicked := false
	err := func() error {
		defer func() {
			if p := recover(); p != nil {
				panicked = true
				if p != m {
					gs.fail("the panic of a function came out as another one")
				}
			}
		}()
		return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			defer func() { gm.left = true }()
			gm.g, gm.ctx = g, ctx
			g.SetLimit(m.limit)
			err := gs.function(ctx, m, g)
			gm.failed(err)
			return err
		})
	}()
	gs.ended(m)
	first := err
	if gm.later > 0 && !panicked {
		all, _ := err.(interface{ Unwrap() []error })
		if all == nil || len(all.Unwrap()) != 1+gm.later {
			gs.fail("a group returned %v, and not %d panics with the first error", err, gm.later)
			return err
		}
		first = all.Unwrap()[0]
	}
	_, isPanic := first.(*core.PanicError)
	switch {
	case panicked:
	case gm.first == somePanic:
		if !isPanic {
			gs.fail("a group returned %v, not the panic", err)
		}
	case first != gm.first:
		gs.fail("a group returned %v, not the first error %v", err, gm.first)
	}
	return err
}

// function is the function of a group.
func (gs *groups) function(ctx context.Context, m *member, g *core.Group) error {
	for _, c := range m.children {
		c.in = m.opens
		below := gs.derive(ctx, c)
		body := func(ctx context.Context) error { return gs.body(ctx, c) }
		if c.try {
			g.TryGo(below, body)
		} else if err := g.Go(below, body); err != nil {
			if below.Err() == nil && ctx.Err() == nil {
				gs.fail("Go has failed, and no ctx has ended")
			}
			m.opens.failed(err)
		}
		if n := g.Len(); m.limit > 0 && n > m.limit {
			gs.fail("%d tasks in a group of %d", n, m.limit)
		}
	}
	switch m.function {
	case "forever":
		return forever(ctx)
	case "sleep":
		return core.Sleep(ctx, 5)
	case "fail":
		return errors.New(m.name)
	case "panic":
		m.opens.over = true
		panic(m)
	case "goexit":
		m.opens.over = true
		runtime.Goexit()
	case "panic canceled":
		_ = forever(ctx)
		m.opens.over = true
		panic(m)
	case "cancel":
		_ = core.Sleep(ctx, 3)
		gs.cancelGroup(m.opens, nil)
	}
	return nil
}

// cancelGroup cancels a group, also in the model.
func (gs *groups) cancelGroup(gm *groupModel, cause error) {
	if cause == nil {
		gm.g.Cancel()
		gm.called, gm.over = true, true
		return
	}
	gm.g.CancelCause(cause)
	gm.failed(cause)
}

// ended asserts that all tasks have ended of the group that m has opened.
func (gs *groups) ended(m *member) {
	if m.opens == nil {
		return
	}
	if m.opens.ctx != nil && m.opens.ctx.Err() == nil {
		gs.fail("a group has ended and its ctx has not")
	}
	for _, c := range m.children {
		if c.begun && (!c.ended || c.cleanups != 2) {
			gs.fail("a group has ended and one of its tasks has not, or has not cleaned up")
		}
		if c.stop != nil {
			c.stop()
		}
	}
}

// inner is the clean-up that runs first, and may wait; outer is the one that runs last.
func (gs *groups) inner(ctx context.Context, m *member) {
	gs.ended(m)
	if m.cleanups++; m.cleanups != 1 {
		gs.fail("the inner clean-up is number %d", m.cleanups)
	}
	clean := core.Shield(ctx)
	switch m.cleans {
	case "no":
		return
	case "shield timeout":
		var cancel func()
		clean, cancel = core.ShieldTimeout(ctx, 10)
		defer cancel()
		if err := core.Sleep(clean, 20); err != context.DeadlineExceeded {
			gs.fail("a Sleep beyond its shield ended with %v", err)
		}
	case "shield":
		if err := core.Sleep(clean, 2); err != nil {
			gs.fail("a shielded Sleep ended with %v", err)
		}
	case "pull":
		next, stop := core.Pull(clean, counting(clean, new(trace), 3))
		if v, err, more := next(clean); v != 0 || err != nil || !more {
			gs.fail("a shielded next returned %s", got(v, err, more))
		}
		stop()
	}
}

func (gs *groups) outer(m *member) {
	if m.cleanups++; m.cleanups != 2 {
		gs.fail("the outer clean-up is number %d", m.cleanups)
	}
	m.ended = true
	m.in.failed(m.outcome)
}

// must reports whether the ctx of m has to be over. What is shielded from the end of the
// ctx above its group hears of it when the group's owner has its turn.
func (gs *groups) must(m *member) bool {
	switch {
	case m.ended || m.stopped:
		return true
	case m.in == nil:
		return gs.stopped
	case m.in.over:
		return true
	}
	switch m.kind {
	case "shield", "shield timeout", "background":
		return false
	}
	return gs.must(m.in.owner)
}

// may reports whether the ctx of m may be over.
func (gs *groups) may(m *member) bool {
	return gs.must(m) || m.limitAt != 0 && m.limitAt <= gs.s.now || m.in != nil && gs.may(m.in.owner)
}

// invariant compares the contexts with the model.
func (gs *groups) invariant() error {
	if gs.err != nil {
		return gs.err
	}
	for _, m := range gs.all {
		if m.ctx == nil {
			continue
		}
		switch over := m.ctx.Err() != nil; {
		case !over && gs.must(m):
			return fmt.Errorf("%s (%s) is not canceled", m.name, m.kind)
		case over && !gs.may(m):
			return fmt.Errorf("%s (%s) is canceled, and nobody has done so", m.name, m.kind)
		}
	}
	return nil
}

// act cancels something, from a goroutine that is no task's, and waits for that.
func (gs *groups) act(m *member, what int) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		gm := m.opens
		switch {
		case what == 0 && m.kind == "cancel" && m.stop != nil:
			m.stop()
			m.stopped = true
		case what == 1 && gm != nil && gm.g != nil:
			gs.cancelGroup(gm, nil)
		case what == 2 && gm != nil && gm.g != nil:
			gs.cancelGroup(gm, errBoom)
		case what == 3:
			gs.stopped = true
			gs.cancel()
		}
	}()
	<-done
}

// Trees of groups, with timeouts and shields, canceled at any step: the contexts are as the
// model says after each step, a group ends behind its tasks and with the first error, and every
// task cleans up once, the inner before the outer.
func TestGroupTrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gs := &groups{}
		root := drawMember(t, &gs.all, 3)
		root.kind = "own"
		acts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{
				rapid.IntRange(0, 40).Draw(t, "step"), rapid.IntRange(0, 20).Draw(t, "victim"), rapid.IntRange(0, 3).Draw(t, "what"),
			}
		}), 0, 4).Draw(t, "cancels")
		gs.s = newSim(t)
		gs.s.check = gs.invariant
		for _, a := range acts {
			gs.s.at[a[0]] = func() { gs.act(gs.all[a[1]%len(gs.all)], a[2]) }
		}
		gs.s.stuck = func() bool { // what waits for ever is canceled
			if gs.stopped {
				return false
			}
			gs.act(root, 3)
			return true
		}
		gs.s.run(t, func(ctx context.Context) error {
			below, cancel := core.WithCancel(ctx)
			gs.cancel = cancel
			task := core.Start(below, func(ctx context.Context) error { return gs.body(ctx, root) })
			_ = core.Join(core.Shield(ctx), task)
			cancel()
			if n := core.Children(ctx); n != 0 {
				gs.fail("%d scopes are left", n)
			}
			_ = core.Idle(ctx) // a canceled Idle leaves its request
			return gs.err
		})
		for _, m := range gs.all {
			if m.begun && (!m.ended || m.cleanups != 2) {
				t.Fatal("a task has not ended, or has not cleaned up")
			}
		}
	})
}
