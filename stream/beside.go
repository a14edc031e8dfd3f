package stream

import (
	"context"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
)

// team is the tasks that a stage has beside itself, under the ctx of its sink. It is the one
// way for a stage to have concurrency.
type team struct {
	ctx context.Context

	mu    sync.Mutex
	tasks []*core.Task
}

// start starts fn on a task. It is called before consume of run, or by a task of the team.
func (t *team) start(fn func(ctx context.Context) error) error {
	task, err := launch(t.ctx, fn)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tasks = append(t.tasks, task)
	return err
}

// run runs each of produce on a task of its own, and consume here, and returns when all have
// ended.
//
// Consume returns nil when it has seen the end of all that the others give, and an error when
// it wants no more; then those are canceled. The error is that of consume, or else the first
// one of a task. A panic of consume, or a Goexit, goes on when all have ended. A panic of a
// task goes on here, as a *core.PanicError; a Goexit of it is the error core.ErrGoexit.
func (t *team) run(consume func(ctx context.Context) error, produce ...func(ctx context.Context) error) (err error) {
	returned := false
	defer func() {
		if !returned {
			_, _ = t.end(true) // a panic of consume comes first
		}
	}()
	for _, p := range produce {
		if err = t.start(p); err != nil {
			break
		}
	}
	if err == nil {
		err = consume(t.ctx)
	}
	returned = true
	p, late := t.end(err != nil)
	if p != nil {
		if inner, ok := p.Value.(*core.PanicError); ok {
			p = inner // it has come through here before, in a stage above
		}
		panic(p)
	}
	if err == nil {
		err = late
	}
	return err
}

// end waits for the end of all tasks, and returns the first panic and the first error.
func (t *team) end(cancel bool) (panicked *core.PanicError, first error) {
	if cancel {
		for i := 0; ; i++ {
			task := t.at(i)
			if task == nil {
				break
			}
			task.Cancel()
		}
	}
	// A task that is here when all before it have ended may have started others.
	for i := 0; ; i++ {
		task := t.at(i)
		if task == nil {
			return panicked, first
		}
		err := join(t.ctx, task, cancel)
		if p, ok := err.(*core.PanicError); ok && panicked == nil {
			panicked = p
		}
		if first == nil {
			first = err
		}
	}
}

func (t *team) at(i int) *core.Task {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i >= len(t.tasks) {
		return nil
	}
	return t.tasks[i]
}

// beside is a team of one. The error is that of consume, or else that of produce.
func beside(ctx context.Context, produce, consume func(ctx context.Context) error) error {
	var result error
	t := team{ctx: ctx}
	err := t.run(consume, func(ctx context.Context) error {
		result = produce(ctx)
		return nil
	})
	if err != nil {
		return err
	}
	return result
}

// launch starts fn on a task, and returns when that has begun, so that whoever waits for
// what fn gives can rely on fn. Only a dispatcher that closes lets no task begin; the
// error says so.
func launch(ctx context.Context, fn func(ctx context.Context) error) (*core.Task, error) {
	begun := core.NewFuture[struct{}]()
	t := core.Start(ctx, func(ctx context.Context) error {
		begun.Complete(struct{}{})
		return fn(ctx)
	})
	if core.DispatcherOf(ctx) == nil || begun.Finished() {
		return t, nil
	}
	if _, err := core.Race[core.Waitable](core.Shield(ctx), begun, t); err != nil {
		return t, err
	}
	if !begun.Finished() {
		return t, t.Err()
	}
	return t, nil
}

// join waits for the end of t, whatever becomes of ctx, and returns its error.
func join(ctx context.Context, t *core.Task, cancel bool) error {
	if cancel {
		t.Cancel()
	}
	return t.Wait(core.Shield(ctx))
}
