package transport_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A stream of bytes goes both ways at once, written and read in pieces of any size.
func TestStream(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		size := check.Times(3<<20, 10<<20)
		send := func(c *transport.Conn, seed uint64, sum *[32]byte) *core.Task {
			return w.start(func(context.Context) error {
				rnd := rand.New(rand.NewPCG(seed, 1))
				h := sha256.New()
				for left := size; left > 0; {
					p := make([]byte, min(left, 1+rnd.IntN(1<<rnd.IntN(20))))
					for i := range p {
						p[i] = byte(rnd.Uint32())
					}
					n, err := c.Write(p)
					if n != len(p) || err != nil {
						return fmt.Errorf("Write(%d bytes) = %d, %w", len(p), n, err)
					}
					h.Write(p)
					left -= n
				}
				h.Sum(sum[:0])
				return c.CloseWrite()
			})
		}
		receive := func(c *transport.Conn, seed uint64, sum *[32]byte) *core.Task {
			return w.start(func(context.Context) error {
				rnd := rand.New(rand.NewPCG(seed, 2))
				h := sha256.New()
				for {
					p := make([]byte, 1+rnd.IntN(1<<rnd.IntN(18)))
					n, err := c.Read(p)
					h.Write(p[:n])
					if err == io.EOF {
						h.Sum(sum[:0])
						return nil
					}
					if err != nil || n == 0 {
						return fmt.Errorf("Read = %d, %w", n, err)
					}
				}
			})
		}
		var sent, got [2][32]byte
		w.join(send(a, 1, &sent[0]), send(b, 2, &sent[1]), receive(b, 3, &got[0]), receive(a, 4, &got[1]))
		if sent != got {
			w.Error("what was read is not what was written")
		}
	})
}

// One Write is longer than what goes in one system call, and than all buffers.
func TestLongWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		data := make([]byte, 24<<20)
		for i := 0; i < len(data); i += 8 {
			binary.LittleEndian.PutUint64(data[i:], uint64(i)*0x9e3779b97f4a7c15)
		}
		writer := w.start(func(context.Context) error {
			n, err := a.Write(data)
			if n != len(data) || err != nil {
				return fmt.Errorf("Write = %d, %w", n, err)
			}
			return a.CloseWrite()
		})
		got, err := io.ReadAll(b)
		if err != nil || !bytes.Equal(got, data) {
			w.Errorf("read %d bytes, %v", len(got), err)
		}
		w.join(writer)
	})
}

func TestPingPong(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		other := w.start(func(context.Context) error { return echo(b, 8) })
		var buf [8]byte
		for i := range uint64(500) {
			binary.LittleEndian.PutUint64(buf[:], i)
			if _, err := a.Write(buf[:]); err != nil {
				w.Fatal(err)
			}
			if _, err := io.ReadFull(a, buf[:]); err != nil {
				w.Fatal(err)
			}
			if got := binary.LittleEndian.Uint64(buf[:]); got != i {
				w.Fatalf("got %d, want %d", got, i)
			}
		}
		a.Close()
		w.join(other)
	})
}

func TestAddresses(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		a.Close()
		b.Close()
		if a.LocalAddr().String() != b.RemoteAddr().String() || b.LocalAddr().String() != a.RemoteAddr().String() {
			w.Errorf("%v - %v, and %v - %v", a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr())
		}
		if n := a.LocalAddr().Network(); n != "tcp" {
			w.Errorf("network %q", n)
		}
	})
}

// Close ends the calls that wait, and all that come.
func TestClose(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		readers := make([]*core.Task, 3)
		for i := range readers {
			readers[i] = w.start(func(context.Context) error { _, err := a.Read(make([]byte, 1)); return err })
		}
		writer := w.start(func(context.Context) error {
			for {
				if _, err := a.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		})
		w.readWaits(a, 3)
		w.writeWaits(a, 1)
		if err := a.Close(); err != nil {
			w.Error(err)
		}
		for _, r := range readers {
			w.isOpError(r.Wait(w.ctx), "read", net.ErrClosed)
		}
		w.isOpError(writer.Wait(w.ctx), "write", net.ErrClosed)
		_, err := a.Read(make([]byte, 1))
		w.isOpError(err, "read", net.ErrClosed)
		_, err = a.Read(nil)
		w.isOpError(err, "read", net.ErrClosed)
		_, err = a.Write(nil)
		w.isOpError(err, "write", net.ErrClosed)
		w.isOpError(a.Close(), "close", net.ErrClosed)
		w.isOpError(a.CloseRead(), "close", net.ErrClosed)
		w.isOpError(a.CloseWrite(), "close", net.ErrClosed)
		w.isOpError(a.SetReadDeadline(time.Now()), "set", net.ErrClosed)
		if err := a.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}
		if n, err := io.Copy(io.Discard, b); err != nil || n == 0 {
			w.Errorf("the peer read %d bytes, %v", n, err)
		}
	})
}

func TestHalfClose(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		if err := a.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		_, err := a.Write([]byte("x"))
		w.isOpError(err, "write", epipe)
		if n, err := b.Read(make([]byte, 9)); n != 0 || err != io.EOF {
			w.Errorf("Read = %d, %v", n, err)
		}
		if _, err := b.Write([]byte("still here")); err != nil {
			w.Fatal(err)
		}
		buf := make([]byte, 20)
		if n, err := a.Read(buf); err != nil || string(buf[:n]) != "still here" {
			w.Errorf("Read = %q, %v", buf[:n], err)
		}
		reader := w.start(func(context.Context) error { _, err := a.Read(buf); return err })
		w.readWaits(a, 1)
		if err := a.CloseRead(); err != nil {
			w.Fatal(err)
		}
		if err := reader.Wait(w.ctx); err != io.EOF {
			w.Errorf("the Read that waited: %v", err)
		}
		if _, err := a.Read(buf); err != io.EOF {
			w.Errorf("Read after CloseRead: %v", err)
		}
	})
}

func TestEmpty(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		for _, p := range [][]byte{nil, {}} {
			if n, err := a.Read(p); n != 0 || err != nil {
				w.Errorf("Read(nothing) = %d, %v", n, err)
			}
			if n, err := a.Write(p); n != 0 || err != nil {
				w.Errorf("Write(nothing) = %d, %v", n, err)
			}
		}
		b.Close()
		if n, err := a.Read(nil); n != 0 || err != nil {
			w.Errorf("Read(nothing) at the end = %d, %v", n, err)
		}
	})
}

// The peer goes after each byte of a message: all that it sent is read, and then the end.
func TestEndAtEveryByte(t *testing.T) {
	everyWay(t, func(w *world) {
		const message = "0123456789abcdef"
		for n := range len(message) + 1 {
			for _, size := range []int{1, 4, 100} {
				a, b := w.pair()
				writer := w.start(func(ctx context.Context) error {
					defer b.Close()
					if n%2 == 0 {
						_ = core.Yield(ctx)
					}
					_, err := b.Write([]byte(message[:n]))
					return err
				})
				var got []byte
				for {
					p := make([]byte, size)
					m, err := a.Read(p)
					got = append(got, p[:m]...)
					if err == io.EOF {
						break
					}
					if err != nil {
						w.Fatal(err)
					}
				}
				if string(got) != message[:n] {
					w.Errorf("got %q of %q", got, message[:n])
				}
				w.join(writer)
				a.Close()
			}
		}
	})
}

// Calls of Read that wait are served in order of arrival, each with what it asks for.
func TestReadersInOrder(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		const n = 20
		got := make([]byte, n)
		var readers []*core.Task
		for i := range n {
			readers = append(readers, w.start(func(context.Context) error {
				_, err := a.Read(got[i : i+1])
				return err
			}))
			w.readWaits(a, i+1)
		}
		const sent = "abcdefghijklmnopqrst"
		for i := range n {
			if i < 5 || i == n-1 { // some one by one, the rest at once
				to := i + 1
				if i == 4 {
					to = n - 1
				}
				if _, err := b.Write([]byte(sent[i:to])); err != nil {
					w.Fatal(err)
				}
			}
		}
		w.join(readers...)
		if string(got) != sent {
			w.Errorf("got %q", got)
		}
	})
}

// The bytes of two calls of Write are not mixed, and come in the order of the calls.
func TestWritersInOrder(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		w.small(a, b)
		const n, size = 4, tooMuch
		var writers []*core.Task
		for i := range n {
			writers = append(writers, w.start(func(context.Context) error {
				_, err := a.Write(bytes.Repeat([]byte{byte('a' + i)}, size))
				return err
			}))
			w.writeWaits(a, i+1)
		}
		buf := make([]byte, size)
		for i := range n {
			if _, err := io.ReadFull(b, buf); err != nil {
				w.Fatal(err)
			}
			if c := byte('a' + i); bytes.Count(buf, []byte{c}) != size {
				w.Errorf("the bytes of writer %d are mixed", i)
			}
		}
		w.join(writers...)
	})
}

// All methods at once, for the race detector.
func TestAllAtOnce(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		var over atomic.Bool
		other := w.start(func(context.Context) error { _, _ = io.Copy(b, b); return nil })
		far := time.Now().Add(time.Hour)
		methods := []func(){
			func() { _, _ = a.Read(make([]byte, 100)) },
			func() { _, _ = a.Write(make([]byte, 100)) },
			func() { _ = a.SetDeadline(far) },
			func() { _ = a.SetReadDeadline(far) },
			func() { _ = a.SetWriteDeadline(time.Time{}) },
			func() { _, _ = a.LocalAddr(), a.RemoteAddr() },
			func() {
				ctx, cancel := context.WithTimeout(w.ctx, time.Millisecond)
				defer cancel()
				_, _ = a.With(ctx).Read(make([]byte, 10))
			},
		}
		var tasks []*core.Task
		for _, m := range methods {
			for range 2 {
				tasks = append(tasks, w.start(func(ctx context.Context) error {
					for !over.Load() {
						m()
						if err := core.Yield(ctx); err != nil {
							return err
						}
					}
					return nil
				}))
			}
		}
		for range 300 {
			w.until(func() bool { return true })
			_ = core.Yield(w.ctx)
		}
		over.Store(true)
		a.Close()
		w.join(append(tasks, other)...)
	})
}

// A peer that never pauses does not keep the other tasks of the loop from their turn.
func TestFlood(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		const n = 20 * transport.MaxStreak
		if _, err := b.Write(make([]byte, n+1)); err != nil {
			w.Fatal(err)
		}
		var turns, end atomic.Int64
		other := w.start(func(ctx context.Context) error {
			for end.Load() == 0 {
				turns.Add(1)
				if err := core.Yield(ctx); err != nil {
					return err
				}
			}
			return nil
		})
		w.until(func() bool { return turns.Load() > 0 })
		before := turns.Load()
		for range n {
			if _, err := a.Read(make([]byte, 1)); err != nil {
				w.Fatal(err)
			}
		}
		if got := turns.Load() - before; got < 10 && core.DispatcherOf(w.ctx) != nil {
			w.Errorf("while %d calls read, another task had %d turns", n, got)
		}
		end.Store(1)
		w.join(other)
	})
}
