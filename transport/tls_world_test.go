package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/transport"
)

// tlsConfigs returns the configs of a server and of a client that trusts it, whose name is "host.example".
var tlsConfigs = sync.OnceValues(func() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		DNSNames: []string{"host.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	server = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	client = &tls.Config{RootCAs: pool, ServerName: "host.example"}
	return server, client
})

// tlsOf returns the configs for one version of TLS.
func tlsOf(version uint16) (server, client *tls.Config) {
	server, client = tlsConfigs()
	server, client = server.Clone(), client.Clone()
	server.MaxVersion, client.MaxVersion = version, version
	return server, client
}

// tlsPair returns two ends that have not made their handshake.
func (w *world) tlsPair(version uint16) (client, server *transport.TLSConn) {
	w.Helper()
	s, c := tlsOf(version)
	a, b := w.pair()
	w.small(a, b)
	return transport.TLSClient(a, c), transport.TLSServer(b, s)
}

// tlsReady returns two ends that have made it.
func (w *world) tlsReady(version uint16) (client, server *transport.TLSConn) {
	w.Helper()
	client, server = w.tlsPair(version)
	other := w.start(server.HandshakeContext)
	if err := client.HandshakeContext(w.ctx); err != nil {
		w.Fatal(err)
	}
	w.join(other)
	return client, server
}

// tooMuch is more than what the system holds of one direction after small.
const tooMuch = 1 << 20

// small makes the buffers of the system small, so that less than tooMuch is in them.
func (w *world) small(conns ...interface {
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
},
) {
	w.Helper()
	for _, c := range conns {
		if err := errors.Join(c.SetReadBuffer(32<<10), c.SetWriteBuffer(32<<10)); err != nil {
			w.Fatal(err)
		}
	}
}

// pattern is a stream in which every byte shows where it belongs.
type pattern struct{ at uint64 }

func (p *pattern) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = p.byte()
	}
	return len(b), nil
}

func (p *pattern) byte() byte {
	x := p.at * 0x9e3779b97f4a7c15
	p.at++
	return byte(x >> 56)
}

// Write fails with the first byte that is not in its place.
func (p *pattern) Write(b []byte) (int, error) {
	for i, have := range b {
		if want := p.byte(); have != want {
			return i, fmt.Errorf("byte %d is %#x, want %#x", p.at-1, have, want)
		}
	}
	return len(b), nil
}

// sendPattern writes n bytes of the pattern in pieces of size.
func sendPattern(c io.Writer, n, size int) error {
	var p pattern
	buf := make([]byte, size)
	for n > 0 {
		b := buf[:min(size, n)]
		_, _ = p.Read(b)
		if k, err := c.Write(b); err != nil || k != len(b) {
			return fmt.Errorf("%d bytes left, wrote %d: %w", n, k, err)
		}
		n -= len(b)
	}
	return nil
}

// getPattern reads n bytes of it.
func getPattern(c io.Reader, n int) error {
	k, err := io.CopyN(new(pattern), onlyReader{c}, int64(n))
	if err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", k, n, err)
	}
	return nil
}

type onlyReader struct{ io.Reader }

// handshaker is a TLS connection, ours or that of crypto/tls.
type handshaker interface {
	net.Conn
	HandshakeContext(ctx context.Context) error
	CloseWrite() error
}

// talk has both ends send and receive at once, and close.
func talk(ctx context.Context, c handshaker, n, size int, start func(func() error) func() error) error {
	sent := start(func() error {
		if err := sendPattern(c, n, size); err != nil {
			return err
		}
		return c.CloseWrite()
	})
	err := getPattern(c, n)
	if err == nil {
		if k, end := c.Read(make([]byte, 1)); k != 0 || end != io.EOF {
			err = fmt.Errorf("at the end: %d, %v", k, end)
		}
	}
	return errors.Join(err, sent(), c.Close())
}

// held is a connection whose writes are kept until they are asked for.
type held struct {
	net.Conn
	mu  sync.Mutex
	buf bytes.Buffer
	on  bool
}

func (h *held) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.on {
		return h.buf.Write(p)
	}
	return h.Conn.Write(p)
}
