package laws

import (
	"context"
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// mode is how a call is made.
type mode uint8

const (
	patient mode = iota // with the ctx of the task
	trying              // by a Try method
	hurried             // with a ctx that ends soon
	dead                // with a ctx that has ended
)

// step is one call of a task, and what is around it.
type step struct {
	n     int // permits, or what else is drawn
	mode  mode
	late  int // what the task does before
	after int // and after it
}

// script is what a task does.
type script []step

// The pauses of a task: none, one step, and so many ticks.
const (
	none = iota
	yield
	oneTick
	twoTicks
)

// scripts draws what from low to high tasks do, each at most so many steps, with n from bottom to top.
func scripts(p *proptest.P, label string, low, high, steps, bottom, top int, modes ...mode) []script {
	one := rapid.Custom(func(t *rapid.T) step {
		return step{
			n:     rapid.IntRange(bottom, top).Draw(t, "n"),
			mode:  rapid.SampledFrom(modes).Draw(t, "mode"),
			late:  rapid.IntRange(none, oneTick).Draw(t, "before"),
			after: rapid.IntRange(none, twoTicks).Draw(t, "after"),
		}
	})
	each := rapid.Custom(func(t *rapid.T) script {
		return rapid.SliceOfN(one, 1, steps).Draw(t, "steps")
	})
	return rapid.SliceOfN(each, low, high).Draw(p.T, label)
}

// within calls fn with a ctx as the mode has it.
func (m mode) within(ctx context.Context, fn func(ctx context.Context)) {
	switch m {
	case hurried:
		ctx, cancel := core.WithTimeout(ctx, tick)
		defer cancel()
		fn(ctx)
	case dead:
		ctx, cancel := core.WithCancel(ctx)
		cancel()
		fn(ctx)
	default:
		fn(ctx)
	}
}

// GoString is how rapid shows a step.
func (s step) GoString() string {
	pauses := [...]string{"", "yield", "1 tick", "2 ticks"}
	var b strings.Builder
	if s.late != none {
		fmt.Fprintf(&b, "%s, ", pauses[s.late])
	}
	b.WriteString([...]string{"call", "try", "hurried call", "dead call"}[s.mode])
	if s.n != 0 {
		fmt.Fprintf(&b, " %d", s.n)
	}
	if s.after != none {
		fmt.Fprintf(&b, ", %s", pauses[s.after])
	}
	return b.String()
}
