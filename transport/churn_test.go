//go:build linux

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
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

// TestChurn opens connections and drops them at random, in every manner, while others are in use, their calls
// are canceled and their deadlines pass; all of them are alive at once for a moment. TestManyConnections has
// them come and go together. Afterwards there is no descriptor, task, goroutine or timer left.
func TestChurn(t *testing.T) {
	for _, backend := range poll.Backends() {
		t.Run(backend, func(t *testing.T) {
			clients := check.Many(300, 8000)
			if backend == "poll" {
				clients = min(clients, 1000) // each turn asks the system for all of them
			}
			var limit unix.Rlimit
			if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
				t.Fatal(err)
			}
			clients = min(clients, int(limit.Cur)/2-100)
			fds, routines := descriptors(t), runtime.NumGoroutine()
			d, err := dispatch.New(dispatch.Config{Backend: backend})
			if err != nil {
				t.Fatal(err)
			}
			c := &churn{clients: clients, rnd: rand.New(rand.NewPCG(uint64(clients), 7)), all: core.NewFuture[struct{}]()}
			if err := core.RunOn(t.Context(), d, c.run); err != nil {
				t.Error(err)
			}
			t.Logf("%d connections, %d at once, %d echoes, %d calls cut short", c.opened, c.most, c.echoes, c.cut)
			if c.most < clients || c.echoes == 0 || c.cut == 0 {
				t.Error("that is not what was to be tried")
			}
			if err := d.Drain(time.Minute); err != nil {
				t.Error(err)
			}
			if s := d.Stats(); d.Pending() != 0 || s.Timers != 0 || s.Tasks != 0 || s.Holds != 0 || s.Descriptors != 0 || s.IdleCoroutines != 0 {
				t.Errorf("%d left pending: %+v", d.Pending(), s)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if n := descriptors(t); n != fds {
				t.Errorf("%d descriptors, before there were %d", n, fds)
			}
			// What context.AfterFunc has started may still be on its way.
			for n := 0; runtime.NumGoroutine() > routines && n < 1000; n++ {
				runtime.Gosched()
			}
			if n := runtime.NumGoroutine(); n > routines {
				t.Errorf("%d goroutines, before there were %d", n, routines)
			}
		})
	}
}

// churn is one run. Its tasks are those of one dispatcher, so nothing needs a lock.
type churn struct {
	clients int
	rnd     *rand.Rand
	servers []*transport.Listener
	all     *core.Future[struct{}] // done when all clients are connected

	alive, most, opened, echoes, cut int
}

func (c *churn) run(ctx context.Context) error {
	var tasks []*core.Task
	for range 4 { // the ends of TCP hold their pairs of ports for a while
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		c.servers = append(c.servers, l)
		tasks = append(tasks, core.Start(ctx, func(ctx context.Context) error { return c.serve(ctx, l) }))
	}
	var clients []*core.Task
	for i := range c.clients {
		clients = append(clients, core.Start(ctx, func(ctx context.Context) error { return c.client(ctx, i) }))
		if i%50 == 0 { // so that no backlog overflows
			for range 5 {
				_ = core.Yield(ctx)
			}
		}
	}
	for _, t := range clients {
		if err := t.Wait(ctx); err != nil {
			return fmt.Errorf("a client: %w", err)
		}
	}
	for _, l := range c.servers {
		if err := l.Close(); err != nil {
			return err
		}
	}
	for _, t := range tasks {
		if err := t.Wait(ctx); err != nil {
			return fmt.Errorf("a server: %w", err)
		}
	}
	return nil
}

// serve sends back what comes in, until the listener is closed.
func (c *churn) serve(ctx context.Context, l *transport.Listener) error {
	for {
		conn, err := l.AcceptConn(ctx)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		core.Spawn(ctx, func(context.Context) error {
			// The client may go at any time, and in any manner.
			_ = echo(conn, 1000)
			return nil
		})
	}
}

// client opens connections one after the other.
func (c *churn) client(ctx context.Context, i int) error {
	for round := range 3 {
		conn, err := transport.Dial(ctx, "tcp", c.servers[c.rnd.IntN(len(c.servers))].Addr().String())
		if err != nil {
			return err
		}
		c.opened++
		if c.alive++; c.alive > c.most {
			c.most = c.alive
		}
		if round == 0 {
			if c.alive == c.clients {
				c.all.Complete(struct{}{})
			}
			if _, err := c.all.Await(ctx); err != nil {
				return err
			}
		}
		err = c.use(ctx, conn)
		c.alive--
		if err != nil {
			return err
		}
		if c.rnd.IntN(3) == 0 {
			return nil
		}
	}
	return nil
}

// use sends and receives for a while, and drops the connection.
func (c *churn) use(ctx context.Context, conn *transport.Conn) error {
	defer conn.Close()
	msg := make([]byte, 4+c.rnd.IntN(2000))
	got := make([]byte, len(msg))
	for range c.rnd.IntN(4) {
		for i := range msg {
			msg[i] = byte(c.rnd.Uint32())
		}
		if _, err := conn.Write(msg); err != nil {
			return err
		}
		if err := c.readBack(ctx, conn, got); err != nil {
			return err
		}
		if crc32.ChecksumIEEE(got) != crc32.ChecksumIEEE(msg) {
			return errors.New("something else came back")
		}
		c.echoes++
	}
	switch c.rnd.IntN(5) {
	case 0: // in good order
		if err := conn.CloseWrite(); err != nil {
			return err
		}
		if n, err := conn.Read(got); n != 0 || err != io.EOF {
			return fmt.Errorf("%d bytes, %w, want the end", n, err)
		}
	case 1:
		return conn.SetLinger(0)
	case 2: // a call waits meanwhile
		t := core.Start(ctx, func(context.Context) error { _, err := conn.Read(got); return err })
		for range c.rnd.IntN(3) {
			_ = core.Yield(ctx)
		}
		if err := conn.Close(); err != nil {
			return err
		}
		if err := t.Wait(ctx); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("a read of a closed connection: %w", err)
		}
	case 3: // with what nobody reads
		_, err := conn.Write(msg)
		return err
	}
	return nil
}

// readBack fills p, by calls that are cut short at times.
func (c *churn) readBack(ctx context.Context, conn *transport.Conn, p []byte) error {
	for len(p) > 0 {
		n, err := c.read(ctx, conn, p)
		if p = p[n:]; err == nil {
			continue
		}
		if n != 0 || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		c.cut++
	}
	return nil
}

func (c *churn) read(ctx context.Context, conn *transport.Conn, p []byte) (int, error) {
	soon := time.Duration(c.rnd.IntN(1000)) * time.Microsecond
	switch c.rnd.IntN(5) {
	case 0:
		ctx, cancel := core.WithCancel(ctx)
		defer cancel()
		killer := core.Start(ctx, func(ctx context.Context) error {
			_ = core.Yield(ctx)
			cancel()
			return nil
		})
		n, err := conn.With(ctx).Read(p)
		_ = killer.Wait(context.WithoutCancel(ctx))
		return n, err
	case 1:
		ctx, cancel := core.WithTimeout(ctx, soon)
		defer cancel()
		return conn.With(ctx).Read(p)
	case 2:
		if err := conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
			return 0, err
		}
		n, err := conn.Read(p)
		return n, errors.Join(err, conn.SetReadDeadline(time.Time{}))
	case 3: // for as long as the connection lives
		if err := conn.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			return 0, err
		}
	}
	return conn.Read(p)
}
