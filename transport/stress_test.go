//go:build linux

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Many connections are made, used, canceled at random and closed, in several rounds. Both ends
// are in this process. All descriptors and goroutines are back where they were after each.
func TestManyConnections(t *testing.T) {
	for _, backend := range poll.Backends() {
		t.Run(backend, func(t *testing.T) {
			conns := check.Times(500, 8000)
			if backend == "poll" {
				conns = min(conns, 1000) // each turn asks the system for all of them
			}
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
			conns = min(conns, int(limit.Cur)/2-100)
			d, err := dispatch.New(dispatch.Config{Backend: backend})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			round := func(i int) {
				err := core.RunOn(t.Context(), d, func(ctx context.Context) error {
					return manyConnections(ctx, conns, uint64(i))
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			round(0) // makes what is made once
			fds, routines := descriptors(t), runtime.NumGoroutine()
			for i := range 3 {
				round(i + 1)
				if n := descriptors(t); n != fds {
					t.Errorf("round %d: %d descriptors, before there were %d", i, n, fds)
				}
				// What context.AfterFunc has started may still be on its way.
				for n := 0; runtime.NumGoroutine() > routines && n < 1000; n++ {
					runtime.Gosched()
				}
				if n := runtime.NumGoroutine(); n > routines {
					t.Errorf("round %d: %d goroutines, before there were %d", i, n, routines)
				}
			}
		})
	}
}

func descriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func manyConnections(ctx context.Context, n int, seed uint64) error {
	l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	rnd := rand.New(rand.NewPCG(seed, 3))
	served, bytes := 0, 0
	server := core.Start(ctx, func(ctx context.Context) error {
		for {
			c, err := l.AcceptConn(ctx)
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			if err != nil {
				return err
			}
			served++
			core.Spawn(ctx, func(context.Context) error {
				// The client may go at any time, and in any manner.
				if err := echo(c, 100); errors.Is(err, os.ErrDeadlineExceeded) {
					return err
				}
				return nil
			})
		}
	})
	var clients []*core.Task
	open := 0
	all := core.NewFuture[struct{}]()
	for i := range n {
		clients = append(clients, core.Start(ctx, func(ctx context.Context) error {
			c, err := transport.Dial(ctx, "tcp", l.Addr().String())
			if open++; open == n {
				all.Complete(struct{}{})
			}
			if err != nil {
				return err
			}
			defer c.Close()
			// Now all are open at the same time.
			if _, err := all.Await(ctx); err != nil {
				return err
			}
			buf := make([]byte, 1+i%100)
			for range 1 + i%5 {
				_ = c.SetDeadline(time.Now().Add(time.Hour))
				if _, err := c.Write(buf); err != nil {
					return err
				}
				if _, err := io.ReadFull(c, buf); err != nil {
					return err
				}
				bytes += len(buf)
			}
			_, err = c.Read(buf) // waits to be canceled
			return err
		}))
		if rnd.IntN(100) == 0 {
			clients[rnd.IntN(len(clients))].Cancel()
		}
		if i%100 == 0 { // so that the queue of the listener does not overflow
			if err := core.Yield(ctx); err != nil {
				return err
			}
		}
	}
	if _, err := all.Await(ctx); err != nil {
		return err
	}
	for range rnd.IntN(20) {
		if err := core.Yield(ctx); err != nil {
			return err
		}
	}
	rnd.Shuffle(n, func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	for i, c := range clients {
		c.Cancel()
		if i%50 == 0 {
			_ = core.Yield(ctx)
		}
	}
	for _, c := range clients {
		if err := c.Wait(ctx); !errors.Is(err, context.Canceled) {
			return fmt.Errorf("a client: %w", err)
		}
	}
	if err := l.Close(); err != nil {
		return err
	}
	if err := server.Wait(ctx); err != nil {
		return err
	}
	if served == 0 {
		return errors.New("nothing was accepted")
	}
	return nil
}
