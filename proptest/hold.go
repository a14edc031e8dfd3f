package proptest

import (
	"context"
	"fmt"
	"reflect"
	"strings"
)

// holdings is who holds what.
type holdings []holding

// holding is what one task has taken of one thing, in one call.
type holding struct {
	obj  any
	task context.Context // nil: a callback
	n    int64
	step int
	site *site // only while recording
}

// held hears that a task has taken n of obj, or given back -n.
func (r *run) held(task context.Context, obj any, n int64) {
	if n > 0 {
		h := holding{obj: obj, task: task, n: n, step: r.step}
		if r.rec != nil {
			h.site = callSite()
			r.rec.took(r, task, obj, n)
		}
		r.holds = append(r.holds, h)
		return
	}
	if r.rec != nil {
		r.rec.gave(r, task, obj, -n)
	}
	r.holds.give(task, obj, -n)
}

// give takes n of obj away from the task that gives it back, and from the others, the oldest first, what that
// has not got: locks have no owner.
func (h *holdings) give(task context.Context, obj any, n int64) {
	for _, own := range []bool{true, false} {
		for i := 0; i < len(*h) && n > 0; {
			at := &(*h)[i]
			if at.obj != obj || own != (at.task == task) {
				i++
				continue
			}
			k := min(n, at.n)
			at.n -= k
			n -= k
			if at.n > 0 {
				continue
			}
			*h = append((*h)[:i], (*h)[i+1:]...)
		}
	}
}

// lock names a lock that is held, if there is one.
func (h holdings) lock() string {
	for _, at := range h {
		if t := reflect.TypeOf(at.obj); t.Kind() == reflect.Pointer && strings.HasSuffix(t.Elem().PkgPath(), "turnstile/lock") {
			return fmt.Sprintf("%T", at.obj)
		}
	}
	return ""
}

// of returns the holdings of the thing that has the given piece of memory, if it is held.
func (h holdings) of(piece any) (all []holding) {
	p := reflect.ValueOf(piece)
	if p.Kind() != reflect.Pointer {
		return nil
	}
	for _, at := range h {
		v := reflect.ValueOf(at.obj)
		if v.Kind() == reflect.Pointer && v.Pointer() <= p.Pointer() && p.Pointer() < v.Pointer()+v.Type().Elem().Size() {
			all = append(all, at)
		}
	}
	return all
}
