package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A peer that says nothing: the handshake ends with the ctx, the deadline, the cancel of the task or Close, whichever
// call makes it; those that wait for it, and all to come, fail too.
func TestTLSSilentPeer(t *testing.T) {
	for name, end := range map[string]struct {
		do   func(c *transport.TLSConn, cancel func()) error
		want error
	}{
		"cancel":   {func(_ *transport.TLSConn, cancel func()) error { cancel(); return nil }, context.Canceled},
		"deadline": {func(c *transport.TLSConn, _ func()) error { return c.SetDeadline(time.Unix(1, 0)) }, os.ErrDeadlineExceeded},
		"close":    {func(c *transport.TLSConn, _ func()) error { return c.Close() }, net.ErrClosed},
	} {
		for _, client := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				everyWay(t, func(w *world) {
					ours, theirs := w.tlsPair(tls.VersionTLS13)
					if !client {
						ours, theirs = theirs, ours
					}
					defer theirs.Close()
					ctx, cancel := core.WithCancel(w.ctx)
					defer cancel()
					first := w.start(func(context.Context) error { return ours.HandshakeContext(ctx) })
					w.readWaits(ours.NetConn().(*transport.Conn), 1)
					second := w.start(func(context.Context) error {
						_, err := ours.Read(make([]byte, 1))
						return err
					})
					w.until(func() bool { return ours.Shakers() == 1 })
					if ours.ConnectionState().HandshakeComplete {
						w.Error("complete")
					}
					if err := end.do(ours, cancel); err != nil {
						w.Fatal(err)
					}
					if err := first.Wait(w.ctx); !errors.Is(err, end.want) {
						w.Fatalf("%v (%T)", err, err)
					}
					// A second caller was not canceled, so it must not look like it.
					err := second.Wait(w.ctx)
					if _, ok := err.(*net.OpError); !ok || errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) != (name == "close") {
						w.Fatalf("%v (%T)", err, err)
					}
					_, err = ours.Write([]byte("x"))
					if _, ok := err.(*net.OpError); !ok {
						w.Fatalf("%v (%T)", err, err)
					}
					if err := ours.Close(); (err == nil) != (name != "close") {
						w.Fatal(err)
					}
				})
			})
		}
	}
}

// In a task the cancel of that task ends a handshake that was given no ctx.
func TestTLSHandshakeOfACanceledTask(t *testing.T) {
	needsSockets(t)
	err := core.Run(t.Context(), func(ctx context.Context) error {
		w := &world{T: t, ctx: ctx, on: ctx}
		ours, theirs := w.tlsPair(tls.VersionTLS13)
		defer theirs.Close()
		defer ours.Close()
		f := core.Async(ctx, func(context.Context) (int, error) { return ours.Write([]byte("x")) })
		w.readWaits(ours.NetConn().(*transport.Conn), 1)
		f.Cancel()
		_, err := f.Await(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The first calls of both ends make the handshake, whatever they are.
func TestTLSHandshakeByTheFirstCall(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.tlsPair(tls.VersionTLS13)
		defer a.Close()
		defer b.Close()
		reader := w.start(func(context.Context) error {
			p := make([]byte, 10)
			n, err := b.Read(p)
			if string(p[:n]) != "first" {
				return errors.Join(err, errors.New(string(p[:n])))
			}
			if n, err := b.Read(p); n != 0 || err != io.EOF {
				return err
			}
			return b.CloseWrite()
		})
		if _, err := a.Write([]byte("first")); err != nil {
			w.Fatal(err)
		}
		if err := a.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		if _, err := a.Write([]byte("x")); err == nil {
			w.Fatal("a Write behind CloseWrite")
		}
		w.join(reader)
		if n, err := a.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			w.Fatal(n, err)
		}
		if s := a.ConnectionState(); !s.HandshakeComplete || s.Version != tls.VersionTLS13 || s.ServerName != "host.example" {
			w.Fatalf("%+v", s)
		}
	})
}

// A callback of the config may wait.
func TestTLSCallbackWaits(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		scfg, ccfg := tlsConfigs()
		scfg = scfg.Clone()
		cert := scfg.Certificates[0]
		scfg.Certificates = nil
		scfg.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &cert, core.Yield(h.Context())
		}
		client, server := transport.TLSClient(a, ccfg), transport.TLSServer(b, scfg)
		defer client.Close()
		defer server.Close()
		other := w.start(server.HandshakeContext)
		if err := client.HandshakeContext(w.ctx); err != nil {
			w.Fatal(err)
		}
		w.join(other)
	})
}

// The first call makes the handshake with the ctx of the task that it is in.
func TestTLSHandshakeHasTheCtxOfTheTask(t *testing.T) {
	everyWay(t, func(w *world) {
		type key struct{}
		a, b := w.pair()
		scfg, ccfg := tlsConfigs()
		scfg = scfg.Clone()
		cert := scfg.Certificates[0]
		scfg.Certificates = nil
		scfg.GetCertificate = func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if v := h.Context().Value(key{}); core.DispatcherOf(w.ctx) != nil && v != "ours" { // a goroutine has no ctx
				w.Errorf("got %v", v)
			}
			return &cert, nil
		}
		client, server := transport.TLSClient(a, ccfg), transport.TLSServer(b, scfg)
		defer client.Close()
		defer server.Close()
		other := core.Start(context.WithValue(w.ctx, key{}, "ours"), func(context.Context) error {
			_, err := server.Write([]byte("x"))
			return err
		})
		if _, err := client.Read(make([]byte, 1)); err != nil {
			w.Fatal(err)
		}
		w.join(other)
	})
}

// A certificate that is refused is told to the peer, and comes as crypto/tls has it, again and again.
func TestTLSBadCertificate(t *testing.T) {
	everyWay(t, func(w *world) {
		scfg, ccfg := tlsConfigs()
		ccfg = ccfg.Clone()
		ccfg.ServerName = "other.example"
		a, b := w.pair()
		client, server := transport.TLSClient(a, ccfg), transport.TLSServer(b, scfg)
		defer client.Close()
		defer server.Close()
		other := w.start(func(ctx context.Context) error {
			err := server.HandshakeContext(ctx)
			var alert tls.AlertError
			if err == nil {
				_, err = server.Read(make([]byte, 1))
			}
			var oe *net.OpError
			if !errors.As(err, &oe) || oe.Op != "remote error" && !errors.As(err, &alert) {
				return err
			}
			return nil
		})
		for range 2 {
			err := client.HandshakeContext(w.ctx)
			var host x509.HostnameError
			if !errors.As(err, &host) || host.Host != "other.example" {
				w.Fatal(err)
			}
		}
		w.join(other)
	})
}

// A peer that does not speak TLS can be answered, as a server of net/http does.
func TestTLSPeerSpeaksPlain(t *testing.T) {
	everyWay(t, func(w *world) {
		scfg, _ := tlsConfigs()
		a, b := w.pair()
		defer a.Close()
		server := transport.TLSServer(b, scfg)
		defer server.Close()
		if _, err := a.Write([]byte("GET / HTTP/1.0\r\n\r\n")); err != nil {
			w.Fatal(err)
		}
		err := server.HandshakeContext(w.ctx)
		var plain tls.RecordHeaderError
		if !errors.As(err, &plain) || plain.Conn != net.Conn(b) || string(plain.RecordHeader[:]) != "GET /" {
			w.Fatal(err)
		}
	})
}

func TestTLSRenegotiationIsRefused(t *testing.T) {
	everyWay(t, func(w *world) {
		_, ccfg := tlsOf(tls.VersionTLS12)
		ccfg.Renegotiation = tls.RenegotiateFreelyAsClient
		a, b := w.pair()
		defer b.Close()
		c := transport.TLSClient(a, ccfg)
		defer c.Close()
		if _, err := c.Write([]byte("x")); !errors.Is(err, errors.ErrUnsupported) {
			w.Fatal(err)
		}
	})
}

// Listener and Dial: who accepts does not wait for the handshake of a silent peer.
func TestTLSDialAndListen(t *testing.T) {
	everyWay(t, func(w *world) {
		scfg, ccfg := tlsConfigs()
		l, err := transport.ListenTLS(w.on, "tcp", "127.0.0.1:0", scfg)
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		silent, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer silent.Close()
		server := w.start(func(ctx context.Context) error {
			first, err := l.AcceptConn(ctx)
			if err != nil {
				return err
			}
			defer first.Close()
			for range 2 {
				c, err := l.Accept()
				if err != nil {
					return err
				}
				if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
					_, err = io.WriteString(c, line)
					if err != nil {
						return err
					}
				}
				c.Close()
			}
			return nil
		})
		// The name of the server is that of the address.
		ccfg = ccfg.Clone()
		ccfg.ServerName = ""
		c, err := transport.DialTLS(w.on, "tcp", l.Addr().String(), ccfg)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := io.WriteString(c, "hello\n"); err != nil {
			w.Fatal(err)
		}
		if all, err := io.ReadAll(c); string(all) != "hello\n" || err != nil {
			w.Fatal(string(all), err)
		}
		if err := c.Close(); err != nil {
			w.Fatal(err)
		}
		if _, err := transport.DialTLS(w.on, "tcp", l.Addr().String(), nil); err == nil {
			w.Fatal("a certificate that nobody knows")
		}
		w.join(server)
		w.join(w.start(func(ctx context.Context) error {
			ctx, cancel := core.WithCancel(core.On(ctx, w.d))
			cancel()
			_, err := transport.DialTLS(ctx, "tcp", l.Addr().String(), ccfg)
			w.isOpError(err, "dial", context.Canceled)
			_, err = transport.ListenTLS(w.on, "tcp", "127.0.0.1:0", nil)
			if err == nil {
				return errors.New("no certificate is needed")
			}
			return nil
		}))
	})
}

// Over any net.Conn, a pipe of package net too.
func TestTLSOverAPipe(t *testing.T) {
	scfg, ccfg := tlsConfigs()
	a, b := net.Pipe()
	client, server := transport.TLSClient(a, ccfg), transport.TLSServer(b, scfg)
	start := func(fn func() error) func() error {
		ended := make(chan error, 1)
		go func() { ended <- fn() }()
		return func() error { return <-ended }
	}
	other := start(func() error {
		if err := getPattern(server, 1<<20); err != nil {
			return err
		}
		return server.CloseWrite()
	})
	if err := sendPattern(client, 1<<20, 1<<17); err != nil {
		t.Error(err)
	}
	if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	if err := other(); err != nil {
		t.Error(err)
	}
	b.Close()
	if err := client.Close(); err != nil { // its last words fail at once: the other end is closed
		t.Error(err)
	}
}
