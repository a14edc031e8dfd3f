package broken

import (
	"context"
	"slices"

	"github.com/seed-1e54c410/turnstile/core"
)

// line is a queue of waiters made by hand of futures, as it is common where there is no wait queue. It is
// for the tasks of one dispatcher.
type line[T any] struct{ waiting []*core.Future[T] }

// join goes to the end of the line.
func (l *line[T]) join() *core.Future[T] {
	f := core.NewFuture[T]()
	l.waiting = append(l.waiting, f)
	return f
}

// leave takes f out of the line, if it is in it.
func (l *line[T]) leave(f *core.Future[T]) {
	l.waiting = slices.DeleteFunc(l.waiting, func(at *core.Future[T]) bool { return at == f })
}

// wait joins, waits to be woken, and leaves.
func (l *line[T]) wait(ctx context.Context) (T, error) {
	f := l.join()
	defer l.leave(f)
	return f.Await(ctx)
}

// wake gives v to the first who has not been woken, who stays in the line until it runs.
func (l *line[T]) wake(v T) bool {
	for _, f := range l.waiting {
		if f.TryComplete(v) {
			return true
		}
	}
	return false
}

// pop is wake that takes the waiter out of the line.
func (l *line[T]) pop(v T) bool {
	for len(l.waiting) > 0 {
		f := l.waiting[0]
		l.waiting = l.waiting[1:]
		if f.TryComplete(v) {
			return true
		}
	}
	return false
}
