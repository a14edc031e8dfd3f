//go:build !windows && !ports

package transport

// retry has the calls that wait try again, though the poller has said nothing.
func (s *side) retry() { s.event() }
