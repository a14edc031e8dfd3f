//go:build unix || windows

package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A server of TLS: each handler makes its connection one of TLS, so that a handshake keeps nobody waiting but the
// peer whose it is, and closes it, which tells the peer that nothing was cut off.
func ExampleServe_tls() {
	serverConfig, clientConfig := tlsConfigs() // with a certificate, and with who is to be trusted
	greet := func(ctx context.Context, conn *transport.Conn) error {
		c := transport.TLSServer(conn, serverConfig)
		defer c.Close()
		name, err := bufio.NewReader(c).ReadString('\n') // behind the handshake
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c, "hello, %s", name)
		return err
	}
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return transport.Serve(stop, l, greet, transport.ServeConfig{Limit: 1000, Grace: 10 * time.Second})
		})

		c, err := transport.DialTLS(ctx, "tcp", l.Addr().String(), clientConfig)
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprintln(c, "world")
		all, err := io.ReadAll(c) // without an error only if the server has closed in good order
		fmt.Print(string(all))
		if err != nil {
			return err
		}
		cancel()
		return server.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// hello, world
	// <nil>
}
