//go:build unix || windows

package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A server of one task for each connection, and a client, on one dispatcher.
func ExampleListener() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		core.Spawn(ctx, func(ctx context.Context) error {
			for {
				c, err := l.AcceptConn(ctx)
				if errors.Is(err, net.ErrClosed) {
					return nil
				}
				if err != nil {
					return err
				}
				core.Spawn(ctx, func(context.Context) error {
					defer c.Close()
					_, err := io.Copy(c, c)
					return err
				})
			}
		})

		c, err := transport.Dial(ctx, "tcp", l.Addr().String())
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

// A view of a connection ends its calls with a ctx; a deadline does so for good.
func ExampleConn() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := transport.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()

		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		_, err = c.With(short).Read(make([]byte, 10)) // nothing comes
		fmt.Println(os.IsTimeout(err), short.Err())

		if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			return err
		}
		for range 2 {
			_, err = c.Read(make([]byte, 10))
			fmt.Println(os.IsTimeout(err))
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// true context deadline exceeded
	// true
	// true
	// <nil>
}
