package park_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Who is granted after his match function has panicked hears of that, or is not granted: others have the mutex by then.
func TestMatchingGrantBehindAPanic(t *testing.T) {
	for range 50 {
		var o owner
		told, granted := 0, false
		locked := make(chan struct{})
		var other sync.WaitGroup
		joined := false
		c := park.Matching(park.NewCase(&o.queue, &o.mu, 1, never, func(int, error) { told++ }), func() {
			if joined {
				return
			}
			joined = true
			other.Go(func() {
				o.mu.Lock()
				close(locked)
				for range 100 { // until the other one waits for the mutex, as far as that can be told
					runtime.Gosched()
				}
				granted = o.queue.Grant()
				o.mu.Unlock()
			})
			o.mu.Unlock()
			<-locked
			panic("boom")
		})
		func() {
			defer func() {
				if r := recover(); r != "boom" {
					t.Errorf("panic %v", r)
				}
			}()
			_, _ = park.Select(context.Background(), []park.Case{c})
		}()
		other.Wait()
		if granted != (told == 1) {
			t.Fatalf("granted %v, and told %d times", granted, told)
		}
		o.waiting(t, 0)
	}
}

// One that is granted by its match function before that panics hears of it, one that is not has left; either may be
// used again.
func TestMatchingPanic(t *testing.T) {
	for _, grants := range []bool{true, false} {
		var o owner
		told, calls := 0, 0
		c := park.Matching(park.NewCase(&o.queue, &o.mu, 1, never, func(int, error) { told++ }), func() {
			if calls++; grants || calls == 3 {
				o.queue.Grant()
			}
			if calls == 1 {
				o.mu.Unlock()
				panic("boom")
			}
		})
		for range 2 {
			func() {
				defer func() {
					if r := recover(); r != nil && r != "boom" {
						t.Errorf("panic %v", r)
					}
				}()
				_, _ = park.Select(context.Background(), []park.Case{c})
			}()
			o.waiting(t, 0)
		}
		if want := map[bool]int{true: 2, false: 1}[grants]; told != want {
			t.Errorf("granted %v: told %d times, want %d", grants, told, want)
		}
	}
}
