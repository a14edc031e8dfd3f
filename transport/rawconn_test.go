//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

func (w *world) raw(c syscall.Conn) syscall.RawConn {
	w.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		w.Fatal(err)
	}
	return raw
}

// Read and Write of the descriptor wait in line, and are asked once at least: a common check whether
// the peer is still there never says that it would wait.
func TestRawConn(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		raw := w.raw(a)
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		if n, err := a.Read(make([]byte, 10)); n != 1 || err != nil { // it tells that there is no more
			w.Fatal(n, err)
		}
		for range 3 {
			calls := 0
			err := raw.Read(func(fd uintptr) bool {
				calls++
				_, err := unix.Read(int(fd), make([]byte, 1))
				if err != unix.EAGAIN {
					w.Errorf("read: %v", err)
				}
				return true
			})
			if err != nil || calls != 1 {
				w.Errorf("%d calls, %v", calls, err)
			}
		}
		var got string
		first := w.start(func(context.Context) error {
			return raw.Read(func(fd uintptr) bool {
				buf := make([]byte, 1)
				n, err := unix.Read(int(fd), buf)
				if n > 0 {
					got += "raw " + string(buf[:n])
				}
				return err != unix.EAGAIN
			})
		})
		w.readWaits(a, 1)
		second := w.start(func(context.Context) error {
			buf := make([]byte, 10)
			n, err := a.Read(buf)
			got += " plain " + string(buf[:n])
			return err
		})
		w.readWaits(a, 2)
		if err := w.raw(b).Write(func(fd uintptr) bool {
			_, err := unix.Write(int(fd), []byte("xyz"))
			return err != unix.EAGAIN
		}); err != nil {
			w.Fatal(err)
		}
		w.join(first, second)
		if got != "raw x plain yz" {
			w.Errorf("got %q", got)
		}
	})
}

// Nobody else calls the function of a Read, whatever happens to the line it waits in.
func TestRawConnOnItsOwn(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		raw := w.raw(a)
		// Those before it end one by one: the function must not run on their goroutines, nor in
		// their tasks.
		ctx, cancel := context.WithCancel(w.ctx)
		before := w.start(func(context.Context) error { _, err := a.With(ctx).Read(make([]byte, 1)); return err })
		w.readWaits(a, 1)
		calls := 0
		asker := w.start(func(context.Context) error {
			own := goroutine()
			return raw.Read(func(fd uintptr) bool {
				calls++
				if me := goroutine(); me != own {
					w.Errorf("asked on %s, not on %s", me, own)
				}
				_, err := unix.Read(int(fd), make([]byte, 1))
				return err != unix.EAGAIN
			})
		})
		w.readWaits(a, 2)
		cancel()
		w.isOpError(before.Wait(w.ctx), "read", context.Canceled)
		if err := a.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			w.Fatal(err)
		}
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		w.join(asker)
		if calls == 0 {
			w.Error("never asked")
		}
	})
}

// goroutine names the goroutine that calls.
func goroutine() string {
	var buf [40]byte
	var id int
	_, _ = fmt.Sscanf(string(buf[:runtime.Stack(buf[:], false)]), "goroutine %d ", &id)
	return fmt.Sprint(id)
}

// The calls of a descriptor end as others do.
func TestRawConnEnds(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		raw := w.raw(a)
		never := func() *core.Task {
			t := w.start(func(context.Context) error { return raw.Read(func(uintptr) bool { return false }) })
			w.readWaits(a, 1)
			return t
		}
		waits := never()
		if err := a.SetReadDeadline(time.Now()); err != nil {
			w.Fatal(err)
		}
		w.timedOut(waits.Wait(w.ctx), "raw-read")
		w.timedOut(raw.Read(func(uintptr) bool { w.Error("asked behind the deadline"); return true }), "raw-read")
		if err := a.SetReadDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		waits = never()
		a.Close()
		w.isOpError(waits.Wait(w.ctx), "raw-read", net.ErrClosed)
		asked := func(uintptr) bool { w.Error("asked behind Close"); return true }
		w.isOpError(raw.Read(asked), "raw-read", net.ErrClosed)
		w.isOpError(raw.Write(asked), "raw-write", net.ErrClosed)
		w.isOpError(raw.Control(func(uintptr) { w.Error("called behind Close") }), "raw-control", net.ErrClosed)
		if _, err := a.SyscallConn(); !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}
	})
}

// A descriptor stays open while Control has it, and is closed right after.
func TestRawControl(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		raw := w.raw(a)
		err := raw.Control(func(fd uintptr) {
			err := raw.Control(func(uintptr) { // the connection may be used, and closed
				if _, err := a.Write([]byte("x")); err != nil {
					w.Error(err)
				}
				if err := a.Close(); err != nil {
					w.Error(err)
				}
			})
			if err != nil {
				w.Error(err)
			}
			if _, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE); err != nil {
				w.Errorf("the descriptor is gone: %v", err)
			}
		})
		if err != nil {
			w.Error(err)
		}
		buf := make([]byte, 10)
		if n, err := b.Read(buf); n != 1 || err != nil {
			w.Errorf("Read = %d, %v", n, err)
		}
		if n, err := b.Read(buf); n != 0 || err == nil {
			w.Errorf("Read = %d, %v: the connection is still open", n, err)
		}
	})
}

// A function that panics, or ends its goroutine, leaves the connection as it was, and those behind it.
func TestRawConnPanics(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		raw := w.raw(a)
		ways := map[string]func() error{
			"panic": func() (err error) {
				defer func() { err = fmt.Errorf("%v", recover()) }()
				return raw.Read(func(uintptr) bool { panic("oh") })
			},
			"panic after a wait": func() (err error) {
				defer func() { err = fmt.Errorf("%v", recover()) }()
				calls := 0
				return raw.Read(func(uintptr) bool {
					if calls++; calls == 2 {
						panic("oh")
					}
					return false
				})
			},
			"goexit": func() error {
				return raw.Read(func(uintptr) bool { runtime.Goexit(); return true })
			},
		}
		for name, way := range ways {
			broken := w.start(func(context.Context) error { return way() })
			w.until(func() bool { n, _ := a.Waiting(); return broken.Finished() || n == 1 })
			behind := w.start(func(context.Context) error { _, err := a.Read(make([]byte, 10)); return err })
			w.until(func() bool { n, _ := a.Waiting(); return n >= 1 })
			if _, err := b.Write([]byte("x")); err != nil {
				w.Fatal(err)
			}
			if err := broken.Wait(w.ctx); err == nil {
				w.Errorf("%s: no error", name)
			}
			w.join(behind)
		}
	})
}

var _ syscall.Conn = (*transport.PacketConn)(nil)
