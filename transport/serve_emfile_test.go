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

// A server that is out of descriptors pauses, longer each time, tells of it, and goes on when there are some. When it
// is out of them again the pauses begin anew.
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
		later, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(later)
		var taken []int
		takeAll := func() {
			for {
				fd, err := unix.Dup(2)
				if err != nil {
					break
				}
				taken = append(taken, fd)
			}
		}
		takeAll()
		enough := core.NewFuture[struct{}]()
		d := core.DispatcherOf(ctx)
		const first = 4 // errors, before there are descriptors again
		var told []time.Time
		failed := func(err error) {
			var oe *net.OpError
			if !errors.Is(err, unix.EMFILE) || !errors.As(err, &oe) || oe.Op != "accept" {
				log.Fatalf("OnError: %v", err)
			}
			switch told = append(told, d.Now()); len(told) {
			case first, 2 * first:
				for _, fd := range taken {
					unix.Close(fd)
				}
				taken = nil
			}
			if len(told) == 2*first {
				enough.Complete(struct{}{})
			}
		}
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			if events {
				return transport.ServeEvents(stop, l, shouting, transport.EventConfig{
					Limit:   2, // the places are given back
					OnError: func(_ *transport.EventConn, err error) { failed(err) },
				})
			}
			return transport.Serve(stop, l, echoing, transport.ServeConfig{
				Limit:   2,
				OnError: func(_ *transport.Conn, err error) { failed(err) },
			})
		})
		if _, err := io.WriteString(c, "x"); err != nil {
			return err
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			return err
		}
		if len(told) != first {
			return fmt.Errorf("OnError was told %d times", len(told))
		}
		takeAll()
		port := l.Addr().(*net.TCPAddr).Port
		if err := unix.Connect(later, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return err
		}
		if _, err := enough.Await(ctx); err != nil {
			return err
		}
		if err := pauses(told, first); err != nil {
			return err
		}
		cancel()
		return server.Wait(ctx)
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("served")
}

// pauses checks the times between errors, of which n came before something went well, and the others behind that.
func pauses(told []time.Time, n int) error {
	for _, told := range [][]time.Time{told[:n], told[n:]} {
		for i, pause := 1, 5*time.Millisecond; i < len(told); i, pause = i+1, 2*pause {
			if got := told[i].Sub(told[i-1]); got < pause {
				return fmt.Errorf("pause %d lasted %v, not %v", i, got, pause)
			}
		}
	}
	// If the pauses went on to grow, none of them would be shorter than this.
	atLeast := 5 * time.Millisecond << n
	for i := n + 1; i < len(told); i++ {
		if told[i].Sub(told[i-1]) < atLeast {
			return nil
		}
	}
	return fmt.Errorf("the pauses do not begin anew: %v", told)
}
