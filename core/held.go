package core

import (
	"fmt"
	"log"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// HeldError reports that a task has ended and holds a lock, which nobody else may ever get then. It is
// reported while tracking is on, see [Track]; it is no outcome of the task.
type HeldError struct {
	Task  string    // the function of the task, and where that is
	What  string    // the type of what it holds, such as lock.AsyncLock
	Call  string    // the call by which it has acquired it, such as lock.(*AsyncLock).Acquire
	Place string    // where it has made that call; "" if the task is nothing but the call
	Since time.Time // when it has acquired it
}

// Error names the task, and the place where it has acquired what it holds.
func (e *HeldError) Error() string {
	at := ""
	if e.Place != "" {
		at = " at " + e.Place
	}
	return fmt.Sprintf("core: task %s has ended and holds the %s that it has acquired by %s%s", e.Task, e.What, e.Call, at)
}

// enroll says that the task runs on the calling goroutine, so that what it takes is put down to it.
//
//go:noinline
func (t *task) enroll() { park.Begin(t.body.place()) }

// handIn is the opposite of enroll, and reports what the task has not given back.
//
//go:noinline
func (t *task) handIn() {
	for _, h := range park.End() {
		r := &heldReport{err: &HeldError{Task: h.Task, What: h.What, Call: h.Call, Place: h.Place, Since: h.Since}}
		if t.sched == nil {
			r.RunReady()
			continue
		}
		r.tree, r.report = t.tree, t.sched.loop.Settings().Unhandled
		r.tree.reports.Add(1)
		t.sched.loop.Ready(r)
	}
}

// heldReport is the report of a HeldError.
type heldReport struct {
	err    *HeldError
	report func(error) // nil: it is logged
	tree   *tree       // that counts the report, nil if there is no loop
}

// RunReady comes on the loop, if there is one.
func (r *heldReport) RunReady() {
	if r.tree != nil {
		r.tree.reports.Add(-1)
	}
	if r.report == nil {
		log.Print(r.err)
		return
	}
	r.report(r.err)
}
