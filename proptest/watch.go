package proptest

import (
	"context"
	"slices"
)

// watch is a condition that a task waits for, and that nobody tells of: it is asked behind every step.
type watch struct {
	met  func() bool
	wake func()
}

// watchUntil calls wake when cond is so.
func (r *run) watchUntil(cond func() bool, wake func()) (stop func() bool) {
	return r.watch(&watch{cond, wake})
}

// watchContext calls wake when ctx has ended, in place of a goroutine.
func (r *run) watchContext(ctx context.Context, timer bool, wake func()) (stop func() bool) {
	if timer {
		r.fail(&failure{kind: realTimer, where: callSite()})
	}
	return r.watch(&watch{func() bool { return ctx.Err() != nil }, wake})
}

func (r *run) watch(w *watch) (stop func() bool) {
	r.watches = append(r.watches, w)
	return func() bool {
		i := slices.Index(r.watches, w)
		if i < 0 {
			return false
		}
		r.watches = slices.Delete(r.watches, i, i+1)
		return true
	}
}

// poll asks all conditions, in order of arrival, and reports whether one was met.
func (r *run) poll() bool {
	met := false
	for i := 0; i < len(r.watches); {
		w := r.watches[i]
		if !w.met() {
			i++
			continue
		}
		r.watches = slices.Delete(r.watches, i, i+1)
		w.wake()
		met = true
	}
	return met
}
