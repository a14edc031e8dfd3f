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

// node is a task of a drawn tree, and what the model says of it.
type node struct {
	// Drawn.
	name     string
	kind     string // how its ctx is derived from that of its parent
	timeout  int64
	ends     string // what it does when its children have begun
	joins    bool   // waits for its children in its cleanup
	children []*node

	// The model. A node hangs below above, unless that is cut off: nil.
	above    *node
	begun    bool
	ended    bool
	canceled bool    // by its own cancel or that of one above
	limits   []int64 // deadlines of its own and of those above
	cleanups int

	task *core.Task
	ctx  context.Context
}

var (
	nodeKinds = []string{"own", "own", "cancel", "timeout", "value", "shield", "detach"}
	nodeEnds  = []string{"forever", "sleep", "return", "yield", "panic", "goexit", "children"}
)

// drawTree draws a tree of up to this depth.
func drawTree(t *rapid.T, all *[]*node, depth int) *node {
	n := &node{
		name:    fmt.Sprint("n", len(*all)),
		kind:    rapid.SampledFrom(nodeKinds).Draw(t, "kind"),
		timeout: int64(rapid.IntRange(1, 20).Draw(t, "timeout")),
		ends:    rapid.SampledFrom(nodeEnds).Draw(t, "ends"),
		joins:   rapid.Bool().Draw(t, "joins"),
	}
	*all = append(*all, n)
	if depth > 0 {
		for range rapid.IntRange(0, 3).Draw(t, "children") {
			n.children = append(n.children, drawTree(t, all, depth-1))
		}
	}
	return n
}

// forest is a tree under test.
type forest struct {
	s     *sim
	all   []*node
	err   error
	stops []func()
}

func (fo *forest) fail(format string, args ...any) {
	if fo.err == nil {
		fo.err = fmt.Errorf(format, args...)
	}
}

// start starts n below the task that has ctx, and tells the model.
func (fo *forest) start(ctx context.Context, above, n *node) {
	n.above, n.begun = above, true
	stop := func() {}
	switch n.kind {
	case "cancel":
		ctx, stop = core.WithCancel(ctx)
	case "timeout":
		ctx, stop = core.WithTimeout(ctx, time.Duration(n.timeout))
		n.limits = append(n.limits, fo.s.now+n.timeout)
	case "value":
		ctx = context.WithValue(ctx, n, n)
	case "shield":
		ctx = core.Shield(ctx)
		n.above = nil
	case "detach":
		ctx = core.Detach(ctx)
		n.above = nil
	}
	fo.stops = append(fo.stops, stop)
	if n.above != nil {
		n.canceled = n.above.canceled
		n.limits = append(n.limits, n.above.limits...)
	}
	n.task = core.Start(ctx, func(ctx context.Context) error { return fo.body(ctx, n) })
}

// body is what a task does.
func (fo *forest) body(ctx context.Context, n *node) error {
	n.ctx = ctx
	defer fo.outer(n)
	defer fo.inner(ctx, n)
	for _, c := range n.children {
		fo.start(ctx, n, c)
	}
	var err error
	switch n.ends {
	case "forever":
		err = forever(ctx)
	case "sleep":
		err = core.Sleep(ctx, 7)
	case "yield":
		err = core.Yield(ctx)
	case "panic":
		panic(errBoom)
	case "goexit":
		runtime.Goexit()
	case "children":
		for _, c := range n.children {
			if e := c.task.Wait(ctx); err == nil && ctx.Err() != nil {
				err = e
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		fo.fail("a wait ended though its ctx did not")
	}
	return err
}

// inner is the cleanup that runs first, and may wait; outer is the one that runs last.
func (fo *forest) inner(ctx context.Context, n *node) {
	if n.cleanups++; n.cleanups != 1 {
		fo.fail("the inner cleanup is number %d", n.cleanups)
	}
	if !n.joins {
		return
	}
	if err := core.Sleep(core.Shield(ctx), 1); err != nil {
		fo.fail("a shielded Sleep ended with an error")
	}
	for _, c := range n.children {
		fo.cancel(c)
		if err := c.task.CancelAndWait(core.Shield(ctx)); err != nil {
			fo.fail("a shielded CancelAndWait ended with an error")
		}
		if c.begun && (!c.ended || c.cleanups != 2) {
			fo.fail("a child that was waited for has not ended, or has not cleaned up")
		}
	}
}

func (fo *forest) outer(n *node) {
	if n.cleanups++; n.cleanups != 2 {
		fo.fail("the outer cleanup is number %d", n.cleanups)
	}
	// Those below belong to the one above from now on, unless they were canceled before.
	n.ended = true
	for _, c := range fo.all {
		if c.above == n {
			c.above = n.above
		}
	}
}

// cancel cancels n, also in the model.
func (fo *forest) cancel(n *node) {
	if n.task == nil || n.ended {
		return
	}
	n.task.CancelCause(errBoom)
	var mark func(n *node)
	mark = func(n *node) {
		n.canceled = true
		for _, c := range fo.all {
			if c.begun && c.above == n {
				mark(c)
			}
		}
	}
	mark(n)
}

// invariant compares the contexts with the model.
func (fo *forest) invariant() error {
	if fo.err != nil {
		return fo.err
	}
	for _, n := range fo.all {
		if n.ctx == nil {
			continue
		}
		over := n.ctx.Err() != nil
		late := false // may be over, by a timeout, when that has had its turn
		for _, at := range n.limits {
			late = late || at <= fo.s.now
		}
		switch {
		case n.task != nil && n.task.Finished() && !over:
			return errors.New("a task has ended and its ctx has not")
		case n.ended:
		case n.canceled && !over:
			return errors.New("a cancel has not reached all below")
		case over && !n.canceled && !late:
			return errors.New("a ctx is canceled that nobody has canceled")
		}
	}
	return nil
}

// Trees of tasks with timeouts, shields and detached ones, canceled at any step: the contexts are
// as the model says after each step, every task ends, and cleans up once, the
// inner before the outer.
func TestTrees(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fo := &forest{}
		root := drawTree(t, &fo.all, 3)
		cancels := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [2]int {
			return [2]int{rapid.IntRange(0, 40).Draw(t, "step"), rapid.IntRange(0, 20).Draw(t, "victim")}
		}), 0, 4).Draw(t, "cancels")
		fo.s = newSim(t)
		fo.s.check = fo.invariant
		for _, c := range cancels {
			fo.s.at[c[0]] = func() { fo.cancel(fo.all[c[1]%len(fo.all)]) }
		}
		fo.s.stuck = func() bool { // what waits for ever is canceled
			for _, n := range fo.all {
				if n.task != nil && !n.task.Finished() && n.ctx.Err() == nil {
					fo.cancel(n)
					return true
				}
			}
			return false
		}
		fo.s.run(t, func(ctx context.Context) error {
			mainNode := &node{}
			fo.start(ctx, mainNode, root)
			for _, n := range fo.all { // parents come first
				if n.begun {
					_ = n.task.Wait(core.Shield(ctx))
				}
			}
			for _, stop := range fo.stops {
				stop()
			}
			if n := core.Children(ctx); n != 0 {
				fo.fail("%d scopes are left", n)
			}
			return fo.err
		})
		for _, n := range fo.all {
			if n.begun && (!n.task.Finished() || n.cleanups != 2) {
				t.Fatal("a task has not ended, or has not cleaned up")
			}
		}
	})
}
