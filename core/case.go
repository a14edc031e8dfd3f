package core

import (
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// AwaitCase returns the case of an xsync.Select that wins when the future is finished. The future
// goes on if another case wins; [Future.Read] tells how it ended.
func (f *Future[T]) AwaitCase() xsync.Case { return f.promiseIn("AwaitCase").awaitCase() }

// WaitCase returns the case of an xsync.Select that wins when the task has ended. The task
// goes on if another case wins; [Task.Err] tells how it ended. In the task itself it never wins.
func (t *Task) WaitCase() xsync.Case { return promiseOf("WaitCase", t).awaitCase() }

func (f *promise) awaitCase() xsync.Case {
	return park.NewCase(&f.waiters, &f.mu, struct{}{}, func(*struct{}) (bool, error) {
		return f.Finished(), nil
	}, nil)
}

// AfterFunc implements park.Clock, for the timers of a Select.
func (t *task) AfterFunc(d time.Duration, fn func()) (stop func()) {
	timer := t.sched.loop.Dispatcher().(*dispatch.Dispatcher).AfterFunc(d, fn)
	return func() { timer.Stop() }
}
