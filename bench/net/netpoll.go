//go:build linux

package main

import (
	"context"
	"net"

	"github.com/cloudwego/netpoll"
)

// serveNetpoll is a server on one loop of netpoll, used as its documents show.
func serveNetpoll(what string) error {
	if err := netpoll.SetNumLoops(1); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	listening(l.Addr())
	nl, err := netpoll.ConvertListener(l)
	if err != nil {
		return err
	}
	echo := func(_ context.Context, c netpoll.Connection) error {
		in, out := c.Reader(), c.Writer()
		p, err := in.Next(in.Len())
		if err != nil {
			return err
		}
		if _, err := out.WriteBinary(p); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		return in.Release()
	}
	var options []netpoll.Option
	if what == "source" {
		options = append(options, netpoll.WithOnConnect(func(ctx context.Context, c netpoll.Connection) context.Context {
			go func() {
				p := make([]byte, buffer)
				for {
					if _, err := c.Writer().WriteBinary(p); err != nil {
						return
					}
					if err := c.Writer().Flush(); err != nil {
						return
					}
				}
			}()
			return ctx
		}))
	}
	loop, err := netpoll.NewEventLoop(echo, options...)
	if err != nil {
		return err
	}
	go func() { _ = loop.Serve(nl) }()
	return obey()
}
