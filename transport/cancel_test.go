package transport_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
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

// A Read that is canceled has taken no byte, and the connection goes on.
func TestCancelRead(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		buf := make([]byte, 8)
		for i := range 4 {
			var r *core.Task
			ctx, cancel := context.WithCancelCause(w.ctx)
			if i%2 == 0 {
				r = w.start(func(context.Context) error { _, err := a.With(ctx).Read(buf); return err })
			} else {
				r = w.start(func(ctx context.Context) error { _, err := a.With(ctx).Read(buf); return err })
			}
			behind := w.start(func(context.Context) error { _, err := a.Read(buf); return err })
			w.readWaits(a, 2)
			if i%2 == 0 {
				cancel(errors.New("why"))
			} else {
				r.Cancel()
			}
			err := r.Wait(w.ctx)
			if !errors.Is(err, context.Canceled) {
				w.Fatal(err)
			}
			if i%2 == 0 {
				if oe := w.isOpError(err, "read", context.Canceled); oe.Timeout() {
					w.Error("Timeout() = true")
				}
			}
			w.readWaits(a, 1)
			if _, err := b.Write([]byte("hello")); err != nil {
				w.Fatal(err)
			}
			w.join(behind)
			if string(buf[:5]) != "hello" {
				w.Errorf("got %q", buf)
			}
			clear(buf)
			cancel(nil)
		}
	})
}

// A call without a ctx ends with the task that makes it.
func TestCancelTask(t *testing.T) {
	everyWay(t, func(w *world) {
		if core.DispatcherOf(w.ctx) == nil {
			return // a goroutine has nothing to be canceled by
		}
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		l := w.listen()
		defer l.Close()
		errs := make([]error, 3)
		tasks := []*core.Task{
			w.start(func(context.Context) error { _, errs[0] = a.Read(make([]byte, 1)); return nil }),
			w.start(func(context.Context) error { _, errs[1] = a.Write(make([]byte, 32<<20)); return nil }),
			w.start(func(context.Context) error { _, errs[2] = l.Accept(); return nil }),
		}
		w.readWaits(a, 1)
		w.writeWaits(a, 1)
		for i, op := range []string{"read", "write", "accept"} {
			tasks[i].Cancel()
			_ = tasks[i].Wait(w.ctx)
			w.isOpError(errs[i], op, context.Canceled)
		}
	})
}

func TestWithDoneContext(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		ctx, cancel := context.WithDeadline(w.ctx, time.Unix(1, 0))
		defer cancel()
		view := a.With(ctx)
		_, err := view.Read(make([]byte, 1))
		if oe := w.isOpError(err, "read", context.DeadlineExceeded); !oe.Timeout() {
			w.Error("Timeout() = false")
		}
		_, err = view.Write(make([]byte, 1))
		w.isOpError(err, "write", context.DeadlineExceeded)
		buf := make([]byte, 2)
		if n, err := a.With(w.ctx).Read(buf); n != 1 || err != nil {
			w.Errorf("Read = %d, %v", n, err)
		}
		if view.LocalAddr() != a.LocalAddr() {
			w.Error("another address")
		}
		if err := view.Close(); err != nil {
			w.Error(err)
		}
		w.isOpError(a.Close(), "close", net.ErrClosed)
	})
}

// A Write that is canceled tells how much the peer will get.
func TestCancelWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		ctx, cancel := context.WithCancel(w.ctx)
		var n int
		writer := w.start(func(context.Context) (err error) {
			n, err = a.With(ctx).Write(make([]byte, 32<<20))
			return err
		})
		w.writeWaits(a, 1)
		if _, err := io.ReadFull(b, make([]byte, 1<<20)); err != nil {
			w.Fatal(err)
		}
		cancel()
		w.isOpError(writer.Wait(w.ctx), "write", context.Canceled)
		a.Close()
		got, err := io.Copy(io.Discard, b)
		if got += 1 << 20; got != int64(n) || err != nil {
			w.Errorf("the peer read %d bytes, %v, and %d were written", got, err, n)
		}
	})
}

// Reads are canceled at random while a stream of numbers comes in: none is lost, none
// comes twice.
func TestNoByteLost(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		count := check.Times(3000, 30000)
		writer := w.start(func(ctx context.Context) error {
			defer b.Close()
			rnd := rand.New(rand.NewPCG(1, 1))
			var p []byte
			for i := range count {
				p = binary.BigEndian.AppendUint32(p, uint32(i))
				if rnd.IntN(4) == 0 || i == count-1 {
					if _, err := b.Write(p); err != nil {
						return err
					}
					p = p[:0]
					for range rnd.IntN(4) {
						if err := core.Yield(ctx); err != nil {
							return err
						}
					}
				}
			}
			return nil
		})
		rnd := rand.New(rand.NewPCG(2, 2))
		var got []byte
		canceled := 0
		for {
			p := make([]byte, 1+rnd.IntN(64))
			ctx, cancel := context.WithCancel(w.ctx)
			pauses := rnd.IntN(3)
			killer := w.start(func(ctx context.Context) error {
				for range pauses {
					_ = core.Yield(ctx)
				}
				cancel()
				return nil
			})
			n, err := a.With(ctx).Read(p)
			got = append(got, p[:n]...)
			w.join(killer)
			if err == io.EOF {
				break
			}
			if err != nil {
				w.isOpError(err, "read", context.Canceled)
				canceled++
				if n != 0 {
					w.Fatal("a canceled Read has read something")
				}
			}
		}
		w.join(writer)
		if len(got) != 4*count {
			w.Fatalf("%d bytes of %d", len(got), 4*count)
		}
		for i := range count {
			if v := binary.BigEndian.Uint32(got[4*i:]); v != uint32(i) {
				w.Fatalf("number %d is %d", i, v)
			}
		}
		if canceled == 0 {
			w.Log("no Read was canceled")
		}
	})
}

// When the dispatcher closes, what waits ends; the connection still has to be closed.
func TestDispatcherCloses(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	w := &world{t, t.Context(), core.On(t.Context(), d), d}
	a, b := w.pair()
	l := w.listen()
	_ = a.SetDeadline(time.Now().Add(time.Hour))
	tasks := []*core.Task{
		w.start(func(context.Context) error { _, err := a.Read(make([]byte, 1)); return err }),
		w.start(func(context.Context) error { _, err := a.Write(make([]byte, 32<<20)); return err }),
		w.start(func(context.Context) error { _, err := l.Accept(); return err }),
	}
	w.readWaits(a, 1)
	w.writeWaits(a, 1)
	w.until(func() bool { return l.Waiting() == 1 })
	if err := errors.Join(d.Close(), <-ended); err != nil {
		t.Fatal(err)
	}
	for i, op := range []string{"read", "write", "accept"} {
		w.isOpError(tasks[i].Wait(w.ctx), op, dispatch.ErrClosed)
	}
	_, err = b.Read(make([]byte, 1))
	w.isOpError(err, "read", dispatch.ErrClosed)
	_, err = b.Write(make([]byte, 1))
	w.isOpError(err, "write", dispatch.ErrClosed)
	_, err = transport.Listen(w.on, "tcp", "127.0.0.1:0")
	w.isOpError(err, "listen", dispatch.ErrClosed)
	_, err = transport.Dial(w.on, "tcp", l.Addr().String())
	w.isOpError(err, "dial", dispatch.ErrClosed)
	for _, c := range []io.Closer{a, b, l} {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	_, err = b.Read(make([]byte, 1))
	w.isOpError(err, "read", net.ErrClosed)
}

// In a callback a call may do what it can at once, and must not wait.
func TestCallback(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		done := core.NewFuture[string]()
		err := w.d.Post(func() {
			defer func() { done.Complete(fmt.Sprint(recover())) }()
			if _, err := b.Write([]byte("x")); err != nil {
				panic(err)
			}
			if _, err := a.Read(make([]byte, 100)); err != nil {
				panic(err)
			}
			_, _ = a.Read(make([]byte, 100))
		})
		if err != nil {
			w.Fatal(err)
		}
		const want = "core: wait inside a dispatcher callback"
		if got, err := done.Await(w.ctx); got != want || err != nil {
			w.Errorf("panic %q, %v", got, err)
		}
		if _, err := b.Write([]byte("y")); err != nil {
			w.Fatal(err)
		}
		if n, err := a.Read(make([]byte, 100)); n != 1 || err != nil {
			w.Errorf("Read after that = %d, %v", n, err)
		}
	})
}

// The error of a call whose ctx has ended does not say that it may be tried again, as
// context.DeadlineExceeded does by itself: a server of net/http would call Accept for ever.
func TestEndedIsNotTemporary(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		ctx, cancel := core.WithTimeout(w.ctx, time.Millisecond)
		defer cancel()
		_, err := l.AcceptConn(ctx)
		ne, ok := err.(net.Error)
		if !ok || !ne.Timeout() || !errors.Is(err, context.DeadlineExceeded) {
			w.Fatalf("AcceptConn = %v, want a timeout", err)
		}
		if te, ok := err.(interface{ Temporary() bool }); ok && te.Temporary() {
			w.Error("it says that it is temporary")
		}
	})
}
