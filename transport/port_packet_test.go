//go:build windows || ports

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// What sockets of messages and sockets with the calls of the system do where a poller takes operations.

func (w *world) portPacket(network, addr string) *transport.PacketConn {
	w.Helper()
	c, err := transport.ListenPacket(w.on, network, addr)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// Messages are received whole, one for each call, empty ones too, and what is too large is cut off.
// (chronos issue 597: on Windows an empty message ended all receiving.)
func TestSeedsPortMessages(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.portPacket("udp4", "127.0.0.1:0"), w.portPacket("udp4", "127.0.0.1:0")
		defer a.Close()
		defer b.Close()
		for _, waits := range []bool{true, false} {
			for _, message := range []string{"hello", "", "x", "too large for it", ""} {
				buf := make([]byte, 8)
				var m transport.Message
				read := func(ctx context.Context) (err error) { m, err = b.ReadMessage(ctx, buf); return err }
				var reader *core.Task
				if waits {
					reader = w.start(read)
					w.until(func() bool { return msgWaits(b) == 1 })
				}
				if n, err := a.WriteTo([]byte(message), b.LocalAddr()); n != len(message) || err != nil {
					w.Fatalf("WriteTo = %d, %v", n, err)
				}
				if !waits {
					reader = w.start(read)
				}
				w.join(reader)
				want := message[:min(len(message), len(buf))]
				if got := string(buf[:m.N]); got != want || m.Truncated != (len(message) > len(buf)) {
					w.Errorf("got %q, truncated: %v; want %q of %q", got, m.Truncated, want, message)
				}
				if m.From.String() != a.LocalAddr().String() {
					w.Errorf("from %v, want %v", m.From, a.LocalAddr())
				}
			}
		}
	})
}

// Calls that receive are served in order, and none that ends early has taken a message.
func TestPortMessagesCanceled(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.portPacket("udp4", "127.0.0.1:0"), w.portPacket("udp4", "127.0.0.1:0")
		defer a.Close()
		const readers = 6
		got := make([]string, readers)
		tasks := make([]*core.Task, readers)
		ctx, cancel := context.WithCancel(w.ctx)
		for i := range readers {
			under := w.ctx
			if i%2 == 0 {
				under = ctx
			}
			tasks[i] = w.start(func(context.Context) error {
				buf := make([]byte, 10)
				m, err := b.ReadMessage(under, buf)
				got[i] = string(buf[:m.N])
				return err
			})
			w.until(func() bool { return msgWaits(b) == i+1 })
		}
		cancel()
		for i := 0; i < readers; i += 2 {
			w.isOpError(tasks[i].Wait(w.ctx), "read", context.Canceled)
		}
		for i := 1; i < readers; i += 2 {
			if _, err := a.WriteTo(fmt.Append(nil, i), b.LocalAddr()); err != nil {
				w.Fatal(err)
			}
			w.join(tasks[i])
			if got[i] != fmt.Sprint(i) {
				w.Errorf("reader %d got %q", i, got[i])
			}
		}
		if err := b.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.Error(err)
		}
		_, _, err := b.ReadFrom(make([]byte, 1))
		w.timedOut(err, "read")
		if err := b.SetReadDeadline(time.Time{}); err != nil {
			w.Error(err)
		}
		last := w.start(func(context.Context) error { _, _, err := b.ReadFrom(make([]byte, 1)); return err })
		w.until(func() bool { return msgWaits(b) == 1 })
		b.Close()
		w.isOpError(last.Wait(w.ctx), "read", net.ErrClosed)
	})
}

// A connection that comes when nobody accepts any more is for the next one who does.
func TestPortAcceptedIsKept(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		for range 3 {
			ctx, cancel := context.WithCancel(w.ctx)
			task := w.start(func(context.Context) error { _, err := l.AcceptConn(ctx); return err })
			w.until(func() bool { return l.Waiting() == 1 })
			cancel()
			w.isOpError(task.Wait(w.ctx), "accept", context.Canceled)
			c, err := transport.Dial(w.on, "tcp", l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			s, err := l.AcceptConn(w.ctx)
			if err != nil {
				w.Fatal(err)
			}
			if s.RemoteAddr().String() != c.LocalAddr().String() {
				w.Errorf("accepted %v, want %v", s.RemoteAddr(), c.LocalAddr())
			}
			c.Close()
			s.Close()
		}
		// Of one that nobody gets the peer hears.
		ctx, cancel := context.WithCancel(w.ctx)
		task := w.start(func(context.Context) error { _, err := l.AcceptConn(ctx); return err })
		w.until(func() bool { return l.Waiting() == 1 })
		cancel()
		w.isOpError(task.Wait(w.ctx), "accept", context.Canceled)
		c, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		l.Close()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			w.Errorf("Read = %d, %v", n, err)
		}
	})
}

// A Write that waits ends when its direction is shut, and so does a Read.
func TestPortShutWhileWaiting(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		writer := w.start(func(context.Context) error { _, err := a.Write(make([]byte, 32<<20)); return err })
		w.writeWaits(a, 1)
		reader := w.start(func(context.Context) error { _, err := a.Read(make([]byte, 1)); return err })
		w.readWaits(a, 1)
		if err := a.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		w.isOpError(writer.Wait(w.ctx), "write", epipe)
		if reader.Finished() {
			w.Error("the Read has ended")
		}
		if err := a.CloseRead(); err != nil {
			w.Fatal(err)
		}
		if err := reader.Wait(w.ctx); !errors.Is(err, io.EOF) {
			w.Errorf("Read = %v", err)
		}
	})
}

// A Socket has the same calls: receiving while it is being connected waits for that.
func TestPortSocket(t *testing.T) {
	everyWay(t, func(w *world) {
		l, err := transport.NewSocket(w.on, transport.IPv4, transport.Stream, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		if err := errors.Join(l.Bind(dispatch.Addr{IP: netip.MustParseAddrPort("127.0.0.1:0")}), l.Listen(0)); err != nil {
			w.Fatal(err)
		}
		at, err := l.LocalAddr()
		if err != nil {
			w.Fatal(err)
		}
		server := w.start(func(ctx context.Context) error {
			s, from, err := l.AcceptAddr(ctx)
			if err != nil {
				return err
			}
			defer s.Close()
			if !from.IP.IsValid() {
				w.Error("from nowhere")
			}
			_, err = s.Send(ctx, []byte("hello"))
			return err
		})
		c, err := transport.NewSocket(w.on, transport.IPv4, transport.Stream, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		connect := w.start(func(ctx context.Context) error { return c.Connect(ctx, at) })
		w.until(func() bool { _, out := c.Waiting(); return out == 1 || connect.Finished() })
		got, err := c.Recv(w.ctx, 10)
		if string(got) != "hello" || err != nil {
			w.Errorf("Recv = %q, %v", got, err)
		}
		w.join(server, connect)
		if got, err := c.Recv(w.ctx, 10); len(got) != 0 || err != nil && !errors.Is(err, io.EOF) {
			w.Errorf("Recv at the end = %q, %v", got, err)
		}
		to, err := transport.NewSocket(w.on, transport.IPv4, transport.Datagram, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer to.Close()
		if _, err := to.SendTo(w.ctx, nil, at); err != nil { // nobody is there
			w.Error(err)
		}
	})
}

func msgWaits(c *transport.PacketConn) int {
	n, _ := c.Waiting()
	return n
}
