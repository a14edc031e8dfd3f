package transport

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// barred returns why a call must not even begin: the side is shut, or its deadline has passed.
func (s *side) barred() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.shut:
		return s.err
	case s.timed && s.expired():
		return os.ErrDeadlineExceeded
	}
	return nil
}

func (c *Conn) barred() error { return c.wrap("write", c.sock.wr.barred()) }

// barred asks ctx too, where tryWrite of a view does not: what is sent last may be sent when ctx has ended.
func (v *view) barred() error {
	if err := v.ctx.Err(); err != nil {
		return v.wrap("write", park.Failed(err))
	}
	return v.Conn.barred()
}

// tryWrite encrypts of p what goes into one piece, if all that was encrypted before is sent, and sends what the
// system takes at once. The rest of what it counts goes before the next Write, or with Close.
func (c *TLSConn) tryWrite(p []byte) (int, error) {
	if !c.ready.Load() || !c.writes.TryAcquire() {
		return 0, nil
	}
	defer c.releaseWrites()
	if err := c.barred(); err != nil {
		return 0, err
	}
	if !c.wire.push() {
		return 0, nil
	}
	n, err := c.tls.Write(p[:min(len(p), tlsChunk)])
	c.wire.push()
	return n, err
}

func (c *TLSConn) barred() error { return c.barredOver(ownCtx, c.inner) }

// barredOver is barred for a call that goes over below, which is inner with ctx. What is encrypted will be sent,
// so it is asked before that.
func (c *TLSConn) barredOver(ctx context.Context, below net.Conn) error {
	if c.closed.Load() {
		return c.wrap("write", net.ErrClosed)
	}
	if p, ok := below.(prompt); ok {
		return p.barred()
	}
	if ctx != ownCtx && ctx.Err() != nil {
		return c.wrap("write", park.Failed(ctx.Err()))
	}
	if at := c.writeBy.Load(); at != nil && !at.IsZero() && !time.Now().Before(*at) {
		return c.wrap("write", os.ErrDeadlineExceeded)
	}
	return nil
}

func (v *tlsView) barred() error {
	if err := v.ctx.Err(); err != nil {
		return v.wrap("write", park.Failed(err))
	}
	return v.barredOver(v.ctx, v.below)
}
