package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// A task that a callback starts during Close is refused, though it is the first one that this
// dispatcher ever sees.
func TestFirstTaskDuringClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) { t.Errorf("reported: %v", err) }})
		if err != nil {
			t.Fatal(err)
		}
		runs := func(ctx context.Context) error {
			t.Error("it runs")
			return core.Sleep(ctx, time.Hour)
		}
		var task *core.Task
		wantErr(t, "Post", d.Post(func() {
			task = core.Start(core.On(context.Background(), d), runs)
			core.Spawn(core.On(context.Background(), d), runs)
		}), nil)
		wantErr(t, "Close", d.Close(), nil)
		if !task.Finished() {
			t.Fatal("the task has not ended")
		}
		wantErr(t, "task", task.Err(), dispatch.ErrClosed)
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		nothingLeft(t)
	})
}

// An Unhandled that starts a new task for each that has failed does not hold up Close: a task
// that is refused is not reported.
func TestCloseWithSupervisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands still meanwhile
		const tooMany = 10_000
		var tr trace
		var d *dispatch.Dispatcher
		fails := func(context.Context) error { tr.add("ran"); return errBoom }
		reports := 0
		d, err := dispatch.New(dispatch.Config{Unhandled: func(err error) {
			wantErr(t, "reported", err, errBoom)
			if reports++; reports < tooMany {
				core.Spawn(core.On(context.Background(), d), fails)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		core.Spawn(core.On(context.Background(), d), fails)
		wantErr(t, "Close", d.Close(), nil)
		core.Spawn(core.On(context.Background(), d), fails) // closed altogether
		tr.want(t, "ran")
		if reports != 1 {
			t.Errorf("%d reports, want 1", reports)
		}
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending", n)
		}
		nothingLeft(t)
	})
}
