//go:build unix

package transport_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// unixNetworks are the networks of Unix sockets that listen here.
func unixNetworks(t *testing.T) []string {
	l, err := net.Listen("unixpacket", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		return []string{"unix"} // Darwin and Solaris have no others
	}
	l.Close()
	return []string{"unix", "unixpacket"}
}

func TestUnix(t *testing.T) {
	networks := unixNetworks(t)
	everyWay(t, func(w *world) {
		for _, network := range networks {
			name := filepath.Join(w.TempDir(), "socket")
			l, err := transport.Listen(w.on, network, name)
			if err != nil {
				w.Fatal(err)
			}
			if a, ok := l.Addr().(*net.UnixAddr); !ok || a.Name != name || a.Net != network {
				w.Errorf("listens on %#v", l.Addr())
			}
			_, err = transport.Listen(w.on, network, name)
			w.isOpError(err, "listen", syscall.EADDRINUSE)
			mine := filepath.Join(w.TempDir(), "mine")
			d := transport.Dialer{LocalAddr: &net.UnixAddr{Name: mine, Net: network}}
			a, err := d.Dial(w.on, network, name)
			if err != nil {
				w.Fatal(err)
			}
			b, err := l.AcceptConn(w.ctx)
			if err != nil {
				w.Fatal(err)
			}
			for _, got := range []net.Addr{a.LocalAddr(), b.RemoteAddr()} {
				if got.String() != mine || got.Network() != network {
					w.Errorf("%v is not the address of the client", got)
				}
			}
			for _, got := range []net.Addr{a.RemoteAddr(), b.LocalAddr()} {
				if got.String() != name {
					w.Errorf("%v is not the address of the server", got)
				}
			}
			if _, err := a.Write([]byte("hello")); err != nil {
				w.Error(err)
			}
			buf := make([]byte, 10)
			if n, err := b.Read(buf); err != nil || string(buf[:n]) != "hello" {
				w.Errorf("got %q, %v", buf[:n], err)
			}
			a.Close()
			if n, err := b.Read(buf); err != io.EOF {
				w.Errorf("got %q, %v", buf[:n], err)
			}
			b.Close()
			if err := l.Close(); err != nil {
				w.Error(err)
			}
			_, err = transport.Dial(w.on, network, name)
			if oe := w.isOpError(err, "dial", fs.ErrNotExist); oe.Addr.String() != name {
				w.Error(err)
			}
		}
	})
}

// Close removes the file of the listener, once, and no other.
func TestUnixFile(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		name := filepath.Join(w.TempDir(), "socket")
		exists := func() bool {
			_, err := os.Lstat(name)
			return err == nil
		}
		listen := func() *transport.Listener {
			l, err := transport.Listen(w.on, "unix", name)
			if err != nil {
				w.Fatal(err)
			}
			return l
		}
		l := listen()
		if !exists() {
			w.Error("no file")
		}
		l.Close()
		if exists() {
			w.Error("the file is still there")
		}

		again := listen()
		l.Close() // a second time
		if !exists() {
			w.Error("a second Close has removed the file of another listener")
		}
		// Another server takes the name over.
		if err := os.Remove(name); err != nil {
			w.Fatal(err)
		}
		other := listen()
		again.Close()
		if !exists() {
			w.Error("Close has removed the file of another listener")
		}
		other.SetUnlinkOnClose(false)
		other.Close()
		if !exists() {
			w.Error("the file was to stay")
		}
		other.SetUnlinkOnClose(true)
		other.Close() // a second time
		if !exists() {
			w.Error("a second Close has removed the file that was to stay")
		}
		if err := os.Remove(name); err != nil {
			w.Fatal(err)
		}
		w.listenFails(name)
	})
}

// listenFails listens where there is no place.
func (w *world) listenFails(name string) {
	_, err := transport.Listen(w.on, "unix", filepath.Join(name, "not", "there"))
	w.isOpError(err, "listen", fs.ErrNotExist)
	_, err = transport.Listen(w.on, "unix", string(make([]byte, 200)))
	w.isOpError(err, "listen", syscall.EINVAL)
	_, err = transport.Listen(w.on, "unixgram", name)
	if _, ok := errors.AsType[net.UnknownNetworkError](err); !ok {
		w.Error(err)
	}
}

func TestUnixgram(t *testing.T) {
	everyWay(t, func(w *world) {
		name, mine := filepath.Join(w.TempDir(), "socket"), filepath.Join(w.TempDir(), "mine")
		p, err := transport.ListenPacket(w.on, "unixgram", name)
		if err != nil {
			w.Fatal(err)
		}
		d := transport.Dialer{LocalAddr: &net.UnixAddr{Name: mine, Net: "unixgram"}}
		c, err := d.Dial(w.on, "unixgram", name)
		if err != nil {
			w.Fatal(err)
		}
		for _, text := range []string{"hello", ""} {
			if _, err := c.Write([]byte(text)); err != nil {
				w.Fatal(err)
			}
			buf := make([]byte, 10)
			n, from, err := p.ReadFrom(buf)
			if err != nil || string(buf[:n]) != text || from.String() != mine {
				w.Errorf("got %q from %v, %v", buf[:n], from, err)
			}
			if _, err := p.WriteTo([]byte("you"), from); err != nil {
				w.Fatal(err)
			}
			if n, err := c.Read(buf); err != nil || string(buf[:n]) != "you" {
				w.Errorf("got %q, %v", buf[:n], err)
			}
		}
		c.Close()
		p.Close()
		for _, file := range []string{name, mine} { // as with package net
			if err := os.Remove(file); err != nil {
				w.Error(err)
			}
		}
	})
}

// A listener of a Unix socket without room refuses with EAGAIN on Linux; Dial waits until it has some, or gives up.
func TestUnixFull(t *testing.T) {
	everyWay(t, func(w *world) {
		name := filepath.Join(w.TempDir(), "socket")
		lc := transport.ListenConfig{Backlog: 1}
		l, err := lc.Listen(w.on, "unix", name)
		if err != nil {
			w.Fatal(err)
		}
		defer l.Close()
		fill := 0
		for ; fill < 100; fill++ {
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				w.Fatal(err)
			}
			defer syscall.Close(fd)
			if err := syscall.SetNonblock(fd, true); err != nil {
				w.Fatal(err)
			}
			if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: name}); err != nil {
				break
			}
		}
		if fill > 5 {
			w.Errorf("%d connections wait with a backlog of 1", fill)
		}
		if !waitsWhenFull {
			return
		}
		d := transport.Dialer{Timeout: 5 * time.Millisecond}
		_, err = d.Dial(w.on, "unix", name)
		w.isOpError(err, "dial", os.ErrDeadlineExceeded)
		// The address of its own can be bound once.
		d = transport.Dialer{LocalAddr: &net.UnixAddr{Name: filepath.Join(w.TempDir(), "local"), Net: "unix"}}
		task := w.start(func(ctx context.Context) error {
			c, err := d.Dial(core.On(ctx, w.d), "unix", name)
			if err != nil {
				l.Close() // nobody comes
				return err
			}
			return c.Close()
		})
		for range fill + 1 {
			w.accepted(l)
		}
		w.join(task)
	})
}
