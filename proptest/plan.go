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
	panics     []disturbance // which task dies, from a step on, in the first wait that has not got what it waits for
	timers     []int         // before which step the clock goes on to the next deadline
	rushes     []int         // which starts of goroutines are followed by the next one at once
}

// disturbance is something that happens at a step, counted from 0.
type disturbance struct {
	Step int
	Pick int
}

func (d disturbance) String() string { return fmt.Sprintf("step %d: %d", d.Step, d.Pick) }

// GoString keeps what rapid logs short.
func (d disturbance) GoString() string { return fmt.Sprintf("%d@%d", d.Pick, d.Step) }

// horizon bounds the steps that are drawn before a case begins. Small ones are more likely. For those behind it see later.
const horizon = 100

// draw draws a plan. Each list is a group that rapid can make shorter by itself.
func (c *config) draw(t *rapid.T, tasks int) *plan {
	if c.replay != nil {
		return c.replay
	}
	pl := &plan{}
	if c.deviations > 0 && c.priorities == 0 {
		pl.deviations = c.list(c.deviations, 1, 7).Draw(t, "deviations from FIFO")
	}
	if c.cancels > 0 && tasks > 0 {
		pl.cancels = c.list(c.cancels, 0, tasks-1).Draw(t, "cancels")
	}
	if c.panics > 0 && tasks > 0 {
		pl.panics = c.list(c.panics, 0, tasks-1).Draw(t, "panics")
	}
	if c.timers > 0 {
		pl.timers = rapid.SliceOfN(anyStep, 0, c.timers).Draw(t, "early timers")
	}
	if c.goroutines && tasks > 1 {
		pl.rushes = rapid.SliceOfN(rapid.IntRange(0, tasks-2), 0, tasks-1).Draw(t, "starts without a pause")
	}
	return pl
}

// lists are the generators of the lists of a plan. To make one costs more than to draw from it.
type lists map[listOf]*rapid.Generator[[]disturbance]

// listOf is up to n disturbances with picks from low to high.
type listOf struct{ n, low, high int }

var anyStep = rapid.IntRange(0, horizon)

func (c *config) list(n, low, high int) *rapid.Generator[[]disturbance] {
	of := listOf{n, low, high}
	if g := c.lists[of]; g != nil {
		return g
	}
	if c.lists == nil {
		c.lists = lists{}
	}
	pick := rapid.IntRange(low, high)
	c.lists[of] = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) disturbance {
		return disturbance{anyStep.Draw(t, "step"), pick.Draw(t, "pick")}
	}), 0, n)
	return c.lists[of]
}

// String gives the text that [Replay] takes.
func (p *plan) String() string {
	var all []string
	add := func(sign string, list []disturbance) {
		for len(list) > 0 {
			d, n := list[0], 1
			for n < len(list) && list[n] == (disturbance{d.Step + n, d.Pick}) {
				n++
			}
			word := fmt.Sprintf("%s%d@%d", sign, d.Pick, d.Step)
			if n > 2 { // as a task has that PCT holds up for long
				word += fmt.Sprintf("-%d", d.Step+n-1)
			} else {
				n = 1
			}
			all = append(all, word)
			list = list[n:]
		}
	}
	add("d", p.deviations)
	add("c", p.cancels)
	add("p", p.panics)
	for _, step := range p.timers {
		all = append(all, fmt.Sprintf("t@%d", step))
	}
	for _, step := range p.rushes {
		all = append(all, fmt.Sprintf("r@%d", step))
	}
	return strings.Join(all, " ")
}

// longest bounds the steps of one word.
const longest = 1_000_000

// parsePlan is the reverse of String.
func parsePlan(text string) (*plan, error) {
	p := &plan{}
	for word := range strings.FieldsSeq(text) {
		what, at, ok := strings.Cut(word, "@")
		at, to, several := strings.Cut(at, "-")
		step, valid := number(at)
		if !ok || !valid || what == "" {
			return nil, fmt.Errorf("%q is not of the form d1@4, c0@2, p0@3, t@5 or r@1", word)
		}
		if several && (what == "t" || what == "r") {
			return nil, fmt.Errorf("%q is of several steps, which %s cannot be", word, what)
		}
		switch what {
		case "t":
			p.timers = append(p.timers, step)
			continue
		case "r":
			p.rushes = append(p.rushes, step)
			continue
		}
		list := map[byte]*[]disturbance{'d': &p.deviations, 'c': &p.cancels, 'p': &p.panics}[what[0]]
		if list == nil {
			return nil, fmt.Errorf("%q begins with none of d, c, p, t and r", word)
		}
		pick, valid := number(what[1:])
		if !valid {
			return nil, fmt.Errorf("%q has no number in front of the @", word)
		}
		last := step
		if several {
			if last, valid = number(to); !valid || last < step || last-step > longest {
				return nil, fmt.Errorf("%q does not go from one step to a later one, with less than %d between", word, longest)
			}
		}
		for ; step <= last; step++ {
			*list = append(*list, disturbance{step, pick})
		}
	}
	return p, nil
}

// number reads a number that is written as String writes it.
func number(text string) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && strconv.Itoa(n) == text && n >= 0
}

// trim leaves out what has not come about, because the case took fewer steps.
func (p *plan) trim(steps int) *plan {
	late := func(d disturbance) bool { return d.Step > steps }
	lateStep := func(step int) bool { return step > steps }
	return &plan{
		deviations: slices.DeleteFunc(slices.Clone(p.deviations), late),
		cancels:    slices.DeleteFunc(slices.Clone(p.cancels), late),
		panics:     slices.DeleteFunc(slices.Clone(p.panics), late),
		timers:     slices.DeleteFunc(slices.Clone(p.timers), lateStep),
		rushes:     slices.DeleteFunc(slices.Clone(p.rushes), lateStep),
	}
}

// Replay runs every case under one plan instead of drawn ones: the text is what a report gives, such as
// "d1@4 c0@2" for the second of the ready callbacks in step 4, and a cancel of the first task before step
// 2. It makes a regression test of a failure, which stays one when what the property draws has
// changed: a number that is larger than there are callbacks or tasks counts from the first again. The
// words are, each with the step, counted from 0, behind the @:
//
//	d1@4    not the first of the ready callbacks runs in step 4, but the one that has 1 before it
//	d1@4-9  so it is in each of the steps 4 to 9
//	c0@2    the first task of P.Go is canceled before step 2
//	p0@3    the first task dies in the first wait that ends in step 3 or later
//	t@5     the clock goes on to the next deadline before step 5
//	r@1     under Goroutines, start 1 is followed by the next one at once
//
// The options that say how much is drawn do nothing then. Replay panics if the text is not of that form. An empty
// text is the plain schedule.
func Replay(text string) Option {
	p, err := parsePlan(text)
	if err != nil {
		panic("proptest: Replay: " + err.Error())
	}
	return func(c *config) { c.replay = p }
}
