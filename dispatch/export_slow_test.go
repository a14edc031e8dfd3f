package dispatch

// Watched reports whether a look at the loop will come.
func (d *Dispatcher) Watched() bool {
	d.slow.mu.Lock()
	defer d.slow.mu.Unlock()
	return d.slow.armed.Load()
}

// HasWatchdog reports whether slow callbacks are looked for.
func (d *Dispatcher) HasWatchdog() bool { return d.slow != nil }

// BeforeReport makes the report of a slow callback begin with fn.
func (d *Dispatcher) BeforeReport(fn func()) {
	d.slow.stacks = func() []byte { fn(); return allStacks() }
}

// WatchedCoroutines counts the coroutines that the watchdog knows.
func (d *Dispatcher) WatchedCoroutines() int {
	d.slow.mu.Lock()
	defer d.slow.mu.Unlock()
	return len(d.slow.coroutines)
}
