package transport

// Waiting returns how many calls wait that receive or accept, and that send or connect.
func (s *Socket) Waiting() (in, out int) { return s.sock.rd.waits(), s.sock.wr.waits() }

// FD returns the descriptor.
func (s *Socket) FD() int { return s.sock.fd }

// Network returns what package net calls such a socket.
func (s *Socket) Network() string { return s.network() }
