//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
)

// Calls that receive get the messages in the order they came in, those that are canceled none.
func TestReceiversInOrder(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		a, b := w.packets(network), w.packets(network)
		defer a.Close()
		defer b.Close()
		const n = 12
		got := make([]string, n)
		tasks := make([]*core.Task, n)
		cancels := make([]func(), n)
		for i := range n {
			ctx, cancel := context.WithCancel(w.ctx)
			defer cancel()
			cancels[i] = cancel
			tasks[i] = w.start(func(context.Context) error {
				buf := make([]byte, 10)
				m, err := b.ReadMessage(ctx, buf)
				got[i] = string(buf[:m.N])
				return err
			})
			w.until(func() bool { r, _ := b.Waiting(); return r == i+1 })
		}
		for i := 0; i < n; i += 3 {
			cancels[i]()
			w.isOpError(tasks[i].Wait(w.ctx), "read", context.Canceled)
		}
		want := make([]string, n)
		for i, next := 0, 0; i < n; i++ {
			if i%3 == 0 {
				continue
			}
			want[i] = fmt.Sprint(next)
			if _, err := a.WriteTo([]byte(want[i]), here(b)); err != nil {
				w.Fatal(err)
			}
			next++
		}
		for i, task := range tasks {
			if i%3 != 0 {
				w.join(task)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			w.Errorf("got %q, want %q", got, want)
		}
	})
}

// Whoever is canceled while messages come in takes none away.
func TestNoMessageLost(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		a, b := w.packets(network), w.packets(network)
		defer a.Close()
		defer b.Close()
		next := byte(0)
		for i := range byte(100) {
			ctx, cancel := context.WithCancel(w.ctx)
			buf := make([]byte, 1)
			reader := w.start(func(context.Context) error { _, err := b.ReadMessage(ctx, buf); return err })
			if i%2 == 0 {
				w.until(func() bool { r, _ := b.Waiting(); return r == 1 || reader.Finished() })
			}
			if _, err := a.WriteTo([]byte{i}, here(b)); err != nil {
				w.Fatal(err)
			}
			cancel()
			switch err := reader.Wait(w.ctx); {
			case err == nil:
				if buf[0] != next {
					w.Fatalf("message %d, want %d", buf[0], next)
				}
				next++
			case !errors.Is(err, context.Canceled):
				w.Fatal(err)
			}
			if int(i)-int(next) > 5 { // the system's buffer is not large
				for ; next <= i; next++ {
					if _, _, err := b.ReadFrom(buf); err != nil || buf[0] != next {
						w.Fatalf("message %d, %v, want %d", buf[0], err, next)
					}
				}
			}
		}
	})
}

func TestPacketDeadline(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		a, b := w.packets(network), w.packets(network)
		defer a.Close()
		defer b.Close()
		if _, err := a.WriteTo([]byte("x"), here(b)); err != nil {
			w.Fatal(err)
		}
		if err := b.SetDeadline(time.Unix(1, 0)); err != nil {
			w.Fatal(err)
		}
		buf := make([]byte, 10)
		_, _, err := b.ReadFrom(buf)
		w.timedOut(err, "read")
		_, err = b.WriteTo(buf, here(a))
		w.timedOut(err, "write")
		if err := b.SetReadDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if n, _, err := b.ReadFrom(buf); n != 1 || err != nil {
			w.Errorf("ReadFrom = %d, %v", n, err)
		}
		if err := b.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.Fatal(err)
		}
		_, err = b.ReadMessage(w.ctx, buf)
		w.timedOut(err, "read")
		if err := b.SetWriteDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if _, err := b.WriteTo(buf, here(a)); err != nil {
			w.Error(err)
		}
	})
}

// Close ends whatever waits, and what comes later.
func TestPacketClose(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		c := w.packets(network)
		at := here(c)
		buf := make([]byte, 10)
		calls := []func() error{
			func() error { _, _, err := c.ReadFrom(buf); return err },
			func() error { _, _, err := c.ReadFromAddrPort(buf); return err },
			func() error { _, err := c.ReadMessage(w.ctx, buf); return err },
			func() error { _, _, err := c.With(w.ctx).ReadFrom(buf); return err },
			func() error { _, err := c.Read(buf); return err },
		}
		var tasks []*core.Task
		for i, call := range calls {
			tasks = append(tasks, w.start(func(context.Context) error { return call() }))
			w.until(func() bool { r, _ := c.Waiting(); return r == i+1 })
		}
		if err := c.Close(); err != nil {
			w.Error(err)
		}
		for i, task := range tasks {
			w.isOpError(task.Wait(w.ctx), "read", net.ErrClosed)
			w.isOpError(calls[i](), "read", net.ErrClosed)
		}
		_, err := c.WriteTo(buf, at)
		w.isOpError(err, "write", net.ErrClosed)
		w.isOpError(c.Close(), "close", net.ErrClosed)
		if c.LocalAddr() == nil {
			w.Error("no address after Close")
		}
	})
}

func TestPacketView(t *testing.T) {
	everyPacket(t, func(w *world, network string) {
		a, b := w.packets(network), w.packets(network)
		defer a.Close()
		defer b.Close()
		ctx, cancel := context.WithCancel(w.ctx)
		view := b.With(ctx)
		reader := w.start(func(context.Context) error { _, _, err := view.ReadFrom(make([]byte, 1)); return err })
		w.until(func() bool { r, _ := b.Waiting(); return r == 1 })
		cancel()
		w.isOpError(reader.Wait(w.ctx), "read", context.Canceled)
		_, err := view.WriteTo([]byte("x"), here(a))
		w.isOpError(err, "write", context.Canceled)
		if n, err := b.With(w.ctx).WriteTo([]byte("x"), here(a)); n != 1 || err != nil {
			w.Errorf("WriteTo = %d, %v", n, err)
		}
	})
}

// A sender waits while the system has no room, and others behind it in their order.
func TestSendersInOrder(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.connected("unixgram")
		defer a.Close()
		defer b.Close()
		next := 0
		var tasks []*core.Task
		send := func(i int) {
			tasks = append(tasks, w.start(func(context.Context) error { _, err := a.Write([]byte(fmt.Sprint(i))); return err }))
		}
		for full := false; !full; next++ { // until one has to wait
			send(next)
			w.until(func() bool { _, n := a.Waiting(); full = n > 0; return full || tasks[next].Finished() })
		}
		for i := range 3 {
			send(next)
			next++
			w.until(func() bool { _, n := a.Waiting(); return n == i+2 })
		}
		buf := make([]byte, 20)
		for i := range next {
			n, err := b.Read(buf)
			if string(buf[:n]) != fmt.Sprint(i) || err != nil {
				w.Fatalf("got %q, %v, want %d", buf[:n], err, i)
			}
		}
		w.join(tasks...)
	})
}

// A socket that is not connected waits while the receiver has no room, and holds up nobody else
// meanwhile. (Linux lets 10 messages wait, net.unix.max_dgram_qlen.)
func TestFullReceiver(t *testing.T) {
	everyWay(t, func(w *world) {
		full, other, a, filler := w.packets("unixgram"), w.packets("unixgram"), w.packets("unixgram"), w.boundFD("unixgram")
		defer full.Close()
		defer other.Close()
		defer a.Close()
		defer unix.Close(filler)
		to := &unix.SockaddrUnix{Name: full.LocalAddr().String()}
		count := 0
		for ; unix.Sendto(filler, []byte("fill"), 0, to) == nil; count++ {
		}
		send := func(ctx context.Context) *core.Task {
			return w.start(func(context.Context) error {
				_, err := a.With(ctx).WriteTo([]byte("late"), full.LocalAddr())
				return err
			})
		}
		ctx, cancel := context.WithCancel(w.ctx)
		canceled, sender := send(ctx), send(w.ctx)
		if _, err := a.WriteTo([]byte("x"), other.LocalAddr()); err != nil {
			w.Fatal(err)
		}
		if n, _, err := other.ReadFrom(make([]byte, 10)); n != 1 || err != nil {
			w.Fatal(n, err)
		}
		cancel()
		w.isOpError(canceled.Wait(w.ctx), "write", context.Canceled)
		for range count {
			if n, _, err := full.ReadFrom(make([]byte, 10)); n != 4 || err != nil {
				w.Fatal(n, err)
			}
		}
		buf := make([]byte, 10)
		if n, _, err := full.ReadFrom(buf); string(buf[:n]) != "late" || err != nil {
			w.Errorf("%q, %v", buf[:n], err)
		}
		w.join(sender)

		for unix.Sendto(filler, []byte("fill"), 0, to) == nil {
		}
		if err := a.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.Fatal(err)
		}
		_, err := a.WriteTo([]byte("x"), full.LocalAddr())
		w.timedOut(err, "write")
		if err := a.SetWriteDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		sender = send(w.ctx)
		a.Close()
		w.isOpError(sender.Wait(w.ctx), "write", net.ErrClosed)
	})
}

// A call whose ctx has ended takes no message, though one is there.
func TestReadMessageDone(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.connected("udp4")
		defer a.Close()
		defer b.Close()
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		done, cancel := core.WithCancel(w.ctx)
		cancel()
		buf := make([]byte, 10)
		_, err := a.ReadMessage(done, buf)
		w.isOpError(err, "read", context.Canceled)
		if m, err := a.ReadMessage(w.ctx, buf); m.N != 1 || err != nil {
			w.Errorf("%v, %v", m, err)
		}
	})
}
