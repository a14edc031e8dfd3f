package proptest

import (
	"cmp"
	"fmt"
	"strings"

	"pgregory.net/rapid"
)

// later is what is done to a case that takes longer than its plan has been drawn for. It is drawn when the case has
// come to that point, so that short cases, which most are, have nothing to do with it; and again whenever the case has
// got twice as long. Each time it is a list for about as many steps as at the beginning of the case, somewhere in the
// part that comes next, since what has to come together is mostly near each other.
//
// The lists are drawn like those at the beginning, and before the place where they apply. So the bits of rapid
// mean the same here and there, and where rapid takes out those of an earlier draw while it shrinks, what was
// late becomes early.
type later struct {
	plan
	changes []int // of priority, under PCT
}

// GoString keeps what rapid logs short.
func (l *later) GoString() string {
	text := l.String()
	if len(l.changes) > 0 {
		text = strings.TrimSpace(fmt.Sprintf("%s changes of priority at %v", text, l.changes))
	}
	return cmp.Or(text, "none")
}

// anywhere is for a place in a part of a case, of which the length is the modulus.
var anywhere = rapid.IntRange(0, 1<<20-1)

// extend adds to the plan of a case that has come to the end of what has been drawn.
func (r *run) extend(tasks int) {
	if r.step < r.reach {
		return
	}
	from := r.reach
	r.reach *= 2
	c := &r.check.config
	if c.deviations+c.priorities == 0 && c.timers == 0 && (tasks == 0 || c.cancels+c.panics == 0) {
		return
	}
	l := rapid.Custom(func(t *rapid.T) *later {
		return c.later(t, r.plan, r.ranking, tasks, from)
	}).Draw(r.p.T, fmt.Sprintf("disturbances from step %d on", from))
	r.plan.deviations = append(r.plan.deviations, l.deviations...)
	r.plan.cancels = append(r.plan.cancels, l.cancels...)
	r.plan.panics = append(r.plan.panics, l.panics...)
	r.plan.timers = append(r.plan.timers, l.timers...)
	if r.ranking != nil {
		r.ranking.add(l.changes)
	}
}

// later draws what p and k leave of what the options allow. A list of which nothing is left is drawn, too: it takes its
// bits, so that what comes behind it means the same when rapid has made an earlier list shorter.
func (c *config) later(t *rapid.T, p *plan, k *ranking, tasks, from int) *later {
	l := &later{}
	if c.deviations > 0 && k == nil {
		l.deviations = c.list(c.deviations-len(p.deviations), 1, 7).Draw(t, "deviations")
	}
	if c.cancels > 0 && tasks > 0 {
		l.cancels = c.list(c.cancels-len(p.cancels), 0, tasks-1).Draw(t, "cancels")
	}
	if c.panics > 0 && tasks > 0 {
		l.panics = c.list(c.panics-len(p.panics), 0, tasks-1).Draw(t, "panics")
	}
	if c.timers > 0 {
		l.timers = rapid.SliceOfN(anyStep, 0, c.timers-len(p.timers)).Draw(t, "early timers")
	}
	if k != nil {
		l.changes = rapid.SliceOfN(anyStep, 0, c.priorities-1-k.planned).Draw(t, "changes of priority")
	}
	l.move(from + anywhere.Draw(t, "place")%from)
	return l
}

// move has l apply from a step on.
func (l *later) move(to int) {
	for _, list := range [][]disturbance{l.deviations, l.cancels, l.panics} {
		for i := range list {
			list[i].Step += to
		}
	}
	for _, list := range [][]int{l.timers, l.changes} {
		for i := range list {
			list[i] += to
		}
	}
}
