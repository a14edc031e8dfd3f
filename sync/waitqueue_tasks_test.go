package xsync_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// In a task a wait ends with the ctx that it was given, be that the task's own or another, and however often the task
// has been woken for that before.
func TestWaitQueueEndsWithContextOfTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if err := core.Run(context.Background(), func(ctx context.Context) error {
			var o owner
			limited, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := o.queue.Wait(limited, &o.mu, 1, never)
			wantErr(t, "a ctx below the task's", err, context.DeadlineExceeded)
			task := core.Start(ctx, func(ctx context.Context) error {
				_, err := o.queue.Wait(ctx, &o.mu, 1, never)
				wantErr(t, "canceled in the queue", err, context.Canceled)
				for range 3 {
					o.mu.Lock()
					_, err := o.queue.WaitLocked(ctx, &o.mu, 1, never)
					wantErr(t, "canceled before", err, context.Canceled)
				}
				return err
			})
			task.Cancel()
			if err := task.Wait(ctx); !task.Canceled() {
				t.Errorf("it ends with %v", err)
			}
			o.mu.Lock()
			defer o.mu.Unlock()
			want(t, o.queue.Len(), 0)
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}
