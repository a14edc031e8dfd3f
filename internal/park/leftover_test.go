//go:build !race

package park_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// The race detector keeps memory of its own, so these tests are not for it.

// What a waiter has brought, taken away or failed with is not kept by the queue, which keeps its place
// for the next one.
func TestPlacesKeepNothing(t *testing.T) {
	type payload struct{ _ [64]byte }
	type failure struct {
		error
		_ [64]byte
	}
	var mu sync.Mutex
	var q park.Queue[*payload]
	waits := func(n int) {
		for {
			mu.Lock()
			got := q.Len()
			mu.Unlock()
			if got == n {
				return
			}
			runtime.Gosched()
		}
	}
	wait := func(v *payload) (ended chan struct{}) {
		ended = make(chan struct{})
		go func() {
			defer close(ended)
			mu.Lock()
			_, _ = q.WaitLocked(context.Background(), &mu, v, nil)
		}()
		return ended
	}
	brought, taken, failed := func() (a, b weak.Pointer[payload], c weak.Pointer[failure]) {
		in, out, err := &payload{}, &payload{}, &failure{error: errors.New("closed")}
		var all [3]chan struct{} // three places
		for i, v := range []*payload{in, nil, nil} {
			all[i] = wait(v)
			waits(i + 1)
		}
		mu.Lock()
		q.Grant()
		q.Hand(out)
		q.Fail(1, err)
		mu.Unlock()
		for _, ended := range all {
			<-ended
		}
		return weak.Make(in), weak.Make(out), weak.Make(err)
	}()
	runtime.GC()
	if brought.Value() != nil || taken.Value() != nil || failed.Value() != nil {
		t.Errorf("kept: what was brought %t, taken %t, the error %t", brought.Value() != nil, taken.Value() != nil, failed.Value() != nil)
	}
	runtime.KeepAlive(&q)
}

// A queue keeps the places of some that have waited, not of all.
func TestPlacesAreBounded(t *testing.T) {
	const queues, waiters = 50, 300
	var before, after runtime.MemStats
	qs := make([]park.Queue[int], queues)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range qs {
		var mu sync.Mutex
		var wg sync.WaitGroup
		for range waiters {
			wg.Go(func() {
				mu.Lock()
				_, _ = qs[i].WaitLocked(context.Background(), &mu, 0, nil)
			})
		}
		for all := false; !all; {
			runtime.Gosched()
			mu.Lock()
			if all = qs[i].Len() == waiters; all {
				qs[i].GrantN(-1)
			}
			mu.Unlock()
		}
		wg.Wait()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / queues; grown > 100*200 {
		t.Errorf("a queue keeps %d bytes", grown)
	}
	runtime.KeepAlive(qs)
}
