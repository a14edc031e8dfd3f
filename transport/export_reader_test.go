package transport

// Cap returns the size of the buffer.
func (r *Reader) Cap() int { return len(r.buf) }
