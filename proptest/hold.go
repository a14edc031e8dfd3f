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
}

// held hears that a task has taken n of obj, or given back -n.
func (r *run) held(task context.Context, obj any, n int64) {
	if r.rec != nil {
		r.rec.held(r, task, obj, n)
	}
	if n > 0 {
		r.holds = append(r.holds, holding{obj: obj, task: task, n: n})
		return
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
