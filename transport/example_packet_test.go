//go:build unix || windows

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A server answers each message, until it is closed.
func ExamplePacketConn() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		server, err := transport.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		serving := core.Start(ctx, func(context.Context) error {
			buf := make([]byte, 1500)
			for {
				n, from, err := server.ReadFromAddrPort(buf)
				if err != nil {
					return nil
				}
				if _, err := server.WriteToAddrPort(append([]byte("hello, "), buf[:n]...), from); err != nil {
					return err
				}
			}
		})

		client, err := transport.Dial(ctx, "udp", server.LocalAddr().String())
		if err != nil {
			return err
		}
		defer client.Close()
		if _, err := client.Write([]byte("gopher")); err != nil {
			return err
		}
		buf := make([]byte, 100)
		n, err := client.Read(buf)
		if err != nil {
			return err
		}
		fmt.Println(string(buf[:n]))
		server.Close()
		return serving.Wait(ctx)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: hello, gopher
}

// A message that is longer than the buffer says so.
func ExampleMessage() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		a, err := transport.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer a.Close()
		to := a.LocalAddr().(*net.UDPAddr).AddrPort()
		for _, text := range []string{"short", "much too long", ""} {
			if _, err := a.WriteToAddrPort([]byte(text), to); err != nil {
				return err
			}
			buf := make([]byte, 8)
			m, err := a.ReadMessage(ctx, buf)
			if err != nil {
				return err
			}
			fmt.Printf("%q, truncated: %v, from us: %v\n", buf[:m.N], m.Truncated, m.From == to)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// "short", truncated: false, from us: true
	// "much too", truncated: true, from us: true
	// "", truncated: false, from us: true
}

// A call with a ctx of its own ends with that.
func ExamplePacketView() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		c, err := transport.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer c.Close()
		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, _, err = c.With(short).ReadFromAddrPort(make([]byte, 1500))
		fmt.Println(errors.Is(err, context.DeadlineExceeded))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: true
}
