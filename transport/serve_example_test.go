//go:build unix || windows

package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A server with a task for each connection, which greets, and ends between two lines when it is to stop.
func ExampleServe() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		greet := func(ctx context.Context, c *transport.Conn) error {
			lines := bufio.NewScanner(c.With(transport.Stopping(ctx)))
			for lines.Scan() {
				if _, err := fmt.Fprintf(c, "hello, %s\n", lines.Text()); err != nil {
					return err
				}
			}
			return lines.Err()
		}
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return transport.Serve(stop, l, greet, transport.ServeConfig{Limit: 1000, Grace: 10 * time.Second})
		})

		c, err := transport.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprintln(c, "world")
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			return err
		}
		fmt.Print(line)
		cancel()
		return server.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// hello, world
	// <nil>
}

// A server on two dispatchers, each on a goroutine of its own, used by a client of package net.
func ExampleServeGroup() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	g, err := transport.NewServeGroup(ctx, "tcp", "127.0.0.1:0", transport.GroupConfig{Dispatchers: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	ended := make(chan error)
	go func() {
		ended <- g.Serve(ctx, func(ctx context.Context, c *transport.Conn) error {
			_, err := io.Copy(c, c)
			return err
		}, transport.ServeConfig{})
	}()
	c, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Fprintln(c, "hello")
	line, err := bufio.NewReader(c).ReadString('\n')
	fmt.Print(line, err, "\n")
	c.Close()
	cancel()
	fmt.Println(<-ended)
	// Output:
	// hello
	// <nil>
	// <nil>
}

// A server without a task for a connection: the handler answers each whole line, and leaves one that is not
// finished. What takes time moves to a task.
func ExampleServeEvents() {
	handle := func(c *transport.EventConn, in []byte) (consumed int, err error) {
		for {
			line, _, whole := bytes.Cut(in[consumed:], []byte("\n"))
			if !whole {
				return consumed, nil
			}
			consumed += len(line) + 1
			if string(line) == "slow" {
				return consumed, c.Async(func(ctx context.Context, c *transport.Conn) error {
					if err := core.Sleep(ctx, time.Millisecond); err != nil {
						return err
					}
					_, err := io.WriteString(c, "slow, too\n")
					return err
				})
			}
			if _, err := c.Write(append(bytes.ToUpper(line), '\n')); err != nil {
				return consumed, err
			}
		}
	}
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return transport.ServeEvents(stop, l, handle, transport.EventConfig{IdleTimeout: time.Minute})
		})
		c, err := transport.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		for _, part := range []string{"one\ntw", "o\nslow\n"} {
			if _, err := io.WriteString(c, part); err != nil {
				return err
			}
			if err := core.Yield(ctx); err != nil {
				return err
			}
		}
		b, err := io.ReadAll(c)
		fmt.Print(string(b))
		if err != nil {
			return err
		}
		cancel()
		return server.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// ONE
	// TWO
	// slow, too
	// <nil>
}

// A server of messages.
func ExampleServePackets() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		pc, err := transport.ListenPacket(ctx, "udp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return transport.ServePackets(stop, pc, func(ctx context.Context, p *transport.Packet) error {
				_, err := p.Reply(bytes.ToUpper(p.Data))
				return err
			}, transport.PacketsConfig{})
		})
		c, err := transport.Dial(ctx, "udp", pc.LocalAddr().String())
		if err != nil {
			return err
		}
		defer c.Close()
		fmt.Fprint(c, "hello")
		buf := make([]byte, 100)
		n, err := c.Read(buf)
		fmt.Println(string(buf[:n]), err)
		cancel()
		return server.Wait(ctx)
	})
	fmt.Println(err)
	// Output:
	// HELLO <nil>
	// <nil>
}
