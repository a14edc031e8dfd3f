package core_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

func TestWithDeadline(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		start := time.Now()
		for i := range 3 {
			short, cancel := core.WithDeadline(at(ctx, i), start.Add(time.Duration(i+1)*time.Minute))
			if d, ok := short.Deadline(); !ok || !d.Equal(start.Add(time.Duration(i+1)*time.Minute)) {
				t.Errorf("Deadline() = %v, %t", d, ok)
			}
			wantErr(t, "Sleep", core.Sleep(short, time.Minute-1), nil)
			wantErr(t, "Sleep", core.Sleep(short, time.Hour), context.DeadlineExceeded)
			if took := time.Since(start); took != time.Duration(i+1)*time.Minute {
				t.Errorf("it took %v", took)
			}
			wantErr(t, "Cause", context.Cause(short), context.DeadlineExceeded)
			cancel()
			wantErr(t, "Err", short.Err(), context.DeadlineExceeded)

			// A deadline above that is earlier, one that is over, and one that does not matter.
			outer, cancelOuter := core.WithDeadline(at(ctx, i), time.Now().Add(time.Second))
			inner, cancelInner := core.WithDeadline(outer, time.Now().Add(time.Hour))
			if d, ok := inner.Deadline(); !ok || time.Until(d) != time.Second {
				t.Errorf("Deadline() = %v, %t", d, ok)
			}
			wantErr(t, "inner", forever(inner), context.DeadlineExceeded)
			cancelInner()
			cancelOuter()
			for _, when := range []time.Time{time.Now(), {}, time.Now().Add(-time.Hour)} {
				over, cancel := core.WithDeadline(at(ctx, i), when)
				wantErr(t, "Err", over.Err(), context.DeadlineExceeded)
				cancel()
			}
			far, cancel := core.WithDeadline(at(ctx, i), time.Now().AddDate(5000, 0, 0))
			wantErr(t, "Sleep", core.Sleep(far, time.Hour), nil)
			cancel()
			wantErr(t, "Err", far.Err(), context.Canceled)
			start = time.Now().Add(-time.Duration(i+1) * time.Minute)
		}
	})
}

// The clock is that of the dispatcher.
func TestWithDeadlineOn(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	now := int64(5)
	seam.Of(d).Simulate(&seam.Sim{Now: func() int64 { return now }})
	at := d.Now().Add(time.Hour)
	ctx, cancel := core.WithDeadline(core.On(context.Background(), d), at)
	defer cancel()
	if got, ok := ctx.Deadline(); !ok || !got.Equal(at) {
		t.Errorf("Deadline() = %v, %t", got, ok)
	}
	now += int64(time.Hour) - 1
	_, err = d.Poll(0)
	wantErr(t, "Poll", err, nil)
	wantErr(t, "Err before the time", ctx.Err(), nil)
	now++
	_, err = d.Poll(0)
	wantErr(t, "Poll", err, nil)
	wantErr(t, "Err", ctx.Err(), context.DeadlineExceeded)
	wantErr(t, "Close", d.Close(), nil)
	over, cancel := core.WithDeadline(core.On(context.Background(), d), at.Add(time.Hour))
	defer cancel()
	wantErr(t, "of a closed dispatcher", context.Cause(over), dispatch.ErrClosed)
}

func TestShieldTimeout(t *testing.T) {
	inPlaces(t, func(t *testing.T, ctx context.Context, at place) {
		for i := range 3 {
			outer, cancelOuter := core.WithTimeout(at(ctx, i), time.Second)
			task := core.Start(outer, func(ctx context.Context) error {
				defer func() {
					start := time.Now()
					clean, cancel := core.ShieldTimeout(ctx, time.Minute)
					defer cancel()
					wantErr(t, "its Err", clean.Err(), nil)
					if d, ok := clean.Deadline(); !ok || d.Sub(start) != time.Minute {
						t.Errorf("its deadline is %v", d)
					}
					if core.DispatcherOf(clean) != core.DispatcherOf(ctx) {
						t.Error("it is elsewhere")
					}
					wantErr(t, "Sleep", core.Sleep(clean, time.Minute-1), nil)
					wantErr(t, "Sleep", core.Sleep(clean, time.Hour), context.DeadlineExceeded)
					if took := time.Since(start); took != time.Minute {
						t.Errorf("it took %v", took)
					}
					// A shield in a shield knows nothing of that deadline.
					again, cancel := core.ShieldTimeout(clean, time.Hour)
					wantErr(t, "Sleep", core.Sleep(again, time.Minute), nil)
					cancel()
					wantErr(t, "Sleep", core.Sleep(again, time.Minute), context.Canceled)
					over, cancel := core.ShieldTimeout(ctx, 0)
					wantErr(t, "of no time", over.Err(), context.DeadlineExceeded)
					cancel()
				}()
				return forever(ctx)
			})
			wantErr(t, "Join", core.Join(ctx, task), nil)
			wantErr(t, "the task", task.Err(), context.DeadlineExceeded)
			cancelOuter()
		}
	})
}

// What a shielded wait is granted at the last moment is not lost, and a cancel from another
// goroutine does not reach it.
func TestShieldTimeoutFromGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{})
		f := core.NewFuture[int]()
		task := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
			_ = forever(ctx)
			clean, cancel := core.ShieldTimeout(ctx, time.Second)
			defer cancel()
			v, err := f.Await(clean)
			if v != 7 || err != nil {
				t.Errorf("Await() = %v, %v", v, err)
			}
			return err
		})
		for range 3 {
			task.Cancel()
			synctest.Wait()
		}
		f.Complete(7)
		<-task.Done()
		wantErr(t, "the task", task.Err(), nil)
		wantErr(t, "Close", stop(), nil)
	})
}
