package proptest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"
)

// plan is what is done to a case: everything that a real run leaves to chance.
type plan struct {
	deviations []disturbance // which of the ready callbacks, counted from the first, runs in a step
	cancels    []disturbance // which task is canceled before a step
	panics     []disturbance // which task dies in the first wait that ends in a step or later
	timers     []int         // before which step the clock goes on to the next deadline
}

// disturbance is something that happens at a step, counted from 0.
type disturbance struct {
	Step int
	Pick int
}

func (d disturbance) String() string { return fmt.Sprintf("step %d: %d", d.Step, d.Pick) }

// horizon bounds the steps that are drawn. Small ones are more likely.
const horizon = 100

// draw draws a plan. Each list is a group that rapid can make shorter by itself.
func (c *config) draw(t *rapid.T, tasks int) *plan {
	if c.replay != nil {
		return c.replay
	}
	pl := &plan{}
	if c.deviations > 0 {
		pl.deviations = drawList(t, "deviations from FIFO", c.deviations, 1, 7)
	}
	if c.cancels > 0 && tasks > 0 {
		pl.cancels = drawList(t, "cancels", c.cancels, 0, tasks-1)
	}
	if c.panics > 0 && tasks > 0 {
		pl.panics = drawList(t, "panics", c.panics, 0, tasks-1)
	}
	if c.timers > 0 {
		pl.timers = rapid.SliceOfN(rapid.IntRange(0, horizon), 0, c.timers).Draw(t, "early timers")
	}
	return pl
}

func drawList(t *rapid.T, label string, n, low, high int) []disturbance {
	gen := rapid.Custom(func(t *rapid.T) disturbance {
		return disturbance{rapid.IntRange(0, horizon).Draw(t, "step"), rapid.IntRange(low, high).Draw(t, "pick")}
	})
	return rapid.SliceOfN(gen, 0, n).Draw(t, label)
}

// String gives the text that [Replay] takes.
func (p *plan) String() string {
	var all []string
	add := func(sign string, list []disturbance) {
		for _, d := range list {
			all = append(all, fmt.Sprintf("%s%d@%d", sign, d.Pick, d.Step))
		}
	}
	add("d", p.deviations)
	add("c", p.cancels)
	add("p", p.panics)
	for _, step := range p.timers {
		all = append(all, fmt.Sprintf("t@%d", step))
	}
	return strings.Join(all, " ")
}

// parsePlan is the reverse of String.
func parsePlan(text string) (*plan, error) {
	p := &plan{}
	for word := range strings.FieldsSeq(text) {
		what, at, ok := strings.Cut(word, "@")
		step, err := strconv.Atoi(at)
		if !ok || err != nil || step < 0 || what == "" {
			return nil, fmt.Errorf("%q is not of the form d1@4, c0@2, p0@3 or t@5", word)
		}
		if what == "t" {
			p.timers = append(p.timers, step)
			continue
		}
		pick, err := strconv.Atoi(what[1:])
		if err != nil || pick < 0 {
			return nil, fmt.Errorf("%q has no number in front of the @", word)
		}
		list := map[byte]*[]disturbance{'d': &p.deviations, 'c': &p.cancels, 'p': &p.panics}[what[0]]
		if list == nil {
			return nil, fmt.Errorf("%q begins with none of d, c, p and t", word)
		}
		*list = append(*list, disturbance{step, pick})
	}
	return p, nil
}

// trim leaves out what has not come about, because the case took fewer steps.
func (p *plan) trim(steps int) *plan {
	late := func(d disturbance) bool { return d.Step > steps }
	return &plan{
		deviations: slices.DeleteFunc(slices.Clone(p.deviations), late),
		cancels:    slices.DeleteFunc(slices.Clone(p.cancels), late),
		panics:     slices.DeleteFunc(slices.Clone(p.panics), late),
		timers:     slices.DeleteFunc(slices.Clone(p.timers), func(step int) bool { return step > steps }),
	}
}

// Replay runs every case under one plan instead of drawn ones: the text is what a report gives, such as
// "d1@4 c0@2" for the second of the ready callbacks in step 4, and a cancel of the first task before step
// 2. It makes a regression test of a failure, which stays one when what the property draws has
// changed. Replay panics if the text is not of that form.
func Replay(text string) Option {
	p, err := parsePlan(text)
	if err != nil {
		panic("proptest: Replay: " + err.Error())
	}
	return func(c *config) { c.replay = p }
}
