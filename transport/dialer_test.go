//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// hosts is a Resolver that knows names by family, "ip4 name" and "ip6 name".
type hosts map[string]string

func (h hosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	list, ok := h[network+" "+host]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return ips(list), nil
}

// LookupPort is that of a Resolver that knows services, too.
func (h hosts) LookupPort(_ context.Context, network, service string) (int, error) {
	var port int
	_, err := fmt.Sscan(h[network+" "+service], &port)
	return port, err
}

// needs6 skips a test on a system without IPv6.
func needs6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("the system has no IPv6: ", err)
	}
	l.Close()
}

func portOf(a net.Addr) string {
	_, port, _ := net.SplitHostPort(a.String())
	return port
}

// accepted accepts a connection and returns its peer's address.
func (w *world) accepted(l *transport.Listener) string {
	w.Helper()
	c, err := l.AcceptConn(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	c.Close()
	return c.RemoteAddr().String()
}

// An address that does not answer does not hold up the other one, and is given up when that has won.
func TestDialHappyEyeballs(t *testing.T) {
	needs6(t)
	everyWay(t, func(w *world) {
		// A port that is free for IPv6 may be in use for IPv4.
		var l *transport.Listener
		var port string
		for l == nil {
			addr, end := deafOn(w.T, "::1")
			defer end()
			_, port, _ = net.SplitHostPort(addr)
			var err error
			if l, err = transport.Listen(w.on, "tcp4", "127.0.0.1:"+port); err != nil && !errors.Is(err, syscall.EADDRINUSE) {
				w.Fatal(err)
			}
		}
		defer l.Close()
		d := transport.Dialer{
			FallbackDelay: time.Millisecond,
			Resolver:      hosts{"ip6 name": "::1", "ip4 name": "127.0.0.1", "tcp service": port},
		}
		for _, addr := range []string{"name:" + port, "name:service"} {
			before := openFDs()
			c, err := d.Dial(w.on, "tcp", addr)
			if err != nil {
				w.Fatal(err)
			}
			if got := c.RemoteAddr().String(); got != l.Addr().String() {
				w.Errorf("connected to %s", got)
			}
			if n := openFDs() - before; before > 0 && n != 1 {
				w.Errorf("%d descriptors for a connection", n)
			}
			c.Close()
			w.accepted(l)
		}
	})
}

// One that refuses makes the next attempt begin at once; the delay would be too long.
func TestDialNextAtOnce(t *testing.T) {
	needs6(t)
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		for _, delay := range []time.Duration{never, -1} {
			d := transport.Dialer{FallbackDelay: delay, Resolver: hosts{"ip6 name": "::1 ::1", "ip4 name": "127.0.0.1"}}
			c, err := d.Dial(w.on, "tcp", "name:"+portOf(l.Addr()))
			if err != nil {
				w.Fatal(err)
			}
			c.Close()
			w.accepted(l)
		}
	})
}

// The networks with a family ask for that alone.
func TestDialFamily(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		l := w.listen()
		defer l.Close()
		d := transport.Dialer{Resolver: hosts{"ip4 name": "127.0.0.1"}}
		c, err := d.Dial(w.on, "tcp4", "name:"+portOf(l.Addr()))
		if err != nil {
			w.Fatal(err)
		}
		c.Close()
		_, err = d.Dial(w.on, "tcp6", "name:"+portOf(l.Addr()))
		if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsNotFound {
			w.Error(err)
		}
		_, err = d.Dial(w.on, "tcp", "other:1")
		if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsNotFound {
			w.Error(err)
		}
		d.Resolver = hosts{"ip4 name": "::1", "ip6 name": "127.0.0.1"} // the wrong ones
		_, err = d.Dial(w.on, "tcp", "name:1")
		if _, ok := errors.AsType[*net.AddrError](err); !ok {
			w.Error(err)
		}
	})
}

// resolverFunc is a Resolver.
type resolverFunc func(ctx context.Context, network, host string) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return f(ctx, network, host)
}

// While a name is looked up, which takes until another task has run, the loop goes on.
func TestDialLooksUpBesideTheLoop(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		began, ran := make(chan struct{}, 2), make(chan struct{})
		d := transport.Dialer{Resolver: resolverFunc(func(_ context.Context, network, _ string) ([]netip.Addr, error) {
			began <- struct{}{}
			<-ran
			if network == "ip6" {
				return nil, errNotFound
			}
			return ips("127.0.0.1"), nil
		})}
		task := w.start(func(ctx context.Context) error {
			c, err := d.Dial(core.On(ctx, w.d), "tcp", "name:"+portOf(l.Addr()))
			if err == nil {
				err = c.Close()
			}
			return err
		})
		// Both families are being asked for at the same time.
		w.until(func() bool { return len(began) == 2 })
		close(ran)
		w.join(task)
		w.accepted(l)
	})
}

// A Dial that is canceled, wherever it is, leaves nothing behind.
func TestDialCanceledLeavesNothing(t *testing.T) {
	needs6(t)
	everyWay(t, func(w *world) {
		addr, end := deafOn(w.T, "::1")
		defer end()
		_, port, _ := net.SplitHostPort(addr)
		lookups := make(chan struct{}, 2)
		defer w.listen().Close() // the poller has its own descriptors from here on
		before := openFDs()
		var attempts atomic.Int32
		for _, d := range []transport.Dialer{
			{Resolver: hosts{"ip6 name": "::1 ::1", "ip4 name": ""}, FallbackDelay: time.Millisecond},
			{Resolver: resolverFunc(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
				lookups <- struct{}{}
				<-ctx.Done()
				return nil, fmt.Errorf("lookup: %w", ctx.Err())
			})},
		} {
			d.Control = func(context.Context, string, string, syscall.RawConn) error {
				attempts.Add(1)
				return nil
			}
			ctx, cancel := context.WithCancel(w.ctx)
			task := w.start(func(context.Context) error {
				_, err := d.Dial(core.On(ctx, w.d), "tcp", "name:"+port)
				return err
			})
			w.until(func() bool { return len(lookups) == 2 || attempts.Load() == 2 })
			cancel()
			err := task.Wait(w.ctx)
			if w.isOpError(err, "dial", context.Canceled); strings.Contains(err.Error(), "lookup") {
				w.Errorf("%v is not the error of the ctx", err)
			}
			if n := openFDs(); n != before {
				w.Errorf("%d descriptors more", n-before)
			}
			_, err = d.Dial(core.On(ctx, w.d), "tcp", "name:"+port)
			w.isOpError(err, "dial", context.Canceled)
		}
	})
}

// The error of a lookup that ends with its ctx is that of the ctx, whatever the resolver makes of it.
func TestDialCanceledLookup(t *testing.T) {
	everyWay(t, func(w *world) {
		ctx, cancel := context.WithCancel(w.ctx)
		asked := make(chan struct{})
		d := transport.Dialer{Resolver: resolverFunc(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			close(asked)
			<-ctx.Done()
			return nil, errNotFound
		})}
		task := w.start(func(context.Context) error {
			_, err := d.Dial(core.On(ctx, w.d), "tcp4", "name:1")
			return err
		})
		w.until(func() bool {
			select {
			case <-asked:
				return true
			default:
				return false
			}
		})
		cancel()
		w.isOpError(task.Wait(w.ctx), "dial", context.Canceled)
	})
}

func TestDialTimeout(t *testing.T) {
	everyWay(t, func(w *world) {
		addr, end := deaf(w.T)
		defer end()
		d := transport.Dialer{Timeout: time.Millisecond}
		_, err := d.Dial(w.on, "tcp", addr)
		if oe := w.isOpError(err, "dial", os.ErrDeadlineExceeded); !oe.Timeout() || oe.Addr.String() != addr {
			w.Error(err)
		}
		d.Resolver = resolverFunc(func(ctx context.Context, _, _ string) ([]netip.Addr, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		_, err = d.Dial(w.on, "tcp", "name:1")
		w.isOpError(err, "dial", os.ErrDeadlineExceeded)
		// The ctx comes first.
		ctx, cancel := core.WithTimeout(w.on, 0)
		defer cancel()
		_, err = d.Dial(ctx, "tcp", addr)
		w.isOpError(err, "dial", context.DeadlineExceeded)
		// What fails in time says so.
		d.Timeout = never
		_, err = d.Dial(w.on, "tcp", "127.0.0.1:0")
		if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			w.Error(err)
		}
	})
}

func TestDialFrom(t *testing.T) {
	everyWay(t, func(w *world) {
		l, err := transport.Listen(w.on, "tcp", ":0")
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		port := portOf(l.Addr())
		d := transport.Dialer{
			Resolver:  hosts{"ip6 name": "::1", "ip4 name": "127.0.0.1"},
			LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
		}
		c, err := d.Dial(w.on, "tcp", "name:"+port)
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		if from := c.LocalAddr().(*net.TCPAddr); !from.IP.Equal(net.IPv4(127, 0, 0, 1)) || from.Port == 0 {
			w.Error(from)
		}
		w.accepted(l)

		// A port, on whichever address.
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.Fatal(err)
		}
		from := free.Addr().(*net.TCPAddr).Port
		free.Close()
		d.LocalAddr = &net.TCPAddr{Port: from}
		again, err := d.Dial(w.on, "tcp4", "127.0.0.1:"+port)
		if err != nil {
			w.Fatal(err)
		}
		defer again.Close()
		if got := again.LocalAddr().(*net.TCPAddr).Port; got != from {
			w.Errorf("port %d, not %d", got, from)
		}
		w.accepted(l)

		for _, bad := range []net.Addr{&net.UDPAddr{}, &net.UnixAddr{}, (*net.TCPAddr)(nil), &net.TCPAddr{IP: net.IPv6loopback}} {
			d.LocalAddr = bad
			_, err := d.Dial(w.on, "tcp", "127.0.0.1:"+port)
			if oe, ok := err.(*net.OpError); !ok || oe.Source != bad {
				w.Errorf("from %v: %v", bad, err)
			} else if _, ok := oe.Err.(*net.AddrError); !ok {
				w.Errorf("from %v: %v", bad, err)
			}
		}
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: l.Addr().(*net.TCPAddr).Port}
		_, err = d.Dial(w.on, "tcp", "127.0.0.1:1")
		w.isOpError(err, "dial", syscall.EADDRINUSE)
	})
}

func TestDialControl(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		var seen string
		var raw syscall.RawConn
		fails := errors.New("not this one")
		var result error
		d := transport.Dialer{
			LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
			Control: func(ctx context.Context, network, addr string, c syscall.RawConn) error {
				seen, raw = network+" "+addr, c
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := c.Read(func(uintptr) bool { return true }); !errors.Is(err, errors.ErrUnsupported) {
					return fmt.Errorf("Read: %w", err)
				}
				if err := c.Write(func(uintptr) bool { return true }); !errors.Is(err, errors.ErrUnsupported) {
					return fmt.Errorf("Write: %w", err)
				}
				err := c.Control(func(fd uintptr) {
					if sa, err := syscall.Getsockname(int(fd)); err != nil || sa.(*syscall.SockaddrInet4).Port != 0 {
						w.Errorf("the socket is bound already: %v, %v", sa, err)
					}
					_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 0)
				})
				return errors.Join(err, result)
			},
		}
		before := openFDs()
		c, err := d.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		if seen != "tcp4 "+l.Addr().String() {
			w.Errorf("called for %q", seen)
		}
		if v, err := syscall.GetsockoptInt(c.FD(), syscall.IPPROTO_TCP, syscall.TCP_NODELAY); v != 0 || err != nil {
			w.Errorf("what the hook has set is %d, %v", v, err)
		}
		if err := raw.Control(func(uintptr) {}); !errors.Is(err, net.ErrClosed) {
			w.Errorf("the socket after the hook: %v", err)
		}
		c.Close()
		w.accepted(l)
		result = fails
		_, err = d.Dial(w.on, "tcp", l.Addr().String())
		w.isOpError(err, "dial", fails)
		if n := openFDs(); n != before {
			w.Errorf("%d descriptors more", n-before)
		}
	})
}

// net/http dials with a ctx of its own.
func TestDialContext(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		l := w.listen()
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			fmt.Fprint(rw, r.URL.Path)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		d := transport.Dialer{Dispatcher: w.d}
		client := &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
		_, err := core.Blocking(w.ctx, func(context.Context) (int, error) {
			defer server.Close()
			defer client.CloseIdleConnections()
			resp, err := client.Get("http://" + l.Addr().String() + "/there")
			if err != nil {
				return 0, err
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); string(body) != "/there" {
				return 0, fmt.Errorf("%q, %w", body, err)
			}
			return 0, nil
		})
		if err != nil {
			w.Error(err)
		}
		if err := <-served; !strings.Contains(err.Error(), "closed") {
			w.Error(err)
		}
		c, err := new(transport.Dialer).DialContext(context.Background(), "tcp", "127.0.0.1:1")
		if c != nil || !errors.Is(err, transport.ErrNoDispatcher) {
			w.Errorf("%v, %v", c, err)
		}
	})
}
