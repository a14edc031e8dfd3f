package transport_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// BenchmarkTLSEcho is BenchmarkEcho over TLS, beside crypto/tls over package net.
func BenchmarkTLSEcho(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"64B", 64}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}} {
		b.Run("impl=turnstile/size="+size.name, func(b *testing.B) {
			err := core.Run(b.Context(), func(ctx context.Context) error {
				scfg, ccfg := tlsConfigs()
				l, err := transport.ListenTLS(ctx, "tcp", "127.0.0.1:0", scfg)
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
				c, err := transport.DialTLS(ctx, "tcp", l.Addr().String(), ccfg)
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
			scfg, ccfg := tlsConfigs()
			l, err := tls.Listen("tcp", "127.0.0.1:0", scfg)
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
			c, err := tls.Dial("tcp", l.Addr().String(), ccfg)
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

// BenchmarkTLSStream sends in one direction, 1 MiB a call.
func BenchmarkTLSStream(b *testing.B) {
	const size = 1 << 20
	send := func(b *testing.B, c handshaker) {
		buf := make([]byte, size)
		b.SetBytes(size)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Write(buf); err != nil {
				b.Error(err)
			}
		}
		if err := c.CloseWrite(); err != nil {
			b.Error(err)
		}
	}
	receive := func(c net.Conn) error {
		defer c.Close()
		buf := make([]byte, 64<<10)
		for {
			if _, err := c.Read(buf); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	}
	scfg, ccfg := tlsConfigs()
	b.Run("impl=turnstile", func(b *testing.B) {
		err := core.Run(b.Context(), func(ctx context.Context) error {
			l, err := transport.ListenTLS(ctx, "tcp", "127.0.0.1:0", scfg)
			if err != nil {
				return err
			}
			defer l.Close()
			server := core.Start(ctx, func(ctx context.Context) error {
				c, err := l.AcceptConn(ctx)
				if err != nil {
					return err
				}
				return receive(c)
			})
			c, err := transport.DialTLS(ctx, "tcp", l.Addr().String(), ccfg)
			if err != nil {
				return err
			}
			defer c.Close()
			send(b, c)
			return server.Wait(ctx)
		})
		if err != nil {
			b.Fatal(err)
		}
	})
	b.Run("impl=net", func(b *testing.B) {
		l, err := tls.Listen("tcp", "127.0.0.1:0", scfg)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		ended := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				err = receive(c)
			}
			ended <- err
		}()
		c, err := tls.Dial("tcp", l.Addr().String(), ccfg)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		send(b, c)
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
	})
}
