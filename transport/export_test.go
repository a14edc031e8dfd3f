package transport

// Waiting returns how many calls of Read and of Write wait.
func (c *Conn) Waiting() (reads, writes int) { return c.sock.rd.waits(), c.sock.wr.waits() }

// Waiting returns how many calls of Accept wait.
func (l *Listener) Waiting() int { return l.sock.rd.waits() }

func (s *side) waits() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.Len()
}

// FD returns the descriptor.
func (c *Conn) FD() int { return c.sock.fd }

// AtBrink has fn called where a call is about to wait, until the function is called that it returns.
func AtBrink(fn func()) (end func()) {
	atBrink = fn
	return func() { atBrink = nil }
}

// MaxStreak is after how many calls a task rests.
const MaxStreak = maxStreak
