//go:build !ports

package transport

// HungUp reports whether the loop has heard that the connection is hung up.
func (s *Socket) HungUp() bool { return s.sock.rd.hup.Load() }
