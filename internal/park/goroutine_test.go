package park_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// lasting is a ctx of somebody else's that cannot end, and is not that of package context.
type lasting struct{ context.Context }

func (lasting) Done() <-chan struct{} { return nil }
func (lasting) Err() error            { return nil }

// lying is a ctx of somebody else's that has ended and does not say why.
type lying struct{ context.Context }

func (lying) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

func (lying) Err() error { return nil }

// A goroutine whose ctx cannot end is granted, and nudged, whatever type that is.
func TestContextsWithoutEnd(t *testing.T) {
	for name, ctx := range map[string]context.Context{
		"Background":    context.Background(),
		"WithValue":     context.WithValue(context.Background(), lasting{}, 1),
		"WithoutCancel": context.WithoutCancel(t.Context()),
		"lasting":       lasting{t.Context()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var c counted
				for _, let := range []func(){
					func() { c.grant(t) },
					func() { c.add(0); synctest.Wait(); c.add(1) },
					func() { c.add(0); c.grant(t) },
				} {
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						if _, err := c.queue.Wait(ctx, &c.mu, 1, c.take); err != nil {
							t.Errorf("Wait() = %v", err)
						}
					}()
					synctest.Wait()
					c.waiting(t, 1)
					let()
					<-ended
					c.waiting(t, 0)
				}
			})
		})
	}
}

// A wait that fails has an error, even where the ctx has none.
func TestContextThatDoesNotSayWhy(t *testing.T) {
	var o owner
	if _, err := o.queue.Wait(lying{t.Context()}, &o.mu, 1, never); err != context.Canceled {
		t.Errorf("Wait() = %v", err)
	}
	o.waiting(t, 0)
}

// A goroutine that is let go does not wait for the mutex of the one who does so: many of them would stand in line
// for it.
func TestGrantedGoroutineTakesNoMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owner
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		results := make(chan error)
		for _, want := range []error{nil, context.DeadlineExceeded} {
			go func() {
				v, err := o.queue.Wait(ctx, &o.mu, 1, never)
				if v != 1 {
					t.Errorf("Wait() = %d", v)
				}
				results <- err
			}()
			synctest.Wait()
			o.mu.Lock()
			o.queue.Fail(1, want)
			if err := <-results; err != want {
				t.Errorf("Wait() = %v, want %v", err, want)
			}
			o.mu.Unlock()
			o.waiting(t, 0)
		}
	})
}
