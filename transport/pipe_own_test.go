//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A descriptor of which no Pipe could be made is the caller's as before, whatever the reason.
func TestPipeFromFDFails(t *testing.T) {
	everyWay(t, func(w *world) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			w.Fatal(err)
		}
		defer unix.Close(fds[1])
		p, err := transport.PipeFromFD(w.on, dispatch.FD(fds[0]))
		if err != nil {
			w.Fatal(err)
		}
		// It is with the dispatcher already.
		if _, err := transport.PipeFromFD(w.on, dispatch.FD(fds[0])); err == nil {
			w.Error("two Pipes of one descriptor")
		}
		ctx, cancel := context.WithCancel(w.on)
		cancel()
		for _, ctx := range []context.Context{ctx, context.Background()} {
			if _, err := transport.PipeFromFD(ctx, dispatch.FD(fds[0])); err == nil {
				w.Error("there is no dispatcher")
			}
		}
		if _, err := p.Write([]byte("x")); err != nil {
			w.Error(err)
		}
		if n, err := unix.Read(fds[1], make([]byte, 2)); n != 1 || err != nil {
			w.Errorf("read %d, %v", n, err)
		}
		if err := p.Close(); err != nil {
			w.Error(err)
		}
		if _, err := unix.FcntlInt(uintptr(fds[0]), unix.F_GETFD, 0); err != unix.EBADF {
			w.Errorf("the descriptor behind Close: %v", err)
		}
	})
}

// The function of Control may use the pipe, and even close it: the descriptor is there until it returns.
func TestPipeControlUsesThePipe(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		rc, err := out.SyscallConn()
		if err != nil {
			w.Fatal(err)
		}
		var of int
		err = rc.Control(func(fd uintptr) {
			of = int(fd)
			if _, err := out.Write([]byte("x")); err != nil {
				w.Error(err)
			}
			if err := errors.Join(out.SetDeadline(time.Time{}), rc.Control(func(uintptr) {}), out.Close()); err != nil {
				w.Error(err)
			}
			if n, err := syscall.Write(of, []byte("y")); n != 1 || err != nil {
				w.Errorf("the descriptor: %d, %v", n, err)
			}
			w.isPipeError(rc.Control(func(uintptr) { w.Error("it is closed") }), "raw-control", net.ErrClosed)
		})
		if err != nil {
			w.Error(err)
		}
		got, err := io.ReadAll(in) // it ends, so the descriptor is closed
		if string(got) != "xy" || err != nil {
			w.Errorf("got %q, %v", got, err)
		}
	})
}

// The deadlines are those of the pipe, by its views as well.
func TestPipeViewDeadlines(t *testing.T) {
	everyPipe(t, func(w *world, in, out *transport.Pipe) {
		ctx, cancel := core.WithCancel(w.ctx)
		defer cancel()
		view := in.With(ctx)
		reader := w.start(func(context.Context) error { _, err := view.Read(make([]byte, 1)); return err })
		w.pipeWaits(in, 1, 0)
		if err := view.SetReadDeadline(longAgo); err != nil {
			w.Error(err)
		}
		w.isPipeError(reader.Wait(w.ctx), "read", os.ErrDeadlineExceeded)
		_, err := in.Read(make([]byte, 1))
		w.isPipeError(err, "read", os.ErrDeadlineExceeded)
		view = out.With(w.ctx)
		for _, set := range []func(time.Time) error{view.SetWriteDeadline, view.SetDeadline} {
			if err := set(longAgo); err != nil {
				w.Error(err)
			}
			_, err = out.Write([]byte("x"))
			w.isPipeError(err, "write", os.ErrDeadlineExceeded)
			if err := set(time.Time{}); err != nil {
				w.Error(err)
			}
			if _, err := out.Write([]byte("x")); err != nil {
				w.Error(err)
			}
		}
	})
}

// A deadline on a pipe that is closed is one error, of one line.
func TestPipeDeadlineAfterClose(t *testing.T) {
	everyPipe(t, func(w *world, in, _ *transport.Pipe) {
		if err := in.Close(); err != nil {
			w.Error(err)
		}
		for _, set := range []func(time.Time) error{in.SetDeadline, in.SetReadDeadline, in.SetWriteDeadline, in.With(w.ctx).SetDeadline} {
			err := set(time.Time{})
			w.isPipeError(err, "set", net.ErrClosed)
			if strings.Contains(err.Error(), "\n") {
				w.Errorf("%q", err)
			}
		}
	})
}
