package core

import (
	"strings"
	"sync"
)

// TrackFinish turns on a tracker that knows where futures were finished, until the call of what
// it returns.
func TrackFinish() (stop func()) {
	var mu sync.Mutex
	places := map[*promise]string{}
	tracker.Store(&tracking{
		made: func(*promise) {},
		ended: func(p *promise) {
			mu.Lock()
			defer mu.Unlock()
			for skip := 0; skip < 32 && places[p] == ""; skip++ {
				if place := callerPlace(skip); strings.Contains(place, "_test.go:") && !strings.Contains(place, "export_") {
					places[p] = place
				}
			}
		},
		place: func(p *promise) string {
			mu.Lock()
			defer mu.Unlock()
			return places[p]
		},
	})
	return func() { tracker.Store(nil) }
}

// PostsUnderLock reports whether the mutex of f is held when a callback is posted.
func PostsUnderLock(f *Future[int]) func() bool {
	held := false
	f.post(&watcher{fn: func() {
		if held = !f.mu.TryLock(); !held {
			f.mu.Unlock()
		}
	}})
	return func() bool { return held }
}
