package core_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestStats: the dispatcher tells the figures of its tasks, to a task exactly, and to others
// when it sleeps or has ended.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string, tasks, idle, blocking int) {
			t.Helper()
			s := d.Stats()
			if s.Tasks != tasks || s.IdleCoroutines != idle || s.Blocking != blocking || s.ParkedCoroutines != 0 {
				t.Errorf("%s: %+v, want %d tasks, %d idle, %d blocking", when, s, tasks, idle, blocking)
			}
		}
		wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
			check("main", 1, 0, 0)
			var tasks []*core.Task
			for range 3 {
				tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error {
					return core.Sleep(ctx, time.Second)
				}))
			}
			check("three more", 4, 0, 0)
			for _, task := range tasks {
				wantErr(t, "Wait", task.Wait(ctx), nil)
			}
			check("they have ended", 1, 3, 0)
			_, err := core.Blocking(ctx, func(context.Context) (int, error) {
				synctest.Wait() // until the loop sleeps
				check("asleep, from elsewhere", 1, 3, 1)
				return 0, nil
			})
			wantErr(t, "Blocking", err, nil)
			err = core.Sleep(ctx, time.Second) // its goroutine may end after the call
			check("Blocking has ended", 1, 3, 0)
			return err
		}), nil)
		check("at the end", 0, 0, 0)
		wantErr(t, "Close", d.Close(), nil)
	})
}

// TestStatsParked counts coroutines that a loop which is locked to its thread cannot get rid of.
func TestStatsParked(t *testing.T) {
	// They stay for good, so it happens in a process of its own.
	if !inSubprocess(t, "stats-parked") {
		out, err := subprocess(t, "TestStatsParked", "stats-parked")
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, "RunOn", core.RunOn(t.Context(), d, func(ctx context.Context) error {
		for range 3 {
			wantErr(t, "Goexit", core.Start(ctx, goexit).Wait(ctx), core.ErrGoexit)
		}
		return core.Sleep(ctx, time.Millisecond)
	}), nil)
	if s := d.Stats(); s.ParkedCoroutines != 3 || s.Tasks != 0 {
		t.Errorf("%+v, want 3 parked coroutines", s)
	}
	wantErr(t, "Close", d.Close(), nil)
	exitNow(t)
}
