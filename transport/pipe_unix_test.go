//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// everyPipe runs a test with both ends of a pipe, as the poller takes it and as core.Blocking serves it.
func everyPipe(t *testing.T, body func(w *world, in, out *transport.Pipe)) {
	for name, mk := range map[string]func(context.Context) (*transport.Pipe, *transport.Pipe, error){
		"polled": transport.NewPipe, "blocking": transport.SlowPipe,
	} {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(w *world) {
				in, out, err := mk(w.on)
				if err != nil {
					w.Fatal(err)
				}
				if in.Polled() != (name == "polled") || out.Polled() != in.Polled() {
					w.Error("it is not what it should be")
				}
				defer in.Close()
				defer out.Close()
				body(w, in, out)
			})
		})
	}
}

func (w *world) pipeWaits(p *transport.Pipe, reads, writes int) {
	w.until(func() bool { r, wr := p.Waiting(); return r == reads && wr == writes })
}

// isPipeError is isOpError for an error of a pipe.
func (w *world) isPipeError(err error, op string, target error) {
	w.Helper()
	if oe := w.isOpError(err, op, target); oe.Net != "pipe" {
		w.Errorf("network %q", oe.Net)
	}
}

// seeds 2.7, createAsyncPipe and fromPipe: what goes in comes out, in order and whole, however much it is, and
// the end is an end.
func TestSeedsPipe(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		const size = 3<<20 + 17
		sent := sha256.New()
		writer := w.start(func(context.Context) error {
			defer out.Close()
			b := make([]byte, size)
			for i := range b {
				b[i] = byte(i ^ i>>8 ^ i>>16)
			}
			sent.Write(b)
			n, err := out.Write(b)
			if n != size {
				w.Errorf("wrote %d of %d", n, size)
			}
			return err
		})
		got := sha256.New()
		n, err := io.Copy(got, in)
		if n != size || err != nil {
			w.Errorf("read %d of %d, %v", n, size, err)
		}
		w.join(writer)
		if !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
			w.Error("what came is not what was sent")
		}
		if n, err := in.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			w.Errorf("behind the end: %d, %v", n, err)
		}
	})
}

// A pipe that nobody reads is an error, and the process lives on.
func TestPipeBroken(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		task := w.start(func(context.Context) error {
			_, err := out.Write(make([]byte, 1<<20)) // too much for the buffer
			return err
		})
		w.pipeWaits(out, 0, 1)
		if err := in.Close(); err != nil {
			w.Error(err)
		}
		w.isPipeError(task.Wait(w.ctx), "write", syscall.EPIPE)
		n, err := out.Write([]byte("x"))
		w.isPipeError(err, "write", syscall.EPIPE)
		if n != 0 {
			w.Errorf("wrote %d", n)
		}
	})
}

// Calls are served in order, whole writes and single reads.
func TestPipeFIFO(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		var tasks []*core.Task
		for i := range 4 {
			tasks = append(tasks, w.start(func(context.Context) error {
				var b [1]byte
				_, err := in.Read(b[:])
				if int(b[0]) != i {
					w.Errorf("reader %d has got %d", i, b[0])
				}
				return err
			}))
			w.pipeWaits(in, i+1, 0)
		}
		if _, err := out.Write([]byte{0, 1, 2, 3}); err != nil {
			w.Error(err)
		}
		w.join(tasks...)

		tasks = nil
		const size = 300_000
		for i := range 3 {
			tasks = append(tasks, w.start(func(context.Context) error {
				_, err := out.Write(bytes.Repeat([]byte{byte(i)}, size))
				return err
			}))
			w.until(func() bool { _, n := out.Waiting(); return n == i+1 })
		}
		all := make([]byte, 3*size)
		if _, err := io.ReadFull(in, all); err != nil {
			w.Error(err)
		}
		w.join(tasks...)
		for i := range 3 {
			if n := bytes.Count(all[i*size:(i+1)*size], []byte{byte(i)}); n != size {
				w.Errorf("the bytes of writer %d are mixed", i)
			}
		}
	})
}

// A read that ends early has taken nothing; one that was canceled says so, and leaves the others be.
func TestPipeCancel(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		ctx, cancel := core.WithCancel(w.ctx)
		defer cancel()
		first := w.start(func(context.Context) error {
			_, err := in.With(ctx).Read(make([]byte, 9))
			return err
		})
		w.pipeWaits(in, 1, 0)
		own := w.start(func(context.Context) error {
			var b [9]byte
			n, err := in.Read(b[:])
			if string(b[:n]) != "hello" {
				w.Errorf("got %q", b[:n])
			}
			return err
		})
		w.pipeWaits(in, 2, 0)
		second, cancel2 := core.WithCancel(w.ctx)
		queued := w.start(func(context.Context) error {
			_, err := in.With(second).Read(make([]byte, 9))
			return err
		})
		w.pipeWaits(in, 3, 0)
		cancel2()
		w.isPipeError(queued.Wait(w.ctx), "read", context.Canceled)
		cancel()
		w.isPipeError(first.Wait(w.ctx), "read", context.Canceled)
		w.pipeWaits(in, 1, 0)
		if _, err := out.With(w.ctx).Write([]byte("hello")); err != nil {
			w.Error(err)
		}
		w.join(own)
		for _, v := range []io.ReadWriteCloser{in.With(ctx), out.With(ctx)} { // ctx is done
			_, err := v.Read(make([]byte, 1))
			w.isPipeError(err, "read", context.Canceled)
			_, err = v.Write(make([]byte, 1))
			w.isPipeError(err, "write", context.Canceled)
		}
	})
}

// A task that is canceled ends its calls without a ctx.
func TestPipeCanceledTask(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		var told error
		task := core.Start(w.on, func(context.Context) error { _, told = in.Read(make([]byte, 1)); return nil })
		w.pipeWaits(in, 1, 0)
		task.Cancel()
		w.join(task)
		w.isPipeError(told, "read", context.Canceled)
		if r, _ := in.Waiting(); r != 0 {
			w.Error("it still waits")
		}
	})
}

func TestPipeDeadline(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		past, soon := w.d.Now().Add(-time.Second), func() time.Time { return w.d.Now().Add(time.Millisecond) }
		expired := func(op string, err error) {
			w.Helper()
			w.isPipeError(err, op, os.ErrDeadlineExceeded)
			if !os.IsTimeout(err) {
				w.Errorf("%v is no timeout", err)
			}
		}
		read := func() error { _, err := in.Read(make([]byte, 1)); return err }
		if err := in.SetDeadline(past); err != nil {
			w.Error(err)
		}
		expired("read", read())
		if err := in.SetReadDeadline(soon()); err != nil {
			w.Error(err)
		}
		expired("read", read())
		expired("read", read())
		if err := in.SetReadDeadline(time.Time{}); err != nil {
			w.Error(err)
		}
		// One that is set while a call waits, and one that is put off, and one before it.
		task := w.start(func(context.Context) error { return read() })
		w.pipeWaits(in, 1, 0)
		for _, at := range []time.Time{w.d.Now().Add(time.Hour), w.d.Now().Add(2 * time.Hour), soon()} {
			if err := in.SetReadDeadline(at); err != nil {
				w.Error(err)
			}
		}
		expired("read", task.Wait(w.ctx))

		n := 0
		task = w.start(func(context.Context) (err error) { n, err = out.Write(make([]byte, 1<<20)); return err })
		w.pipeWaits(out, 0, 1)
		if err := out.SetWriteDeadline(past); err != nil {
			w.Error(err)
		}
		expired("write", task.Wait(w.ctx))
		if err := in.SetReadDeadline(time.Time{}); err != nil {
			w.Error(err)
		}
		if got, err := io.ReadFull(in, make([]byte, n)); got != n || err != nil || n == 0 {
			w.Errorf("Write said %d, and there are %d, %v", n, got, err)
		}
		// A deadline that nobody waits for holds up nothing, and a read that need not wait is one.
		if err := out.SetWriteDeadline(time.Time{}); err != nil {
			w.Error(err)
		}
		if err := in.SetReadDeadline(w.d.Now().Add(time.Hour)); err != nil {
			w.Error(err)
		}
		if _, err := out.Write([]byte("x")); err != nil {
			w.Error(err)
		}
		if err := read(); err != nil {
			w.Error(err)
		}
	})
}

// Close lets all go who wait, and calls to come.
func TestPipeClose(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		var reads, writes []*core.Task
		for range 3 {
			reads = append(reads, w.start(func(context.Context) error { _, err := in.Read(make([]byte, 1)); return err }))
		}
		w.pipeWaits(in, 3, 0)
		if err := in.Close(); err != nil {
			w.Error(err)
		}
		for _, r := range reads {
			w.isPipeError(r.Wait(w.ctx), "read", net.ErrClosed)
		}
		other, full, err := transport.NewPipe(w.on)
		if err != nil {
			w.Fatal(err)
		}
		defer other.Close()
		for range 3 {
			writes = append(writes, w.start(func(context.Context) error { _, err := full.Write(make([]byte, 1<<20)); return err }))
		}
		w.pipeWaits(full, 0, 3)
		if err := full.Close(); err != nil {
			w.Error(err)
		}
		for _, t := range writes {
			w.isPipeError(t.Wait(w.ctx), "write", net.ErrClosed)
		}
		for op, err := range map[string]error{
			"read":  func() error { _, err := in.Read(make([]byte, 1)); return err }(),
			"write": func() error { _, err := in.Write(make([]byte, 1)); return err }(),
			"close": in.Close(),
			"set":   in.SetDeadline(time.Time{}),
			"raw":   func() error { _, err := in.SyscallConn(); return err }(),
		} {
			w.isPipeError(err, op, net.ErrClosed)
		}
		for _, b := range [][]byte{nil, {}} {
			_, err := in.Read(b)
			w.isPipeError(err, "read", net.ErrClosed)
			if n, err := out.Write(b); n != 0 || err != nil {
				w.Errorf("an empty write: %d, %v", n, err)
			}
		}
	})
}

// A call in the direction that the end does not have is an error, and one of nothing is nothing.
func TestPipeWrongEnd(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		_, err := in.Write([]byte("x"))
		w.isPipeError(err, "write", syscall.EBADF)
		_, err = out.Read(make([]byte, 1))
		w.isPipeError(err, "read", syscall.EBADF)
		if n, err := in.Read(nil); n != 0 || err != nil {
			w.Errorf("an empty read: %d, %v", n, err)
		}
	})
}

// SyscallConn waits in line, and ends as the calls do.
func TestPipeSyscallConn(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		rc, err := in.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		wc, err := out.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		tries := 0
		task := w.start(func(context.Context) error {
			return rc.Read(func(fd uintptr) bool {
				var b [9]byte
				if tries++; tries == 1 && in.Polled() {
					if _, err := syscall.Read(int(fd), b[:]); err != syscall.EAGAIN {
						w.Errorf("it was not ready, and said %v", err)
					}
					return false
				}
				n, err := syscall.Read(int(fd), b[:])
				if err == syscall.EAGAIN { // asked again though nothing has come
					return false
				}
				if string(b[:max(n, 0)]) != "hi" {
					w.Errorf("got %q, %v", b[:max(n, 0)], err)
				}
				return true
			})
		})
		w.pipeWaits(in, 1, 0)
		if err := wc.Write(func(fd uintptr) bool {
			n, err := syscall.Write(int(fd), []byte("hi"))
			return n == 2 && err == nil
		}); err != nil {
			w.Error(err)
		}
		w.join(task)
		called := false
		if err := rc.Control(func(uintptr) { called = true }); err != nil || !called {
			w.Errorf("Control: %v", err)
		}
		task = w.start(func(context.Context) error { return rc.Read(func(uintptr) bool { return !in.Polled() && tries < 0 }) })
		w.pipeWaits(in, 1, 0)
		if err := in.Close(); err != nil {
			w.Error(err)
		}
		w.isPipeError(task.Wait(w.ctx), "raw-read", net.ErrClosed)
		w.isPipeError(rc.Control(func(uintptr) {}), "raw-control", net.ErrClosed)
	})
}

// A ctx that is done or belongs to no dispatcher, and a dispatcher that is closed, make nothing.
func TestPipeNowhere(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(core.On(t.Context(), d))
	cancel()
	closed, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*dispatch.Dispatcher{d, closed} {
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		ctx  context.Context
		want error
	}{
		"done":    {done, context.Canceled},
		"nowhere": {t.Context(), transport.ErrNoDispatcher},
		"closed":  {core.On(t.Context(), closed), dispatch.ErrClosed},
	} {
		var oe *net.OpError
		if _, _, err := transport.NewPipe(c.ctx); !errors.Is(err, c.want) || !errors.As(err, &oe) {
			t.Errorf("%s: NewPipe: %v", name, err)
		}
		if _, err := transport.Stdin(c.ctx); !errors.Is(err, c.want) || !errors.As(err, &oe) {
			t.Errorf("%s: Stdin: %v", name, err)
		}
		if _, err := transport.OpenPipe(c.ctx, os.DevNull, os.O_RDWR); !errors.Is(err, c.want) || !errors.As(err, &oe) {
			t.Errorf("%s: OpenPipe: %v", name, err)
		}
	}
}

// What waits when the dispatcher closes ends; what was written can no longer be read, and Close closes.
func TestPipeDispatcherCloses(t *testing.T) {
	for _, mk := range []func(context.Context) (*transport.Pipe, *transport.Pipe, error){transport.NewPipe, transport.SlowPipe} {
		d, err := dispatch.New(dispatch.Config{})
		if err != nil {
			t.Fatal(err)
		}
		var in, out *transport.Pipe
		ended := make(chan error, 1)
		go func() { ended <- d.Run(context.Background()) }()
		on := core.On(t.Context(), d)
		if in, out, err = mk(on); err != nil {
			t.Fatal(err)
		}
		task := core.Start(on, func(context.Context) error { _, err := in.Read(make([]byte, 1)); return err })
		for r := 0; r == 0; {
			r, _ = in.Waiting()
			_ = core.Yield(t.Context())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		<-ended
		if err := task.Wait(t.Context()); !errors.Is(err, context.Canceled) && !errors.Is(err, dispatch.ErrClosed) {
			t.Errorf("%v", err)
		}
		if err := errors.Join(in.Close(), out.Close()); err != nil {
			t.Error(err)
		}
	}
}

// The descriptor is closed behind the call that uses it.
func TestPipeCloseInsideACall(t *testing.T) {
	everyWay(t, func(w *world) {
		in, out, err := transport.SlowPipe(w.on)
		if err != nil {
			w.Fatal(err)
		}
		defer out.Close()
		if _, err := out.Write([]byte("x")); err != nil {
			w.Error(err)
		}
		rc, err := in.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		if err := rc.Read(func(fd uintptr) bool {
			if err := in.Close(); err != nil {
				w.Error(err)
			}
			n, err := syscall.Read(int(fd), make([]byte, 1))
			if n != 1 || err != nil {
				w.Errorf("the descriptor: %d, %v", n, err)
			}
			return true
		}); err != nil {
			w.Error(err)
		}
		_, err = in.Read(make([]byte, 1))
		w.isPipeError(err, "read", net.ErrClosed)
	})
}
