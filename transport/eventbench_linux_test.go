//go:build linux

package transport_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

func init() {
	children["echo/impl=events"] = func() {
		err := core.Run(context.Background(), func(ctx context.Context) error {
			l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Println(l.Addr())
			core.Spawn(ctx, func(ctx context.Context) error {
				return transport.ServeEvents(ctx, l, shouting, transport.EventConfig{})
			})
			return untilParentCloses(ctx)
		})
		if err != nil {
			log.Fatal(err)
		}
	}
}
