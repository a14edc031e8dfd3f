package transport

// Waiting returns how many calls of Read and of Write wait.
func (p *Pipe) Waiting() (reads, writes int) {
	if p.slow != nil {
		return p.slow.rd.waits(), p.slow.wr.waits()
	}
	return p.sock.rd.waits(), p.sock.wr.waits()
}

// Polled reports whether the poller takes the pipe.
func (p *Pipe) Polled() bool { return p.slow == nil }

func (s *slowSide) waits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.queue.Len()
	if s.wake != nil {
		n++
	}
	return n
}
