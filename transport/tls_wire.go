package transport

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is the connection that crypto/tls has: it never waits. What has come is read from a buffer, and
// what is written goes to another; TLSConn fills the one and sends the other when it is outside
// of crypto/tls, so with none of its mutexes held. But in the handshake wire does both by itself:
// nobody else uses crypto/tls then.
type wire struct {
	conn net.Conn // below
	via  net.Conn // in the handshake: conn, with the ctx of the handshake

	// What has come, guarded by TLSConn.reads.
	in    []byte
	r, w  int
	grows bool // the last read has filled in
	eof   bool // nothing follows
	dry   bool // crypto/tls has used up all that it was given, or needs more of it
	at    records

	mu      sync.Mutex
	out     *[]byte     // what crypto/tls has written; guarded by mu
	pending atomic.Bool // there is something in out or sending

	// What is being sent, guarded by TLSConn.writes.
	sending *[]byte
	sent    int // of it
}

// The sizes of the buffer for what comes: it grows when it was full.
const (
	minWire = 4 << 10
	maxWire = 64 << 10
)

// wireBuffers has buffers for what goes out: they are needed while something does.
var wireBuffers = sync.Pool{New: func() any { return new([]byte) }}

// dry says that more has to come first. crypto/tls keeps errors that are not temporary, and returns them
// from then on.
type dry struct{}

func (dry) Error() string   { return "transport: would wait" }
func (dry) Timeout() bool   { return true }
func (dry) Temporary() bool { return true }

var errDry error = dry{}

// Read implements net.Conn. It gives one record at a time, so that dry can be told.
func (w *wire) Read(p []byte) (int, error) {
	for w.r == w.w {
		if w.eof {
			return 0, io.EOF
		}
		if w.via == nil {
			return 0, errDry
		}
		if err := w.flush(w.via); err != nil {
			return 0, err
		}
		if err := w.refill(w.via); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.in[w.r:w.r+w.at.span(w.in[w.r:w.w])])
	w.at.pass(w.in[w.r : w.r+n])
	w.r += n
	return n, nil
}

// starved reports whether crypto/tls has nothing to go on with.
func (w *wire) starved() bool { return w.dry && w.r == w.w && !w.eof }

// refill waits for more. An end of the stream is for crypto/tls to judge.
func (w *wire) refill(from net.Conn) error {
	switch {
	case w.in == nil:
		w.in = make([]byte, minWire)
	case w.grows && len(w.in) < maxWire:
		w.in = make([]byte, 2*len(w.in))
	}
	n, err := from.Read(w.in)
	w.r, w.w, w.grows = 0, n, n == len(w.in)
	switch {
	case err == io.EOF:
		w.eof = true
	case n == 0:
		return err
	}
	return nil
}

// Write implements net.Conn.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		w.out = wireBuffers.Get().(*[]byte)
	}
	*w.out = append(*w.out, p...)
	w.pending.Store(true)
	return len(p), nil
}

// backlog returns how many bytes are to be sent behind those that are being sent.
func (w *wire) backlog() int {
	if !w.pending.Load() {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out == nil {
		return 0
	}
	return len(*w.out)
}

// next returns what is to be sent next, nil if that is nothing.
func (w *wire) next() []byte {
	if w.sending == nil {
		w.mu.Lock()
		w.sending, w.out, w.sent = w.out, nil, 0
		if w.sending == nil {
			w.pending.Store(false)
		}
		w.mu.Unlock()
		if w.sending == nil {
			return nil
		}
	}
	return (*w.sending)[w.sent:]
}

// moved notes that n bytes of what next has returned are sent.
func (w *wire) moved(n int) {
	if w.sent += n; w.sent == len(*w.sending) {
		*w.sending = (*w.sending)[:0]
		wireBuffers.Put(w.sending)
		w.sending = nil
	}
}

// flush waits until all is sent. After an error the rest is still to be.
func (w *wire) flush(to net.Conn) error {
	for w.pending.Load() {
		p := w.next()
		if p == nil {
			break
		}
		n, err := to.Write(p)
		w.moved(n)
		if err != nil {
			return err
		}
	}
	return nil
}

// prompt is what the connections of this package have besides: calls that never wait.
type prompt interface {
	tryWrite(p []byte) (int, error) // writes what goes at once
	barred() error                  // that of a Write which would not even be tried: closed, or late
}

// push sends what the system takes at once, and reports whether that was all.
func (w *wire) push() bool {
	c, ok := w.conn.(prompt)
	for p := w.next(); p != nil; p = w.next() {
		if !ok {
			return false
		}
		n, err := c.tryWrite(p)
		w.moved(n)
		if n < len(p) || err != nil {
			return false
		}
	}
	return true
}

// lastWait is how long the last words to a peer may take, as in crypto/tls.
const lastWait = 5 * time.Second

// sendLast sends what it can, before the connection is closed or given up.
func (w *wire) sendLast() {
	if _, ok := w.conn.(prompt); ok {
		w.push()
		return
	}
	if w.conn.SetWriteDeadline(time.Now().Add(lastWait)) == nil {
		_ = w.flush(w.conn)
	}
}

// The rest of net.Conn. What crypto/tls does with deadlines and Close is done by TLSConn.

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return w.conn.LocalAddr() }
func (w *wire) RemoteAddr() net.Addr             { return w.conn.RemoteAddr() }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
