package core

// PostsUnderLock reports whether the mutex of f is held when a callback is posted.
func PostsUnderLock(f *Future[int]) func() bool {
	held := false
	f.post(&watcher{fn: func() {
		if held = !f.mu.TryLock(); !held {
			f.mu.Unlock()
		}
	}}, poster)
	return func() bool { return held }
}

// TrackedFutures counts the futures that tracking knows, finished ones included.
func TrackedFutures() int {
	t := tracker.Load()
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.futures) + len(t.tasks) + len(t.failed)
}
