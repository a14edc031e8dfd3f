package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// A Write that is too late from the start has encrypted nothing: what the peer gets is what was counted.
func TestTLSWriteTooLate(t *testing.T) {
	// below is what TLS is over, and ctx one that is done.
	for name, over := range map[string]func(w *world, c *transport.Conn, peer *transport.Conn) (x, y net.Conn){
		"conn": func(_ *world, c, peer *transport.Conn) (x, y net.Conn) { return c, peer },
		"view": func(w *world, c, peer *transport.Conn) (x, y net.Conn) { return c.With(w.ctx), peer },
		"TLS": func(_ *world, c, peer *transport.Conn) (x, y net.Conn) {
			scfg, ccfg := tlsConfigs()
			return transport.TLSClient(c, ccfg), transport.TLSServer(peer, scfg)
		},
		"conn of others": func(_ *world, c, peer *transport.Conn) (x, y net.Conn) { return struct{ net.Conn }{c}, peer },
	} {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(w *world) {
				c, peer := w.pair()
				x, y := over(w, c, peer)
				scfg, ccfg := tlsConfigs()
				a, b := transport.TLSClient(x, ccfg), transport.TLSServer(y, scfg)
				defer a.Close()
				defer b.Close()
				other := w.start(b.HandshakeContext)
				if err := a.HandshakeContext(w.ctx); err != nil {
					w.Fatal(err)
				}
				w.join(other)
				done, cancel := context.WithCancel(w.ctx)
				late := a.With(done)
				cancel()
				no := func(n int, err, want error) {
					w.Helper()
					if n != 0 || !errors.Is(err, want) {
						w.Errorf("Write = %d, %v, want %v", n, err, want)
					}
				}
				n, err := late.Write([]byte("canceled"))
				no(n, err, context.Canceled)
				no(0, late.(interface{ CloseWrite() error }).CloseWrite(), context.Canceled)
				for _, set := range []func(time.Time) error{a.SetWriteDeadline, a.SetDeadline} {
					if err := set(longAgo); err != nil {
						w.Error(err)
					}
					n, err = a.Write([]byte("late"))
					no(n, err, os.ErrDeadlineExceeded)
					n, err = a.With(w.ctx).Write([]byte("late"))
					no(n, err, os.ErrDeadlineExceeded)
					no(0, a.CloseWrite(), os.ErrDeadlineExceeded)
					if err := set(time.Time{}); err != nil {
						w.Error(err)
					}
				}
				if n, err := a.Write([]byte("in time")); n != 7 || err != nil {
					w.Errorf("Write = %d, %v", n, err)
				}
				buf := make([]byte, 50)
				if n, err := b.Read(buf); string(buf[:n]) != "in time" || err != nil {
					w.Errorf("the peer has got %q, %v", buf[:n], err)
				}
			})
		})
	}
}

// tallied is a connection that counts what it has read.
type tallied struct {
	net.Conn
	n atomic.Int64
}

func (c *tallied) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Close says its last words over all that is of this package, and never waits for room for them.
func TestTLSCloseOver(t *testing.T) {
	needsSockets(t)
	for name, over := range map[string]func(ctx context.Context, c *transport.Conn) net.Conn{
		"conn": func(_ context.Context, c *transport.Conn) net.Conn { return c },
		"view": func(ctx context.Context, c *transport.Conn) net.Conn { return c.With(ctx) },
		"view whose ctx is done": func(ctx context.Context, c *transport.Conn) net.Conn {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			return c.With(ctx)
		},
		"TLS": func(_ context.Context, c *transport.Conn) net.Conn {
			_, ccfg := tlsConfigs()
			return transport.TLSClient(c, ccfg)
		},
		"view of TLS": func(ctx context.Context, c *transport.Conn) net.Conn {
			_, ccfg := tlsConfigs()
			return transport.TLSClient(c, ccfg).With(ctx)
		},
	} {
		for _, full := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", full"}[full], func(t *testing.T) {
				err := core.Run(t.Context(), func(ctx context.Context) error {
					w := &world{t, ctx, ctx, core.DispatcherOf(ctx)}
					c, peer := w.pair()
					w.small(c, peer)
					scfg, ccfg := tlsConfigs()
					got := &tallied{Conn: peer}
					a, y := transport.TLSClient(over(ctx, c), ccfg), net.Conn(got)
					if name == "TLS" || name == "view of TLS" {
						y = transport.TLSServer(got, scfg)
					}
					b := transport.TLSServer(y, scfg)
					other := w.start(b.HandshakeContext)
					if err := a.HandshakeContext(ctx); err != nil {
						w.Fatal(err)
					}
					w.join(other)
					if full {
						ctx, cancel := core.WithCancel(ctx)
						writer := w.start(func(context.Context) error {
							_, err := a.With(ctx).Write(make([]byte, 4*tooMuch))
							return err
						})
						w.writeWaits(c, 1)
						cancel()
						if err := writer.Wait(w.ctx); !errors.Is(err, context.Canceled) {
							w.Error(err)
						}
					}
					before, others := got.n.Load(), false
					task := w.start(func(ctx context.Context) error {
						err := core.Yield(ctx)
						others = true
						return err
					})
					if err := a.Close(); err != nil {
						w.Error(err)
					}
					if others {
						w.Error("Close has waited")
					}
					w.join(task)
					if !full {
						if _, err := b.Read(make([]byte, 1)); err != io.EOF {
							w.Error(err)
						}
						// An alert is 24 bytes, and one inside of another TLS has to be with that.
						least := map[string]int64{"TLS": 60, "view of TLS": 60}[name]
						if n := got.n.Load() - before; n <= least {
							w.Errorf("the peer was told %d bytes", n)
						}
					}
					b.Close()
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Handshake and CloseWrite of a view end with its ctx.
func TestTLSViewWaits(t *testing.T) {
	everyWay(t, func(w *world) {
		type viewed interface {
			net.Conn
			Handshake() error
			CloseWrite() error
		}
		a, b := w.tlsPair(tls.VersionTLS13)
		ctx, cancel := core.WithCancel(w.ctx)
		shaker := w.start(func(context.Context) error { return a.With(ctx).(viewed).Handshake() })
		w.readWaits(a.NetConn().(*transport.Conn), 1)
		cancel()
		w.isOpErrorIn(shaker.Wait(w.ctx), context.Canceled)
		w.isOpErrorIn(a.With(ctx).(viewed).Handshake(), context.Canceled)
		a.Close()
		b.Close()

		a, b = w.tlsReady(tls.VersionTLS13)
		defer a.Close()
		defer b.Close()
		ctx, cancel = core.WithCancel(w.ctx)
		defer cancel()
		writer := w.start(func(context.Context) error { _, err := a.Write(make([]byte, 4*tooMuch)); return err })
		w.writeWaits(a.NetConn().(*transport.Conn), 1)
		closer := w.start(func(context.Context) error { return a.With(ctx).(viewed).CloseWrite() })
		w.until(func() bool { return a.Writers() == 1 })
		cancel()
		w.isOpErrorIn(closer.Wait(w.ctx), context.Canceled)
		a.Close()
		w.isOpErrorIn(writer.Wait(w.ctx), net.ErrClosed)
	})
}

// isOpErrorIn is isOpError for an error of any call.
func (w *world) isOpErrorIn(err, target error) {
	w.Helper()
	if oe, ok := err.(*net.OpError); !ok || !errors.Is(oe, target) {
		w.Errorf("got %v (%T), want one that is %v", err, err, target)
	}
}

// What waits is not what the view has from the connection itself, which knows nothing of ctx.
func TestTLSViewHasAll(t *testing.T) {
	known := map[string]bool{ // without a wait, or with a ctx of its own
		"Close": false, "ConnectionState": false, "LocalAddr": false, "NetConn": false, "RemoteAddr": false,
		"SetDeadline": false, "SetReadDeadline": false, "SetWriteDeadline": false, "With": false, "HandshakeContext": false,
		"Handshake": true, "CloseWrite": true, "Read": true, "Write": true,
		// Those of tests.
		"Readers": false, "Writers": false, "Shakers": false, "Backlog": false,
	}
	c := transport.TLSClient(nil, nil)
	ofAll, ofView := reflect.TypeOf(c), reflect.TypeOf(c.With(t.Context()))
	for m := range ofAll.Methods() {
		waits, ok := known[m.Name]
		if !ok {
			t.Errorf("%s: say whether it waits, and if so give it to the view", m.Name)
		}
		vm, ok := ofView.MethodByName(m.Name)
		if !ok {
			continue
		}
		file, _ := runtime.FuncForPC(vm.Func.Pointer()).FileLine(vm.Func.Pointer())
		if promoted := file == "<autogenerated>"; waits && promoted {
			t.Errorf("%s is not that of the view", m.Name)
		}
	}
}

// Without a Config there is a handshake that fails.
func TestTLSWithoutConfig(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, server := range []bool{true, false} {
			scfg, ccfg := tlsConfigs()
			if server {
				scfg = nil
			} else {
				ccfg = nil
			}
			x, y := w.pair()
			a, b := transport.TLSClient(x, ccfg), transport.TLSServer(y, scfg)
			other := w.start(func(ctx context.Context) error {
				defer b.Close()
				return b.HandshakeContext(ctx)
			})
			err := a.Handshake()
			a.Close()
			if err2 := other.Wait(w.ctx); err == nil || err2 == nil {
				w.Errorf("handshakes: %v, %v", err, err2)
			}
		}
	})
}
