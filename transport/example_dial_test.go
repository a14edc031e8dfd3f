//go:build unix

package transport_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A client with a limit of time, from an address of its own.
func ExampleDialer() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		d := transport.Dialer{
			Timeout:   10 * time.Second,
			LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)},
			Control: func(_ context.Context, network, _ string, c syscall.RawConn) error {
				fmt.Println("a socket of", network)
				return nil
			},
		}
		c, err := d.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Println("connected:", c.RemoteAddr().String() == l.Addr().String())
		return nil
	})
	fmt.Println(err)
	// Output:
	// a socket of tcp4
	// connected: true
	// <nil>
}

// etcHosts is a Resolver that knows some names by itself.
type etcHosts map[string]netip.Addr

func (h etcHosts) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	if ip, ok := h[host]; ok && ip.Is4() == (network == "ip4") {
		return []netip.Addr{ip}, nil
	}
	return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func ExampleResolver() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return err
		}
		d := transport.Dialer{Resolver: etcHosts{"gate.test": netip.MustParseAddr("127.0.0.1")}}
		c, err := d.Dial(ctx, "tcp", "gate.test:"+port)
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Println("connected:", c.RemoteAddr().String() == l.Addr().String())
		_, err = d.Dial(ctx, "tcp", "wall.test:80")
		fmt.Println(err)
		return nil
	})
	fmt.Println(err)
	// Output:
	// connected: true
	// dial tcp wall.test:80: lookup wall.test: no such host
	// <nil>
}

// A listener on a Unix socket that keeps ten clients waiting at most.
func ExampleListenConfig() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	err = core.Run(context.Background(), func(ctx context.Context) error {
		lc := transport.ListenConfig{Backlog: 10}
		l, err := lc.Listen(ctx, "unix", filepath.Join(dir, "socket"))
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := transport.Dial(ctx, "unix", l.Addr().String())
		if err != nil {
			return err
		}
		io.WriteString(c, "hello")
		c.Close()
		s, err := l.AcceptConn(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		text, err := io.ReadAll(s)
		fmt.Printf("%s\n", text)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}
