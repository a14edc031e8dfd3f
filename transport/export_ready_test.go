//go:build !(windows || ports)

package transport

// Readable is what the loop does when there is something to read, on a goroutine of its own as far
// as it needs the mutex.
func (c *Conn) Readable() {
	if rd := &c.sock.rd; rd.told() {
		go rd.nudge()
	}
}
