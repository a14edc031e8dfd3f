//go:build linux

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A server that is out of descriptors pauses, longer each time, tells of it, and goes on when there are some.
func TestServeWithoutDescriptors(t *testing.T) {
	for _, mode := range []string{"tasks", "events"} {
		cmd := check.Self(t.Context())
		cmd.Env = append(os.Environ(), childEnv+"=serve emfile "+mode)
		out, err := cmd.CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "served" {
			t.Errorf("%s: %v\n%s", mode, err, out)
		}
	}
}

func init() {
	children["serve emfile tasks"] = func() { serveWithoutDescriptors(false) }
	children["serve emfile events"] = func() { serveWithoutDescriptors(true) }
}

func serveWithoutDescriptors(events bool) {
	limit := unix.Rlimit{Cur: 64, Max: 64}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		log.Fatal(err)
	}
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		c, err := transport.Dial(ctx, "tcp", l.Addr().String()) // it waits in the system
		if err != nil {
			return err
		}
		defer c.Close()
		var taken []int
		for {
			fd, err := unix.Dup(2)
			if err != nil {
				break
			}
			taken = append(taken, fd)
		}
		d := core.DispatcherOf(ctx)
		var told []time.Time
		failed := func(err error) {
			var oe *net.OpError
			if !errors.Is(err, unix.EMFILE) || !errors.As(err, &oe) || oe.Op != "accept" {
				log.Fatalf("OnError: %v", err)
			}
			if told = append(told, d.Now()); len(told) == 4 {
				for _, fd := range taken {
					unix.Close(fd)
				}
			}
		}
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			if events {
				return transport.ServeEvents(stop, l, shouting, transport.EventConfig{
					Limit:   1, // the place is given back
					OnError: func(_ *transport.EventConn, err error) { failed(err) },
				})
			}
			return transport.Serve(stop, l, echoing, transport.ServeConfig{
				Limit:   1,
				OnError: func(_ *transport.Conn, err error) { failed(err) },
			})
		})
		if _, err := io.WriteString(c, "x"); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return err
		}
		for i, pause := 1, 5*time.Millisecond; i < len(told); i, pause = i+1, 2*pause {
			if got := told[i].Sub(told[i-1]); got < pause {
				return fmt.Errorf("pause %d lasted %v, not %v", i, got, pause)
			}
		}
		if len(told) != 4 {
			return fmt.Errorf("OnError was told %d times", len(told))
		}
		cancel()
		return server.Wait(ctx)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("served")
}
