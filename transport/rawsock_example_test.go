//go:build unix

package transport_test

import (
	"context"
	"fmt"
	"io"
	"net/netip"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A socket for datagrams answers whoever writes to it.
func ExampleSocket() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		server, err := transport.NewSocket(ctx, transport.IPv4, transport.Datagram, 0)
		if err != nil {
			return err
		}
		defer server.Close()
		if err := server.Bind(dispatch.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
			return err
		}
		at, err := server.LocalAddr()
		if err != nil {
			return err
		}
		core.Spawn(ctx, func(ctx context.Context) error {
			buf := make([]byte, 1500)
			n, from, err := server.RecvFromInto(ctx, buf)
			if err != nil {
				return err
			}
			_, err = server.SendTo(ctx, append(buf[:n], " to you, too"...), from)
			return err
		})

		client, err := transport.NewSocket(ctx, transport.IPv4, transport.Datagram, 0)
		if err != nil {
			return err
		}
		defer client.Close()
		if err := client.Connect(ctx, at); err != nil {
			return err
		}
		if _, err := client.Send(ctx, []byte("hello")); err != nil {
			return err
		}
		answer, err := client.Recv(ctx, 1500)
		fmt.Printf("%s\n", answer)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: hello to you, too
}

// With Peek a server finds out what a client speaks, and hands the connection over untouched.
func ExampleSocketFlag() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.NewSocket(ctx, transport.IPv4, transport.Stream, 0)
		if err != nil {
			return err
		}
		defer l.Close()
		if err := l.Bind(dispatch.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
			return err
		}
		if err := l.Listen(0); err != nil {
			return err
		}
		at, err := l.LocalAddr()
		if err != nil {
			return err
		}
		client, err := transport.DialSocket(ctx, "tcp", at.IP.String())
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := client.Send(ctx, []byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
			return err
		}
		s, err := l.Accept(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		first, err := s.Recv(ctx, 1, transport.Peek)
		if err != nil {
			return err
		}
		fmt.Printf("begins with %q\n", first)
		c, err := s.Conn()
		if err != nil {
			return err
		}
		defer c.Close()
		buf := make([]byte, 3)
		_, err = c.Read(buf)
		fmt.Printf("reads %q\n", buf)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// begins with "G"
	// reads "GET"
}

// A client ends what it sends, and reads the answer to all of it.
func ExampleShutHow() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.NewSocket(ctx, transport.IPv4, transport.Stream, 0)
		if err != nil {
			return err
		}
		defer l.Close()
		if err := l.Bind(dispatch.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
			return err
		}
		if err := l.Listen(0); err != nil {
			return err
		}
		at, err := l.LocalAddr()
		if err != nil {
			return err
		}
		core.Spawn(ctx, func(ctx context.Context) error {
			s, err := l.Accept(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			total := 0
			for {
				got, err := s.Recv(ctx, 1000)
				if err == io.EOF {
					_, err = s.Send(ctx, fmt.Append(nil, total, " bytes"))
					return err
				}
				if err != nil {
					return err
				}
				total += len(got)
			}
		})

		s, err := transport.NewSocket(ctx, transport.IPv4, transport.Stream, 0)
		if err != nil {
			return err
		}
		defer s.Close()
		if err := s.Connect(ctx, at); err != nil {
			return err
		}
		if _, err := s.Send(ctx, make([]byte, 12345)); err != nil {
			return err
		}
		if err := s.Shutdown(transport.ShutWrite); err != nil {
			return err
		}
		answer, err := s.Recv(ctx, 100)
		fmt.Printf("%s\n", answer)
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output: 12345 bytes
}
