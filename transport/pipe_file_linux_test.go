package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// blocks reports whether the description of fd blocks.
func blocks(t testing.TB, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK == 0
}

// fromFD returns a Pipe of a duplicate of fd.
func (w *world) fromFD(fd int) *transport.Pipe {
	w.Helper()
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		w.Fatal(err)
	}
	p, err := transport.PipeFromFD(w.on, dispatch.FD(again))
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// seeds 2.7, fromPipe. The description of an inherited pipe is shared, and stays as it is; the calls go by the
// poller all the same.
func TestSeedsPipeFromFD(t *testing.T) {
	everyWay(t, func(w *world) {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			w.Fatal(err)
		}
		in, out := w.fromFD(fds[0]), w.fromFD(fds[1])
		if !in.Polled() || !out.Polled() || !blocks(w, fds[0]) || !blocks(w, fds[1]) {
			w.Error("not as it should be")
		}
		reader := w.start(func(context.Context) error {
			b, err := io.ReadAll(in)
			if string(b) != "hello" {
				w.Errorf("got %q", b)
			}
			return err
		})
		w.pipeWaits(in, 1, 0)
		if _, err := out.Write([]byte("hello")); err != nil {
			w.Error(err)
		}
		if err := errors.Join(out.Close(), unix.Close(fds[1])); err != nil {
			w.Error(err)
		}
		w.join(reader)
		if err := errors.Join(in.Close(), unix.Close(fds[0])); err != nil {
			w.Error(err)
		}
		if _, err := transport.PipeFromFD(w.on, 1<<20); !errors.Is(err, syscall.EBADF) {
			w.Errorf("no descriptor: %v", err)
		}
	})
}

// An end for writing that nobody reads cannot be opened anew, and is broken all the same.
func TestPipeFromFDBroken(t *testing.T) {
	everyWay(t, func(w *world) {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			w.Fatal(err)
		}
		unix.Close(fds[0])
		out := w.fromFD(fds[1])
		_, err := out.Write([]byte("x"))
		w.isPipeError(err, "write", syscall.EPIPE)
		if err := errors.Join(out.Close(), unix.Close(fds[1])); err != nil {
			w.Error(err)
		}
	})
}

// A socket that blocks, as one that a parent hands over, is not changed either.
func TestPipeOfSocket(t *testing.T) {
	everyWay(t, func(w *world) {
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			w.Fatal(err)
		}
		a, b := w.fromFD(fds[0]), w.fromFD(fds[1])
		if !a.Polled() || !blocks(w, fds[0]) || !blocks(w, fds[1]) {
			w.Error("not as it should be")
		}
		const size = 2 << 20
		writer := w.start(func(context.Context) error { _, err := a.Write(bytes.Repeat([]byte("x"), size)); return err })
		w.pipeWaits(a, 0, 1)
		if n, err := io.ReadFull(b, make([]byte, size)); err != nil {
			w.Errorf("read %d, %v", n, err)
		}
		w.join(writer)
		reader := w.start(func(context.Context) error {
			if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				w.Errorf("read %d, %v", n, err)
			}
			return nil
		})
		w.pipeWaits(b, 1, 0)
		if err := errors.Join(a.Close(), unix.Close(fds[0])); err != nil {
			w.Error(err)
		}
		w.join(reader)
		_, err = b.Write([]byte("x"))
		w.isPipeError(err, "write", syscall.EPIPE)
		if err := errors.Join(b.Close(), unix.Close(fds[1])); err != nil {
			w.Error(err)
		}
	})
}

// Files share the offset, and go by core.Blocking; the *os.File stays the caller's.
func TestPipeFromFile(t *testing.T) {
	everyWay(t, func(w *world) {
		f, err := os.CreateTemp(w.TempDir(), "")
		if err != nil {
			w.Fatal(err)
		}
		defer f.Close()
		p, err := transport.PipeFromFile(w.on, f)
		if err != nil {
			w.Fatal(err)
		}
		if p.Polled() {
			w.Error("a poller takes a file")
		}
		big := bytes.Repeat([]byte("0123456789"), 100_000)
		if n, err := p.Write(big); n != len(big) || err != nil {
			w.Errorf("%d, %v", n, err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			w.Error(err)
		}
		got, err := io.ReadAll(p)
		if !bytes.Equal(got, big) || err != nil {
			w.Errorf("%d bytes, %v", len(got), err)
		}
		if err := p.Close(); err != nil {
			w.Error(err)
		}
		_, err = p.Read(make([]byte, 1))
		w.isPipeError(err, "read", net.ErrClosed)
		if _, err := f.Stat(); err != nil {
			w.Errorf("the file was closed: %v", err)
		}
		null, err := transport.OpenPipe(w.on, os.DevNull, os.O_RDWR)
		if err != nil {
			w.Fatal(err)
		}
		defer null.Close()
		if n, err := null.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			w.Errorf("%d, %v", n, err)
		}
		if n, err := null.Write(big); n != len(big) || err != nil {
			w.Errorf("%d, %v", n, err)
		}
		if _, err := transport.OpenPipe(w.on, filepath.Join(w.TempDir(), "none"), os.O_RDONLY); !errors.Is(err, os.ErrNotExist) {
			w.Errorf("%v", err)
		}
	})
}

// A FIFO is open when both ends are; who gives up lets nothing behind.
func TestOpenPipe(t *testing.T) {
	everyWay(t, func(w *world) {
		name := filepath.Join(w.TempDir(), "fifo")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			w.Fatal(err)
		}
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY} {
			ctx, cancel := core.WithCancel(w.on)
			var told error
			task := core.Start(w.on, func(context.Context) error {
				p, err := transport.OpenPipe(ctx, name, flag)
				if told = err; p != nil {
					w.Error("it has been opened")
				}
				return nil
			})
			for range 100 {
				if err := core.Yield(w.ctx); err != nil {
					w.Fatal(err)
				}
			}
			cancel()
			w.join(task)
			w.isPipeError(told, "open", context.Canceled)
		}
		writer := core.Start(w.on, func(ctx context.Context) error {
			out, err := transport.OpenPipe(ctx, name, os.O_WRONLY)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(out, "hello")
			return errors.Join(err, out.Close())
		})
		in, err := transport.OpenPipe(w.on, name, os.O_RDONLY)
		if err != nil {
			w.Fatal(err)
		}
		if b, err := io.ReadAll(in); string(b) != "hello" || err != nil || !in.Polled() {
			w.Errorf("%q, %v", b, err)
		}
		w.join(writer)
		if err := in.Close(); err != nil {
			w.Error(err)
		}
	})
}

// A cancel that comes just before the FIFO is opened lets go who opens it, too.
func TestOpenPipeCanceledAtTheBrink(t *testing.T) {
	everyWay(t, func(w *world) {
		name := filepath.Join(w.TempDir(), "fifo")
		if err := unix.Mkfifo(name, 0o600); err != nil {
			w.Fatal(err)
		}
		ctx, cancel := core.WithCancel(w.on)
		letGo := make(chan struct{})
		defer transport.AtOpen(func(open bool) {
			if open {
				close(letGo)
				return
			}
			cancel()
			<-letGo
			for range 1000 { // and it stays open for them
				runtime.Gosched()
			}
		})()
		_, err := transport.OpenPipe(ctx, name, os.O_RDONLY)
		w.isPipeError(err, "open", context.Canceled)
	})
}

// terminal makes a pseudo terminal.
func terminal(t testing.TB) (master, slave int) {
	t.Helper()
	master, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this system has no pseudo terminals: %v", err)
	}
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetUint32(master, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err = unix.Open(fmt.Sprint("/dev/pts/", n), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this system has no pseudo terminals: %v", err)
	}
	return master, slave
}

// A terminal is opened anew; its master cannot be, and waits in poll(2). Neither's description is changed.
func TestPipeOfTerminal(t *testing.T) {
	everyWay(t, func(w *world) {
		mfd, sfd := terminal(w)
		master, slave := w.fromFD(mfd), w.fromFD(sfd)
		if master.Polled() || !slave.Polled() || !blocks(w, mfd) || !blocks(w, sfd) {
			w.Error("not as it should be")
		}
		for _, c := range []struct {
			from, to    *transport.Pipe
			write, read string
		}{{master, slave, "typed\n", "typed\n"}, {slave, master, "shown\n", "shown\r\n"}} {
			ctx, cancel := core.WithCancel(w.ctx)
			var told error
			canceled := w.start(func(context.Context) error { _, told = c.to.With(ctx).Read(make([]byte, 99)); return nil })
			w.pipeWaits(c.to, 1, 0)
			cancel()
			w.join(canceled)
			w.isPipeError(told, "read", context.Canceled)
			reader := w.start(func(context.Context) error {
				b := make([]byte, len(c.read))
				_, err := io.ReadFull(c.to, b)
				if string(b) != c.read {
					w.Errorf("got %q, want %q", b, c.read)
				}
				return err
			})
			w.pipeWaits(c.to, 1, 0)
			if _, err := c.from.Write([]byte(c.write)); err != nil {
				w.Error(err)
			}
			w.join(reader)
			if c.from == master { // the echo
				if _, err := io.ReadFull(master, make([]byte, len("typed\r\n"))); err != nil {
					w.Error(err)
				}
			}
		}
		if err := errors.Join(master.Close(), slave.Close(), unix.Close(mfd), unix.Close(sfd)); err != nil {
			w.Error(err)
		}
	})
}

func init() {
	children["streams"] = func() {
		// The Pipes are on the dispatcher; what is left of the input is there for os.Stdin.
		err := core.Run(context.Background(), func(ctx context.Context) error {
			in, err1 := transport.Stdin(ctx)
			out, err2 := transport.Stdout(ctx)
			errs, err3 := transport.Stderr(ctx)
			if err := errors.Join(err1, err2, err3); err != nil {
				return err
			}
			b := make([]byte, 5)
			if _, err := io.ReadFull(in, b); err != nil {
				return err
			}
			for _, p := range []*transport.Pipe{out, errs} {
				if _, err := fmt.Fprintf(p, "%s %t %t\n", b, in.Polled(), p.Polled()); err != nil {
					return err
				}
			}
			return errors.Join(in.Close(), out.Close(), errs.Close())
		})
		if err != nil {
			fmt.Println(err)
		}
		rest, _ := io.ReadAll(os.Stdin)
		fmt.Printf("%s\n", rest)
	}
	children["broken"] = func() {
		err := core.Run(context.Background(), func(ctx context.Context) error {
			out, err := transport.Stdout(ctx)
			if err != nil {
				return err
			}
			defer out.Close()
			for err == nil {
				_, err = out.Write([]byte("x"))
			}
			if !errors.Is(err, syscall.EPIPE) {
				return err
			}
			return nil
		})
		if err != nil {
			os.Exit(1)
		}
		os.Exit(42)
	}
}

// The standard streams of a child go by the poller, and their other ends stay in blocking mode.
func TestStandardStreams(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		c := special("streams")
		c.Stdin, c.Stdout, c.Stderr = transport.Piped, transport.Piped, transport.Piped
		p := w.child(c)
		if _, err := p.Stdin.Write([]byte("hello you")); err != nil {
			w.Error(err)
		}
		if err := p.Stdin.Close(); err != nil {
			w.Error(err)
		}
		if b, err := io.ReadAll(p.Stdout); string(b) != "hello true true\n you\n" || err != nil {
			w.Errorf("output %q, %v", b, err)
		}
		if b, err := io.ReadAll(p.Stderr); string(b) != "hello true true\n" || err != nil {
			w.Errorf("errors %q, %v", b, err)
		}
		w.ended(p, 0)
	})
}

// A standard output that nobody reads is an error, where os.Stdout ends the process by SIGPIPE.
func TestStandardOutputBroken(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		for _, before := range []bool{true, false} {
			c := special("broken")
			c.Stdout = transport.Piped
			p := w.child(c)
			if !before {
				if _, err := p.Stdout.Read(make([]byte, 1)); err != nil {
					w.Error(err)
				}
			}
			if err := p.Stdout.Close(); err != nil {
				w.Error(err)
			}
			w.ended(p, 42)
		}
	})
}
