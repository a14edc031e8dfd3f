package xsync

// Contended reports whether calls take the mutex.
func (s *Semaphore) Contended() bool { return s.state.Load()&contended != 0 }

// Contended reports whether calls take the mutex.
func (g *WaitGroup) Contended() bool { return g.state.Load()&contended != 0 }

// Hold takes the mutex, which those want who are about to wait, until free is called.
func (s *Semaphore) Hold() (free func()) {
	s.mu.Lock()
	return s.mu.Unlock
}

// Hold takes the mutex, which those want who are about to wait, until free is called.
func (g *WaitGroup) Hold() (free func()) {
	g.mu.Lock()
	return g.mu.Unlock
}
