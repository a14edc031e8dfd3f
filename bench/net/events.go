//go:build linux

package main

import (
	"context"

	"github.com/seed-1e54c410/turnstile/transport"
)

// serveEvents is a server in event mode.
func serveEvents(what string) error {
	var cfg transport.EventConfig
	if what == "source" {
		p := make([]byte, buffer)
		more := func(c *transport.EventConn) {
			for c.Unsent() == 0 {
				if _, err := c.Write(p); err != nil {
					return
				}
			}
		}
		cfg.Opened, cfg.Flushed = more, more
	}
	echo := func(c *transport.EventConn, in []byte) (int, error) {
		_, err := c.Write(in)
		return len(in), err
	}
	return inLoop(func(ctx context.Context, l *transport.Listener) error {
		return transport.ServeEvents(ctx, l, echo, cfg)
	})
}
