package core_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// deaf waits for ever, whatever becomes of its ctx and its dispatcher.
func deaf(context.Context) error {
	for {
		_ = forever(context.Background())
	}
}

// Those that wait elsewhere for a task that its dispatcher leaves suspended for ever when it closes
// hear of it. There is no bubble here, since the tasks stay in it.
func TestAbandonedTasksHoldUpNobody(t *testing.T) {
	if !inSubprocess(t, "abandoned") {
		out, err := subprocess(t, "TestAbandonedTasksHoldUpNobody", "abandoned")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	bg := context.Background()
	d, err := dispatch.New(dispatch.Config{
		CloseTimeout: 50 * time.Millisecond,
		Unhandled:    func(err error) { t.Errorf("Unhandled: %v", err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(bg)
	stopped := make(chan error)
	go func() { stopped <- d.Run(running) }()
	on := core.On(bg, d)
	begun := make(chan struct{}, 16)
	begin := func(ctx context.Context) error {
		begun <- struct{}{}
		return deaf(ctx)
	}
	wantClosed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, dispatch.ErrClosed) {
			t.Errorf("%s: error %v, want %v", what, err, dispatch.ErrClosed)
		}
	}
	tasks := map[string]*core.Task{}
	start := func(name string) *core.Task {
		tasks[name] = core.Start(on, begin)
		<-begun
		return tasks[name]
	}

	ended, waits := make(chan func(), 16), 0
	wait := func(what string, fn func() error) {
		waits++
		go func() {
			err := fn()
			ended <- func() { wantClosed(what, err) }
		}()
	}
	group := make(chan struct{})
	wait("WithGroup", func() error {
		return core.WithGroup(on, func(ctx context.Context, g *core.Group) error {
			defer close(group)
			return g.Go(ctx, begin)
		})
	})
	<-group
	<-begun
	next, stopSeq := core.Pull(on, func(yield func(int, error) bool) {
		yield(1, nil)
		_ = begin(on)
	})
	if v, err, more := next(bg); v != 1 || err != nil || !more {
		t.Errorf("next() = %v, %v, %v", v, err, more)
	}
	wait("next", func() error {
		_, err, _ := next(bg)
		stopSeq()
		return err
	})
	<-begun
	awaited, joined, elsewhere := start("awaited"), start("joined"), start("elsewhere")
	core.Check(start("checked"))
	core.Spawn(on, begin)
	<-begun
	wait("Wait", func() error { return awaited.Wait(bg) })
	wait("Join", func() error { return errors.Join(core.Join(bg, joined), joined.Err()) })
	wait("Wait in a task of another dispatcher", func() error {
		return core.Run(bg, func(context.Context) error { return elsewhere.Wait(bg) })
	})
	var ce *dispatch.CloseError
	stop()
	wantErr(t, "Dispatcher.Run", <-stopped, context.Canceled)
	if err := d.Close(); !errors.As(err, &ce) || len(ce.Tasks) != 7 {
		t.Errorf("Close() = %v, want the names of 7 tasks", err)
	}
	for range waits {
		(<-ended)()
	}
	for name, task := range tasks {
		if task.State() != core.StateFailed || task.Err() != dispatch.ErrClosed {
			t.Errorf("%s: %v, %v", name, task.State(), task.Err())
		}
	}
	f := core.Async(core.On(bg, d), func(context.Context) (int, error) { return 0, nil })
	_, err = f.AwaitOrCancel(bg)
	wantClosed("started too late", err)
	exitNow(t)
}
