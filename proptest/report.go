package proptest

import (
	"fmt"
	"strings"
)

// report prints what has happened in the case that has failed, once it is as small as it gets.
func (c *check) report(t TB) {
	if c.run == nil || c.run.rec == nil || c.run.rec.finalize.fault == nil {
		return
	}
	t.Log("\n" + c.run.rec.text())
}

// text is the report for a terminal.
func (rec *recording) text() string {
	var b strings.Builder
	f := &rec.finalize
	fmt.Fprintf(&b, "%v\nin step %d\n", f.fault, f.fault.step)
	for _, e := range rec.events {
		name := ""
		if e.actor != nil {
			name = e.actor.name
		}
		fmt.Fprintf(&b, "%4d %-12s %d %s %v\n", e.step, name, e.kind, e.text, e.site)
	}
	for _, a := range f.waiting {
		fmt.Fprintf(&b, "%s waits in %v", a.name, a.waits.site)
		for _, h := range f.holds.of(a.waits.obj) {
			fmt.Fprintf(&b, ", held by %s since step %d (%v)", rec.nameOf(h.task), h.step, h.site)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Replay(%q)\n", f.plan)
	return b.String()
}
