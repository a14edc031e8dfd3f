package transport_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// BenchmarkEcho sends a message there and back, with both ends in this process: as tasks of
// one dispatcher, and as goroutines of package net.
func BenchmarkEcho(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64B", 64}, {"64KiB", 64 << 10}} {
		b.Run("impl=turnstile/size="+size.name, func(b *testing.B) {
			err := core.Run(b.Context(), func(ctx context.Context) error {
				l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				defer l.Close()
				server := core.Start(ctx, func(ctx context.Context) error {
					c, err := l.AcceptConn(ctx)
					if err != nil {
						return err
					}
					return echo(c, size.bytes)
				})
				c, err := transport.Dial(ctx, "tcp", l.Addr().String())
				if err != nil {
					return err
				}
				bench(b, c, size.bytes)
				return server.Wait(ctx)
			})
			if err != nil {
				b.Fatal(err)
			}
		})
		b.Run("impl=net/size="+size.name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			ended := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err == nil {
					err = echo(c, size.bytes)
				}
				ended <- err
			}()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			bench(b, c, size.bytes)
			if err := <-ended; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// echo sends back what comes until the peer closes.
func echo(c net.Conn, size int) error {
	defer c.Close()
	buf := make([]byte, size)
	for {
		n, err := c.Read(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return err
		}
	}
}

// bench sends messages of size bytes to an echo, and closes c.
func bench(b *testing.B, c net.Conn, size int) {
	defer c.Close()
	buf := make([]byte, size)
	b.ReportAllocs()
	b.SetBytes(int64(size))
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Error(err)
			return
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Error(err)
			return
		}
	}
}
