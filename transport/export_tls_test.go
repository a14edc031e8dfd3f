package transport

// Readers returns how many calls of Read wait for another.
func (c *TLSConn) Readers() int { return c.reads.Stats().Waiting }

// Writers returns how many calls of Write wait for another.
func (c *TLSConn) Writers() int { return c.writes.Stats().Waiting }

// Shakers returns how many calls wait for a handshake.
func (c *TLSConn) Shakers() int { return c.shake.Stats().Waiting }

// Backlog returns how many bytes are there to be sent that no Write is sending.
func (c *TLSConn) Backlog() int { return c.wire.backlog() }
