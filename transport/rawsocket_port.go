//go:build windows || ports

package transport

// retry has the calls that wait try again, though no operation has ended.
func (s *side) retry() {
	s.mu.Lock()
	s.stir()
	s.mu.Unlock()
}
