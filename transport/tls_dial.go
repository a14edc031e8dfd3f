package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// DialTLS connects as [Dial] does and makes the handshake. A nil cfg is the zero Config, and without a ServerName
// that is the host of addr. If ctx ends first the attempt is given up, and after any error
// nothing is left open.
func DialTLS(ctx context.Context, network, addr string, cfg *tls.Config) (*TLSConn, error) {
	return new(Dialer).DialTLS(ctx, network, addr, cfg)
}

// DialTLS is [DialTLS] with the settings of d, whose Timeout is for the connection without the handshake.
func (d *Dialer) DialTLS(ctx context.Context, network, addr string, cfg *tls.Config) (*TLSConn, error) {
	conn, err := d.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if cfg == nil {
		cfg = new(tls.Config)
	}
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			host = addr
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	c := TLSClient(conn, cfg)
	if err := c.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return c, nil
}

// TLSListener accepts TLS connections. It is made by [ListenTLS] or [NewTLSListener]. It is a
// [net.Listener], and safe for concurrent use by tasks of any dispatcher and by goroutines. The calls of the zero
// value fail with syscall.EINVAL.
//
// For a server of net/http take a [Listener] and its method ServeTLS, which it has HTTP/2 by.
type TLSListener struct {
	l   *Listener
	cfg *tls.Config
}

// ListenTLS listens as [Listen] does. cfg must have a certificate or a way to get one.
func ListenTLS(ctx context.Context, network, addr string, cfg *tls.Config) (*TLSListener, error) {
	if cfg == nil || len(cfg.Certificates) == 0 && cfg.GetCertificate == nil && cfg.GetConfigForClient == nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: errors.New("transport: the TLS config has no certificate")}
	}
	l, err := Listen(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return NewTLSListener(l, cfg), nil
}

// NewTLSListener returns a TLSListener whose connections are those that l accepts.
func NewTLSListener(l *Listener, cfg *tls.Config) *TLSListener { return &TLSListener{l, cfg} }

// AcceptConn waits for the next connection, as [Listener.AcceptConn] does. The handshake is made by the first
// call of the connection that needs it: whoever accepts does not wait for peers that are slow.
func (l *TLSListener) AcceptConn(ctx context.Context) (*TLSConn, error) {
	c, err := l.below().AcceptConn(ctx)
	if err != nil {
		return nil, err
	}
	return TLSServer(c, l.cfg), nil
}

// Accept is AcceptConn for package net. In a task it ends when that is canceled.
func (l *TLSListener) Accept() (net.Conn, error) {
	c, err := l.below().Accept()
	if err != nil {
		return nil, err
	}
	return TLSServer(c, l.cfg), nil
}

// Close stops listening, as [Listener.Close] does.
func (l *TLSListener) Close() error { return l.below().Close() }

// Addr returns the address that is listened on, after Close too.
func (l *TLSListener) Addr() net.Addr { return l.below().Addr() }

// SetDeadline sets the time at which calls that accept fail, as [Listener.SetDeadline] does.
func (l *TLSListener) SetDeadline(t time.Time) error { return l.below().SetDeadline(t) }

// below returns the Listener, a zero one for the zero value.
func (l *TLSListener) below() *Listener {
	if l.l == nil {
		return new(Listener)
	}
	return l.l
}
