package proptest

import (
	"context"
	"slices"
)

// watch is a condition that a task waits for, and that nobody tells of: it is asked behind every step.
type watch struct {
	met  func() bool
	wake func()
	off  bool
}

// watches are those of one case, in order of arrival.
type watches struct {
	all []*watch
	off int // how many of all are
}

// watchUntil calls wake when cond is so.
func (r *run) watchUntil(cond func() bool, wake func()) (stop func() bool) {
	return r.watches.add(&watch{met: cond, wake: wake})
}

// watchContext calls wake when ctx has ended, in place of a goroutine.
func (r *run) watchContext(ctx context.Context, timer bool, wake func()) (stop func() bool) {
	if timer {
		r.fail(&failure{kind: realTimer, where: callSite()})
	}
	return r.watches.add(&watch{met: func() bool { return ctx.Err() != nil }, wake: wake})
}

func (ws *watches) add(w *watch) (stop func() bool) {
	ws.all = append(ws.all, w)
	return func() bool {
		was := !w.off
		ws.drop(w)
		return was
	}
}

// drop makes w never wake anybody again. It stays in the list, through which poll may be on its way.
func (ws *watches) drop(w *watch) {
	if !w.off {
		w.off = true
		ws.off++
	}
}

// poll asks all conditions, in order of arrival, and reports whether one was met. To ask and to
// wake may run code that adds watches and drops some.
func (ws *watches) poll() bool {
	met := false
	for i := 0; i < len(ws.all); i++ {
		w := ws.all[i]
		if w.off {
			continue
		}
		if w.met() {
			met = true
			if !w.off { // the end of a ctx may have been told while it was asked for
				ws.drop(w)
				w.wake()
			}
		}
	}
	if ws.off > 0 {
		ws.all = slices.DeleteFunc(ws.all, func(w *watch) bool { return w.off })
		ws.off = 0
	}
	return met
}
