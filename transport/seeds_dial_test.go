//go:build unix

package transport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// asyncdispatch: connect(fd, addr, port, domain): "Name resolution is blocking getaddrinfo; tries every
// address in turn; error = last one; IOError if none." Here the loop goes on meanwhile, and the error is that of
// the first address, which is the one to prefer.
func TestSeedsConnect(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		closed := w.listen()
		closed.Close()
		var tried []string
		d := transport.Dialer{
			Resolver: hosts{"ip4 all": "127.0.0.1 127.0.0.1", "ip4 none": ""},
			Control: func(_ context.Context, _, addr string, _ syscall.RawConn) error {
				tried = append(tried, addr)
				return nil
			},
		}
		_, err := d.Dial(w.on, "tcp4", "all:"+portOf(closed.Addr()))
		if oe := w.isOpError(err, "dial", refused); oe.Addr.String() != closed.Addr().String() || len(tried) != 2 {
			w.Errorf("tried %q: %v", tried, err)
		}
		_, err = d.Dial(w.on, "tcp4", "none:1")
		if _, ok := errors.AsType[*net.AddrError](err); !ok {
			w.Error(err)
		}
	})
}

// asyncdispatch: dial(addr, port, proto): "Same loop but creates one socket per family on demand; closes the
// unused; result registered. Sequential, no happy-eyeballs, no timeout." Here every attempt has a socket of its own, and
// those that have not won are closed; TestDialHappyEyeballs and TestDialTimeout have the rest.
func TestSeedsDial(t *testing.T) {
	needs6(t)
	everyWay(t, func(w *world) {
		l, err := transport.Listen(w.on, "tcp", "[::1]:0")
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		before := openFDs()
		families := map[string]int{}
		d := transport.Dialer{
			FallbackDelay: -1,
			Control: func(_ context.Context, network, _ string, _ syscall.RawConn) error {
				families[network]++
				return nil
			},
		}
		// Without a host it is this one, at its address of IPv4 first.
		c, err := d.Dial(w.on, "tcp", ":"+portOf(l.Addr()))
		if err != nil {
			w.Fatal(err)
		}
		if families["tcp4"] != 1 || families["tcp6"] != 1 {
			w.Errorf("sockets: %v", families)
		}
		if n := openFDs() - before; before > 0 && n != 1 {
			w.Errorf("%d descriptors for a connection", n)
		}
		c.Close()
		w.accepted(l)
	})
}

// asyncdispatch: accept, acceptAddr: "Result fd registered. ECONNABORTED-like errors are swallowed and accept
// continues. Address string can fail → client closed, future fails. Close of the listening fd → future fails."
// chronos: accept: "Cancel safe, no fd leak. One pending accept at a time." Here any number waits, in
// order (TestAcceptInOrder), and an address cannot fail.
func TestSeedsAccept(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		before := openFDs()
		accept := func(ctx context.Context) error {
			c, err := l.AcceptConn(ctx)
			if err == nil {
				err = c.Close()
			}
			return err
		}
		var tasks [3]*core.Task
		for i := range tasks {
			tasks[i] = w.start(accept)
			w.until(func() bool { return l.Waiting() == i+1 })
		}
		canceled, stays, closed := tasks[0], tasks[1], tasks[2]
		canceled.Cancel()
		if err := canceled.Wait(w.ctx); !errors.Is(err, context.Canceled) {
			w.Error(err)
		}
		c, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		w.join(stays)
		c.Close()
		if n := openFDs(); n != before {
			w.Errorf("%d descriptors more", n-before)
		}
		l.Close()
		if err := closed.Wait(w.ctx); !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}
	})
}

// chronos: createStreamServer: "port-only = :: dual-stack if IPv6 available else 0.0.0.0." See also
// TestListenBothFamilies. close: "while Running is a silent no-op, hence closeWait on a running server never
// completes" (BUG). Here Close ends a listener that is being accepted from.
func TestSeedsServer(t *testing.T) {
	everyWay(t, func(w *world) {
		l, err := transport.Listen(w.on, "tcp", ":0")
		if err != nil {
			w.Fatal(err)
		}
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsUnspecified() {
			w.Error(ip)
		}
		running := w.start(func(ctx context.Context) error {
			_, err := l.AcceptConn(ctx)
			return err
		})
		w.until(func() bool { return l.Waiting() == 1 })
		if err := l.Close(); err != nil {
			w.Error(err)
		}
		if err := running.Wait(w.ctx); !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}
		// The system lets go of the socket when poll(2), which may be looking at it, has returned.
		c, err := transport.Dial(w.on, "tcp", "127.0.0.1:"+portOf(l.Addr()))
		if err == nil { // it still took part in the handshake
			w.isEnd(c)
			c.Close()
			return
		}
		if !errors.Is(err, refused) && !errors.Is(err, econnreset) {
			w.Error(err)
		}
	})
}

// chronos: connect: "one address; cancel closes fd; refused → TransportOsError(code)", and its leaks in connect
// (pull requests 101, 102, 107): a cancel at any time leaves nothing.
func TestSeedsConnectCanceled(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		before := openFDs()
		for steps := range 12 {
			ctx, cancel := core.WithCancel(w.on)
			task := w.start(func(context.Context) error {
				d := transport.Dialer{Resolver: resolverFunc(func(context.Context, string, string) ([]netip.Addr, error) {
					return ips("127.0.0.1"), nil
				})}
				c, err := d.Dial(ctx, "tcp4", "name:"+portOf(l.Addr()))
				if err == nil {
					c.Close()
				}
				return err
			})
			for range steps {
				if err := core.Yield(w.ctx); err != nil {
					w.Fatal(err)
				}
			}
			cancel()
			if err := task.Wait(w.ctx); err != nil && !errors.Is(err, context.Canceled) {
				w.Error(err)
			}
			if n := openFDs(); n != before {
				w.Errorf("after %d steps: %d descriptors more", steps, n-before)
			}
		}
	})
}
