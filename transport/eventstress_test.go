package transport_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Many clients on goroutines send streams of bytes in random pieces, read them back at random speed, and leave in
// every way, while the handler consumes what it likes, pauses, and moves to tasks: no byte is lost,
// doubled or changed, and every connection is closed once.
func TestEventsStress(t *testing.T) {
	needsSockets(t)
	for _, backend := range poll.Backends() {
		for _, network := range []string{"tcp", "unix"} {
			t.Run(backend+"/"+network, func(t *testing.T) { eventsStress(t, backend, network) })
		}
	}
}

func eventsStress(t *testing.T, backend, network string) {
	addr := "127.0.0.1:0"
	if network == "unix" {
		if runtime.GOOS == "windows" {
			t.Skip("Wine has no Unix sockets")
		}
		addr = filepath.Join(t.TempDir(), "s")
	}
	d, err := dispatch.New(dispatch.Config{Backend: backend})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	clients := check.Times(40, 400)
	err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
		l, err := transport.Listen(ctx, network, addr)
		if err != nil {
			return err
		}
		rnd := rand.New(rand.NewPCG(1, 2))
		opened, closed := 0, 0
		stop, cancel := core.WithCancel(ctx)
		server := core.Start(ctx, func(context.Context) error {
			return transport.ServeEvents(stop, l, func(c *transport.EventConn, in []byte) (int, error) {
				n := rnd.IntN(len(in) + 1)
				switch rnd.IntN(20) {
				case 0: // later, all of it
					c.Pause()
					core.Spawn(ctx, func(ctx context.Context) error {
						if err := core.Steps(ctx, rnd.IntN(10)); err != nil {
							return err
						}
						c.Resume()
						return nil
					})
					return 0, nil
				case 1:
					if rnd.IntN(10) == 0 {
						return 0, c.Async(echoing)
					}
				}
				if len(in) < 100_000 || n == 0 { // else what is left might be all there is
					n = len(in)
				}
				n, err := c.Write(in[:n])
				if n < len(in) && err == nil {
					c.Pause()
					c.Resume() // look again
				}
				return n, err
			}, transport.EventConfig{
				IdleTimeout: 3600e9,
				Opened:      func(*transport.EventConn) { opened++ },
				Closed:      func(*transport.EventConn, error) { closed++ },
				OnError:     func(*transport.EventConn, error) {}, // of clients that are gone
			})
		})
		_, err = core.Blocking(ctx, func(context.Context) (struct{}, error) {
			errs := make(chan error, clients)
			for i := range clients {
				go func() { errs <- streamBack(l.Addr(), uint64(i)) }()
			}
			for range clients {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			return struct{}{}, nil
		})
		cancel()
		if err := server.Wait(ctx); err != nil {
			t.Error(err)
		}
		if opened != closed || opened == 0 {
			t.Errorf("%d opened, %d closed", opened, closed)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// streamBack sends bytes and reads them back; some of the clients do not stay for all of them.
func streamBack(addr net.Addr, seed uint64) error {
	c, err := net.Dial(addr.Network(), addr.String())
	if err != nil {
		return err
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(seed, 1))
	size := 1 << rnd.IntN(20)
	leaves := -1
	if rnd.IntN(4) == 0 {
		leaves = rnd.IntN(size)
	}
	at := func(i int) byte { return byte(uint64(i)*7 + uint64(i)>>8 + seed) }
	sent := make(chan error, 1)
	go func() {
		rnd := rand.New(rand.NewPCG(seed, 2))
		for i := 0; i < size; {
			p := make([]byte, min(1+rnd.IntN(1<<rnd.IntN(17)), size-i))
			for j := range p {
				p[j] = at(i + j)
			}
			if _, err := c.Write(p); err != nil {
				sent <- err
				return
			}
			i += len(p)
		}
		sent <- c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	buf := make([]byte, 1+rnd.IntN(100_000))
	for i := 0; ; {
		n, err := c.Read(buf)
		for _, b := range buf[:n] {
			if b != at(i) {
				return fmt.Errorf("client %d: byte %d is %d, not %d", seed, i, b, at(i))
			}
			i++
		}
		if leaves >= 0 && i > leaves {
			c.Close()
			<-sent
			return nil
		}
		if err != nil {
			if err != io.EOF || i != size {
				return fmt.Errorf("client %d: %d bytes of %d, %w", seed, i, size, err)
			}
			return <-sent
		}
	}
}
