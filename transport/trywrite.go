package transport

// tryWrite writes what the system takes at once of p, and never waits: 0 bytes if that is nothing, or
// if calls of Write wait already. It fails as a Write would.
func (c *Conn) tryWrite(p []byte) (int, error) {
	n, err := c.sock.wr.tryWrite(p)
	return n, c.wrap("write", err)
}
