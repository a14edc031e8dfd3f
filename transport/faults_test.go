//go:build unix

package transport_test

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

// flow is a connection as the tests of faults see it: a Conn, or a Socket.
type flow struct {
	name    string
	read    func(ctx context.Context, p []byte) (int, error)
	write   func(ctx context.Context, p []byte) (int, error)
	waiting func() (reads, writes int)
	end     func() error // of writing
	close   func() error
}

func connFlow(c *transport.Conn) *flow {
	return &flow{
		"Conn",
		func(ctx context.Context, p []byte) (int, error) { return c.With(ctx).Read(p) },
		func(ctx context.Context, p []byte) (int, error) { return c.With(ctx).Write(p) },
		c.Waiting, c.CloseWrite, c.Close,
	}
}

func socketFlow(s *transport.Socket) *flow {
	return &flow{
		"Socket",
		func(ctx context.Context, p []byte) (int, error) { return s.RecvInto(ctx, p) },
		s.Send, s.Waiting,
		func() error { return s.Shutdown(transport.ShutWrite) }, s.Close,
	}
}

// eachFlow runs a test with a TCP connection of each kind to a peer of package net.
func (w *world) eachFlow(body func(f *flow, peer *net.TCPConn)) {
	w.Helper()
	for _, kind := range []string{"Conn", "Socket"} {
		w.oneFlow(kind, body)
	}
}

func (w *world) oneFlow(kind string, body func(f *flow, peer *net.TCPConn)) {
	w.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	defer l.Close()
	var f *flow
	if kind == "Conn" {
		c, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		f = connFlow(c)
	} else {
		s := w.newSock(transport.IPv4, transport.Stream)
		if err := s.Connect(w.ctx, dispatch.Addr{IP: l.Addr().(*net.TCPAddr).AddrPort()}); err != nil {
			w.Fatal(err)
		}
		f = socketFlow(s)
	}
	defer f.close()
	peer, err := l.Accept() // it is there
	if err != nil {
		w.Fatal(err)
	}
	defer peer.Close()
	body(f, peer.(*net.TCPConn))
}

// readWaits waits until n calls wait to read.
func (f *flow) readWaits(w *world, n int) {
	w.until(func() bool { r, _ := f.waiting(); return r == n })
}

func (f *flow) writeWaits(w *world, n int) {
	w.until(func() bool { _, n0 := f.waiting(); return n0 == n })
}

// message is a message with its length and its checksum.
func message(size int) []byte {
	m := make([]byte, size)
	for i := range m {
		m[i] = byte(i*7 + 1)
	}
	binary.BigEndian.PutUint32(m, crc32.ChecksumIEEE(m[4:]))
	return m
}

// reset breaks the connection.
func reset(w *world, peer *net.TCPConn) {
	w.Helper()
	if err := errors.Join(peer.SetLinger(0), peer.Close()); err != nil {
		w.Fatal(err)
	}
}

// A peer resets the connection behind each byte of a message: the reader gets what was sent and then an
// error, or the error at once. It never gets a clean end, nor anything that was not sent.
func TestResetAtEveryByte(t *testing.T) {
	msg := message(check.Times(40, 300))
	everyWay(t, func(w *world) {
		w.eachFlow(func(f *flow, peer *net.TCPConn) { // the end in good order is one
			if _, err := peer.Write(msg); err != nil {
				w.Fatal(err)
			}
			peer.Close()
			w.readsUpTo(f, msg, 7, io.EOF)
		})
		for k := range len(msg) + 1 {
			// The reader waits, or comes later; its buffer is larger than what comes in, or smaller.
			for how := range 4 {
				if how != k%4 && !check.Long() {
					continue
				}
				w.eachFlow(func(f *flow, peer *net.TCPConn) {
					size := 7 + how/2*1000
					var reader *core.Task
					if how%2 == 0 {
						reader = w.start(func(context.Context) error { w.readsUpTo(f, msg[:k], size, econnreset); return nil })
						f.readWaits(w, 1)
					}
					for _, half := range [][]byte{msg[:k/2], msg[k/2 : k]} {
						if _, err := peer.Write(half); err != nil {
							w.Fatal(err)
						}
						_ = core.Yield(w.ctx)
					}
					reset(w, peer)
					if reader == nil {
						w.readsUpTo(f, msg[:k], size, econnreset)
					} else {
						w.join(reader)
					}
					// It stays so, whoever asks; and nothing can be sent.
					_, err := f.write(w.ctx, []byte("x"))
					if !errors.Is(err, epipe) && !errors.Is(err, econnreset) {
						w.Errorf("%s: after %d bytes a write is %v", f.name, k, err)
					}
					w.readsUpTo(f, nil, size, econnreset)
				})
			}
		}
	})
}

// readsUpTo reads what is at most all of want, and then the error.
func (w *world) readsUpTo(f *flow, want []byte, size int, end error) {
	w.Helper()
	buf := make([]byte, size)
	got := 0
	for {
		n, err := f.read(w.ctx, buf)
		if n > len(want)-got || string(buf[:n]) != string(want[got:got+n]) {
			w.Fatalf("%s: read %q at %d of %q", f.name, buf[:n], got, want)
		}
		if got += n; err == nil {
			continue
		}
		if !errors.Is(err, end) || n != 0 {
			w.Fatalf("%s: after %d bytes of %d: %d, %v, want %v", f.name, got, len(want), n, err, end)
		}
		if end == io.EOF && got != len(want) {
			w.Fatalf("%s: a clean end after %d bytes of %d", f.name, got, len(want))
		}
		return
	}
}

// A peer that resets while a write waits: the write tells that, and that not all was sent.
func TestResetDuringWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, read := range []int{0, 1, 100_000} { // what the peer reads before
			w.eachFlow(func(f *flow, peer *net.TCPConn) {
				var n int
				t := w.start(func(context.Context) (err error) {
					n, err = f.write(w.ctx, lots)
					return err
				})
				f.writeWaits(w, 1)
				if _, err := io.ReadFull(peer, make([]byte, read)); err != nil {
					w.Fatal(err)
				}
				reset(w, peer)
				if err := t.Wait(w.ctx); !errors.Is(err, econnreset) && !errors.Is(err, epipe) || n >= len(lots) || n < read {
					w.Errorf("%s: write = %d, %v", f.name, n, err)
				}
				if _, err := f.read(w.ctx, make([]byte, 1)); !errors.Is(err, econnreset) {
					w.Errorf("%s: read = %v", f.name, err)
				}
			})
		}
	})
}

// A peer that says nothing for ever, as after its machine has lost power: calls end with their ctx, and the
// connection goes on where it was if the peer is there after all.
func TestSilentPeer(t *testing.T) {
	everyWay(t, func(w *world) {
		w.eachFlow(func(f *flow, peer *net.TCPConn) {
			ctx, cancel := context.WithCancel(w.ctx)
			buf := make([]byte, 100)
			r := w.start(func(context.Context) error { _, err := f.read(ctx, buf); return err })
			sent := 0
			wr := w.start(func(context.Context) (err error) { sent, err = f.write(ctx, lots); return err })
			f.readWaits(w, 1)
			f.writeWaits(w, 1)
			cancel()
			for _, t := range []*core.Task{r, wr} {
				if err := t.Wait(w.ctx); !errors.Is(err, context.Canceled) {
					w.Errorf("%s: %v", f.name, err)
				}
			}
			timed, cancel := core.WithTimeout(w.ctx, time.Millisecond)
			defer cancel()
			if _, err := f.read(timed, buf); !errors.Is(err, context.DeadlineExceeded) {
				w.Errorf("%s: %v", f.name, err)
			}
			msg := message(50)
			if _, err := peer.Write(msg); err != nil {
				w.Fatal(err)
			}
			peer.CloseWrite()
			w.readsUpTo(f, msg, 1000, io.EOF)
			// The peer has ended its side only: it still gets everything.
			got := make(chan int64, 1)
			go func() {
				n, _ := io.Copy(io.Discard, peer)
				got <- n
			}()
			if _, err := f.write(w.ctx, msg); err != nil {
				w.Error(err)
			}
			if err := f.end(); err != nil {
				w.Error(err)
			}
			if n := w.fromPeer(got); n != int64(sent+len(msg)) {
				w.Errorf("%s: the peer got %d bytes, and %d were sent", f.name, n, sent+len(msg))
			}
		})
	})
}

// fromPeer waits for a goroutine that has a peer.
func (w *world) fromPeer(got chan int64) (n int64) {
	done := false
	w.until(func() bool {
		select {
		case n = <-got:
			done = true
		default:
		}
		return done
	})
	return n
}

// Readers that are slow, so that all buffers are full, with writes and reads that are canceled, on
// many connections at a time. Every byte comes once and in its place.
func TestSlowReaders(t *testing.T) {
	everyWay(t, func(w *world) {
		size := check.Times(300_000, 2_000_000)
		var tasks []*core.Task
		for i := range check.Times(4, 20) {
			var from, to *flow
			if i%2 == 0 {
				a, b := w.pair()
				if err := a.SetWriteBuffer(8 << 10); err != nil {
					w.Fatal(err)
				}
				from, to = connFlow(a), connFlow(b)
			} else {
				a, b := w.sockets(transport.IPv4, transport.Stream)
				if err := a.SetWriteBuffer(8 << 10); err != nil {
					w.Fatal(err)
				}
				from, to = socketFlow(a), socketFlow(b)
			}
			rnd := rand.New(rand.NewPCG(uint64(i), 5))
			seed := rnd.Uint64()
			data := make([]byte, size)
			for i := range data {
				data[i] = byte(rnd.Uint32())
			}
			tasks = append(tasks,
				w.start(func(context.Context) error { return w.writeInPieces(from, data, rand.New(rand.NewPCG(seed, 1))) }),
				w.start(func(context.Context) error {
					sum, err := w.readSlowly(to, rand.New(rand.NewPCG(seed, 2)))
					if want := crc32.ChecksumIEEE(data); err == nil && sum != want {
						w.Errorf("%s: checksum %x, want %x", to.name, sum, want)
					}
					return err
				}))
		}
		w.join(tasks...)
	})
}

// writeInPieces writes all of data, with calls of which some are canceled.
func (w *world) writeInPieces(f *flow, data []byte, rnd *rand.Rand) error {
	defer f.close()
	for len(data) > 0 {
		p := data[:min(len(data), 1+rnd.IntN(50_000))]
		n, err := w.cutShort(rnd, func(ctx context.Context) (int, error) { return f.write(ctx, p) })
		if data = data[n:]; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return f.end()
}

// readSlowly reads to the end, and returns the checksum.
func (w *world) readSlowly(f *flow, rnd *rand.Rand) (sum uint32, err error) {
	defer f.close()
	buf := make([]byte, 20_000)
	for {
		n, err := w.cutShort(rnd, func(ctx context.Context) (int, error) { return f.read(ctx, buf[:1+rnd.IntN(len(buf))]) })
		sum = crc32.Update(sum, crc32.IEEETable, buf[:n])
		switch {
		case err == io.EOF:
			return sum, nil
		case err != nil && (n != 0 || !errors.Is(err, context.Canceled)):
			return 0, err
		}
		for range rnd.IntN(4) {
			if err := core.Yield(w.ctx); err != nil {
				return 0, err
			}
		}
	}
}

// cutShort makes a call whose ctx may end at any moment.
func (w *world) cutShort(rnd *rand.Rand, call func(ctx context.Context) (int, error)) (int, error) {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	if pauses := rnd.IntN(6); pauses < 3 {
		killer := w.start(func(context.Context) error {
			for range pauses {
				_ = core.Yield(w.ctx)
			}
			cancel()
			return nil
		})
		defer w.join(killer)
	}
	return call(ctx)
}
