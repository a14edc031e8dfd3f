//go:build unix || windows

package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A server and a client over TLS, as tasks of one dispatcher.
func ExampleTLSConn() {
	serverConfig, clientConfig := tlsConfigs() // with a certificate, and with who is to be trusted
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.ListenTLS(ctx, "tcp", "127.0.0.1:0", serverConfig)
		if err != nil {
			return err
		}
		defer l.Close()
		core.Spawn(ctx, func(ctx context.Context) error {
			c, err := l.AcceptConn(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			_, err = io.Copy(c, c) // the handshake is made here
			return err
		})

		c, err := transport.DialTLS(ctx, "tcp", l.Addr().String(), clientConfig)
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprintln(c, "hello")
		line, err := bufio.NewReader(c).ReadString('\n')
		fmt.Print(line)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}

// A listener that exists is made one of TLS.
func ExampleTLSListener() {
	serverConfig, clientConfig := tlsConfigs()
	err := core.Run(context.Background(), func(ctx context.Context) error {
		plain, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		l := transport.NewTLSListener(plain, serverConfig)
		defer l.Close()
		server := core.Start(ctx, func(ctx context.Context) error {
			c, err := l.AcceptConn(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := c.HandshakeContext(ctx); err != nil {
				return err
			}
			fmt.Println(c.ConnectionState().ServerName)
			return nil
		})
		c, err := transport.DialTLS(ctx, "tcp", l.Addr().String(), clientConfig)
		if err != nil {
			return err
		}
		defer c.Close()
		return server.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// host.example
	// <nil>
}
