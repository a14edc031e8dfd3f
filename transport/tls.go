package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/lock"
)

// TLSConn is a TLS connection by crypto/tls, made by [DialTLS], [TLSListener.AcceptConn], [TLSClient] or
// [TLSServer]. It is a [net.Conn], and safe for concurrent use by tasks of any dispatcher and by
// goroutines. Calls of Read are served in order of arrival, and so are calls of Write, whose bytes are never
// mixed; reading and writing do not hinder each other.
//
// A *tls.Conn itself holds mutexes while it waits for the network. A task that reads or writes one is suspended
// with a mutex held, and the next task of its loop that writes, closes it or reads where the peer
// renews its keys stops the loop for ever. A TLSConn enters crypto/tls only when that need not
// wait: what has come is there already, and what goes out is sent afterwards. Use a
// *tls.Conn, over a [Conn] too, on goroutines, or where something asks for that type: net/http for HTTP/2.
//
// # Handshake
//
// The handshake is made by the first call that needs it: Read, Write, CloseWrite, or
// [TLSConn.HandshakeContext], which is to be preferred where it matters how long it takes. The others
// wait for it. Its computations, about a millisecond, run on the loop. If it fails, by the end of the
// ctx of the call that makes it too, the connection can only be closed. Renegotiation is not
// supported: a Config that allows it makes the handshake fail with errors.ErrUnsupported.
//
// # Failure
//
// However a later call ends, the connection is as good as it was. A Read that was canceled
// or has met its deadline has taken nothing. A Write that was has encrypted the bytes that it counts, and they
// are sent before those of the next Write, or as soon as a Read can send them; if its ctx was done or its deadline
// had passed before, these are none. Errors of crypto/tls come as they are, others as those of the connection below.
//
// An end of the stream without the peer's word for it is io.EOF if it comes between two records, and
// io.ErrUnexpectedEOF in one, as in crypto/tls. The calls of the zero value, and of a TLSConn over a nil
// connection, fail with syscall.EINVAL.
type TLSConn struct {
	tls   *tls.Conn
	inner net.Conn
	wire  wire

	ready  atomic.Bool // the handshake is over
	closed atomic.Bool

	// Lock order: shake, reads, writes. They are held in waits, and guard crypto/tls together: before ready is
	// set who has shake is alone in it, then there is one reader and one writer, and Close, which is one.
	shake  lock.AsyncLock
	reads  lock.AsyncLock // guards wire.in
	writes lock.AsyncLock // guards wire.sending
	failed error          // what the handshake ended with; guarded by shake

	writeBy atomic.Pointer[time.Time] // the deadline of writing, for a conn that cannot be asked whether it has passed
}

var errRenegotiation = errors.Join(errors.New("transport: TLS renegotiation is not supported"), errors.ErrUnsupported)

// TLSClient returns the client's end of TLS over conn. As in crypto/tls, cfg must have ServerName
// or InsecureSkipVerify. From then on conn is to be used by the TLSConn alone. If conn has a method With as [Conn]
// and [TLSConn] have, a ctx ends calls that wait; else it is looked at before each wait only, and
// calls end with deadlines and Close. A nil cfg is the zero Config, with which the handshake fails.
func TLSClient(conn net.Conn, cfg *tls.Config) *TLSConn {
	c := &TLSConn{inner: conn}
	c.wire.conn = conn
	if cfg == nil {
		cfg = new(tls.Config)
	}
	c.tls = tls.Client(&c.wire, cfg)
	if cfg.Renegotiation != tls.RenegotiateNever {
		c.failed = errRenegotiation
	}
	return c
}

// TLSServer returns the server's end of TLS over conn, see [TLSClient]. As in crypto/tls, cfg must have
// a certificate or a way to get one; a nil cfg is the zero Config, with which the handshake fails.
func TLSServer(conn net.Conn, cfg *tls.Config) *TLSConn {
	c := &TLSConn{inner: conn}
	c.wire.conn = conn
	if cfg == nil {
		cfg = new(tls.Config)
	}
	c.tls = tls.Server(&c.wire, cfg)
	return c
}

// Handshake is HandshakeContext with the ctx of the task that calls.
func (c *TLSConn) Handshake() error { return c.prepare(ownCtx, c.inner) }

// HandshakeContext makes the handshake if that has not been done, or waits for the one that is under way.
// If it is under way by this call when ctx ends, the connection can only be closed.
func (c *TLSConn) HandshakeContext(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return c.wrap("handshake", park.Failed(err))
	}
	return c.prepare(ctx, with(c.inner, ctx))
}

// Read waits until there is something to read, and reads up to len(p) bytes, at most what one record
// has. With an empty p it makes the handshake only. See [TLSConn] for its errors.
func (c *TLSConn) Read(p []byte) (int, error) { return c.read(ownCtx, c.inner, p) }

// Write waits until all of p is handed to the system. With an error it returns how many bytes are
// encrypted, which those of the next Write come behind.
func (c *TLSConn) Write(p []byte) (int, error) { return c.write(ownCtx, c.inner, p) }

// CloseWrite tells the peer that nothing follows, behind what was written: it reads io.EOF. A Write
// that comes later fails. The connection below is not shut. It may wait as a Write does, and one whose ctx was
// done or whose deadline had passed before tells the peer nothing.
func (c *TLSConn) CloseWrite() error { return c.closeWrite(ownCtx, c.inner) }

func (c *TLSConn) closeWrite(ctx context.Context, below net.Conn) error {
	if err := c.prepare(ctx, below); err != nil {
		return err
	}
	if err := c.acquire(ctx, &c.writes); err != nil {
		return c.wrap("close", err)
	}
	defer c.releaseWrites()
	if c.closed.Load() {
		return c.wrap("close", net.ErrClosed)
	}
	if err := c.wire.flush(below); err != nil {
		return err
	}
	if err := c.barredOver(ctx, below); err != nil {
		return err
	}
	if err := c.tls.CloseWrite(); err != nil {
		return err
	}
	return c.wire.flush(below)
}

// Close closes the connection, and the one below. Calls that wait fail with net.ErrClosed, and so do all to come, a
// second Close among them. If the handshake is over and no Write waits, it tells the peer that
// nothing follows, as far as the system takes that at once: it does not wait. Only over a conn that is
// none of this package it may, up to 5 s, as Close of crypto/tls.
func (c *TLSConn) Close() error {
	if c.inner == nil {
		return c.wrap("close", syscall.EINVAL)
	}
	if c.closed.Swap(true) {
		return c.wrap("close", net.ErrClosed)
	}
	if c.ready.Load() && c.writes.TryAcquire() {
		_ = c.tls.CloseWrite()
		c.wire.sendLast()
		c.writes.Release()
	}
	return c.inner.Close()
}

// ConnectionState returns what the handshake has agreed upon; the zero value before its end. It
// does not wait.
func (c *TLSConn) ConnectionState() tls.ConnectionState {
	if !c.ready.Load() {
		return tls.ConnectionState{}
	}
	return c.tls.ConnectionState()
}

// NetConn returns the connection below.
func (c *TLSConn) NetConn() net.Conn { return c.inner }

// LocalAddr returns the local address.
func (c *TLSConn) LocalAddr() net.Addr {
	if c.inner == nil {
		return nil
	}
	return c.inner.LocalAddr()
}

// RemoteAddr returns the address of the peer.
func (c *TLSConn) RemoteAddr() net.Addr {
	if c.inner == nil {
		return nil
	}
	return c.inner.RemoteAddr()
}

// SetDeadline sets the deadline of the connection below, for reading and writing. When it passes in the handshake, the
// connection can only be closed; else calls work again once a later one is set.
func (c *TLSConn) SetDeadline(t time.Time) error {
	if c.inner == nil {
		return c.wrap("set", syscall.EINVAL)
	}
	return c.writesBy(t, c.inner.SetDeadline(t))
}

// writesBy notes the deadline of writing, unless it could not be set.
func (c *TLSConn) writesBy(t time.Time, err error) error {
	if _, ok := c.inner.(prompt); !ok && err == nil {
		c.writeBy.Store(&t)
	}
	return err
}

// SetReadDeadline is SetDeadline for Read alone.
func (c *TLSConn) SetReadDeadline(t time.Time) error {
	if c.inner == nil {
		return c.wrap("set", syscall.EINVAL)
	}
	return c.inner.SetReadDeadline(t)
}

// SetWriteDeadline is SetDeadline for Write alone.
func (c *TLSConn) SetWriteDeadline(t time.Time) error {
	if c.inner == nil {
		return c.wrap("set", syscall.EINVAL)
	}
	return c.writesBy(t, c.inner.SetWriteDeadline(t))
}

// With returns a view of the connection whose calls that wait also end with ctx, with an error that
// is ctx.Err(), as [Conn.With] does: Read, Write, and what a type assertion finds, Handshake and CloseWrite.
func (c *TLSConn) With(ctx context.Context) net.Conn {
	return &tlsView{c, ctx, with(c.inner, ctx)}
}

// tlsView is a TLSConn with a ctx.
type tlsView struct {
	*TLSConn
	ctx   context.Context
	below net.Conn // with ctx
}

func (v *tlsView) Read(p []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, v.wrap("read", park.Failed(err))
	}
	return v.read(v.ctx, v.below, p)
}

func (v *tlsView) Write(p []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, v.wrap("write", park.Failed(err))
	}
	return v.write(v.ctx, v.below, p)
}

// Handshake is that of the TLSConn with ctx.
func (v *tlsView) Handshake() error { return v.HandshakeContext(v.ctx) }

// CloseWrite is that of the TLSConn with ctx.
func (v *tlsView) CloseWrite() error {
	if err := v.ctx.Err(); err != nil {
		return v.wrap("close", park.Failed(err))
	}
	return v.closeWrite(v.ctx, v.below)
}

// with returns conn with ctx, if it can have one.
func with(conn net.Conn, ctx context.Context) net.Conn {
	if w, ok := conn.(interface {
		With(ctx context.Context) net.Conn
	}); ok {
		return w.With(ctx)
	}
	return conn
}

// prepare makes the handshake, or waits for it.
func (c *TLSConn) prepare(ctx context.Context, below net.Conn) error {
	if c.ready.Load() {
		return nil
	}
	if c.inner == nil {
		return c.wrap("handshake", syscall.EINVAL)
	}
	if err := c.acquire(ctx, &c.shake); err != nil {
		return c.wrap("handshake", err)
	}
	defer c.shake.Release()
	switch {
	case c.ready.Load():
		return nil
	case c.closed.Load():
		return c.wrap("handshake", net.ErrClosed)
	case c.failed != nil:
		return c.wrap("handshake", c.failed)
	}
	if ctx == ownCtx {
		ctx = runningCtx()
	}
	c.failed = errors.New("transport: the TLS handshake has panicked")
	c.wire.via = below
	defer func() { c.wire.via = nil }()
	err := c.tls.HandshakeContext(ctx)
	if err == nil {
		err = c.wire.flush(below)
	} else {
		c.wire.sendLast()
	}
	if err == nil {
		c.failed = nil
		c.ready.Store(true)
		return nil
	}
	c.failed = err
	if passes(err) { // but not for those who come later
		c.failed = errors.New("transport: the TLS handshake was given up: " + err.Error())
	}
	switch e := err.(type) {
	case tls.RecordHeaderError:
		if e.Conn != nil { // the peer does not speak TLS, and the caller may want to talk with it
			e.Conn = c.inner
		}
		return e
	case *net.OpError:
		return e
	}
	if passes(err) {
		return c.wrap("handshake", err)
	}
	return err
}

// passes reports whether err is that of a ctx or a deadline.
func passes(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// runningCtx returns the ctx of the task that calls.
func runningCtx() context.Context {
	if h := park.Running(); h != nil {
		return h.Context()
	}
	return context.Background()
}

// acquire takes a lock.
func (c *TLSConn) acquire(ctx context.Context, l *lock.AsyncLock) error {
	if l.TryAcquire() {
		return nil
	}
	if ctx == ownCtx {
		ctx = runningCtx()
	}
	return l.Acquire(ctx)
}

func (c *TLSConn) read(ctx context.Context, below net.Conn, p []byte) (int, error) {
	if err := c.prepare(ctx, below); err != nil || len(p) == 0 {
		return 0, err
	}
	if err := c.acquire(ctx, &c.reads); err != nil {
		return 0, c.wrap("read", err)
	}
	defer c.reads.Release()
	for {
		if c.closed.Load() {
			return 0, c.wrap("read", net.ErrClosed)
		}
		if c.wire.backlog() > maxAnswers {
			if err := c.settle(ctx, below); err != nil {
				return 0, err
			}
		}
		if c.wire.starved() {
			if err := c.wire.refill(below); err != nil {
				return 0, err
			}
		}
		n, err := c.tls.Read(p)
		c.wire.dry = n < len(p)
		c.answer()
		if err != nil && err != errDry {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// tlsChunk is how much is encrypted before it is sent: four full records.
const tlsChunk = 64 << 10

func (c *TLSConn) write(ctx context.Context, below net.Conn, p []byte) (n int, err error) {
	if err := c.prepare(ctx, below); err != nil {
		return 0, err
	}
	if err := c.acquire(ctx, &c.writes); err != nil {
		return 0, c.wrap("write", err)
	}
	defer c.releaseWrites()
	for first := true; ; first = false {
		if c.closed.Load() {
			return n, c.wrap("write", net.ErrClosed)
		}
		if err := c.wire.flush(below); err != nil || len(p) == 0 && !first {
			return n, err
		}
		if err := c.barredOver(ctx, below); err != nil {
			return n, err
		}
		k, err := c.tls.Write(p[:min(len(p), tlsChunk)])
		n, p = n+k, p[k:]
		if err != nil {
			return n, err
		}
	}
}

// releaseWrites ends a Write. What a Read had to answer meanwhile, it has left behind.
func (c *TLSConn) releaseWrites() {
	c.writes.Release()
	c.answer()
}

// answer sends what is there to be sent, if nobody else does, and as far as the system takes it at once:
// a Read must not wait for a peer that does not read. What remains can wait for the next Write, as
// RFC 8446, section 4.6.3, says of the answer to a renewal of the peer's keys.
func (c *TLSConn) answer() {
	for c.wire.pending.Load() && c.writes.TryAcquire() {
		all := c.wire.push()
		c.writes.Release()
		if !all {
			return
		}
	}
}

// maxAnswers is how many bytes of answers a peer may have that does not read them.
const maxAnswers = 64 << 10

// settle waits until what is there to be sent is.
func (c *TLSConn) settle(ctx context.Context, below net.Conn) error {
	if err := c.acquire(ctx, &c.writes); err != nil {
		return c.wrap("read", err)
	}
	defer c.releaseWrites()
	return c.wire.flush(below)
}

// wrap returns err, which is not of the connection below.
func (c *TLSConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	local := c.LocalAddr()
	e := &net.OpError{Op: op, Source: local, Addr: c.RemoteAddr(), Err: inside(err)}
	if local != nil {
		e.Net = local.Network()
	}
	return e
}
