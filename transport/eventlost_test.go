package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// peer returns a connection of package net to the server, which has sent one byte.
func (e *eventServing) peer() *net.TCPConn {
	e.w.Helper()
	c, err := net.Dial("tcp", e.l.Addr().String())
	if err != nil {
		e.w.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		e.w.Fatal(err)
	}
	return c.(*net.TCPConn)
}

// snap resets the connection.
func (w *world) snap(peer *net.TCPConn) {
	w.Helper()
	if err := errors.Join(peer.SetLinger(0), peer.Close()); err != nil {
		w.Error(err)
	}
}

// breaks resets the connection and writes until the system has told the writer of it.
func (w *world) breaks(c *transport.EventConn, peer *net.TCPConn) {
	w.snap(peer)
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			if errors.Is(err, transport.ErrUnsent) {
				w.Error(err)
			}
			return
		}
		runtime.Gosched()
	}
}

// The system says once that a connection is broken. If it has said so to a write in event mode, the Conn that is made
// of the connection does not take what it reads for an end in good order.
func TestEventsBrokenBeforeConn(t *testing.T) {
	for _, how := range []string{"Detach", "Async"} {
		t.Run(how, func(t *testing.T) {
			everyWay(t, func(w *world) {
				there, ended := core.NewFuture[*net.TCPConn](), core.NewFuture[error]()
				read := func(ctx context.Context, c *transport.Conn) {
					_, err := c.With(ctx).Read(make([]byte, 1))
					ended.Complete(err)
				}
				s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
					if !there.Finished() { // comes again when the peer is known
						c.Pause()
						there.AddCallback(w.d, func(*core.Future[*net.TCPConn]) { c.Resume() })
						return 0, nil
					}
					peer, _ := there.Read()
					w.breaks(c, peer)
					if how == "Async" {
						return len(in), c.Async(func(ctx context.Context, c *transport.Conn) error {
							read(ctx, c)
							return nil
						})
					}
					conn, _, err := c.Detach()
					if err != nil {
						return 0, err
					}
					core.Spawn(w.on, func(ctx context.Context) error {
						read(ctx, conn)
						return conn.Close()
					})
					return 0, nil
				}, transport.EventConfig{})
				there.Complete(s.peer())
				err, _ := ended.Await(w.ctx)
				if err == nil || err == io.EOF {
					w.Errorf("the Conn has read %v", err)
				}
				s.stop()
				s.end(nil)
			})
		})
	}
}

// When the task of Async has ended the descriptor is closed, and another one has its number, until the connection
// has been told: it knows no address of its own any more.
func TestEventsNoStrangersAddress(t *testing.T) {
	everyWay(t, func(w *world) {
		asked := core.NewFuture[error]()
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			return len(in), c.Async(func(context.Context, *transport.Conn) error {
				w.d.CallSoon(func() {
					for range 4 { // the lowest number that is free
						l, err := net.Listen("tcp", "127.0.0.1:0")
						if err != nil {
							w.Error(err)
							break
						}
						defer l.Close()
					}
					if a := c.LocalAddr(); a != nil {
						w.Errorf("the local address is %v", a)
					}
					_, err := c.Write([]byte("x"))
					asked.Complete(err)
				})
				return nil
			})
		}, transport.EventConfig{})
		defer s.peer().Close()
		err, _ := asked.Await(w.ctx)
		if oe := w.isOpError(err, "write", net.ErrClosed); oe.Source != nil {
			w.Errorf("the error comes from %v", oe.Source)
		}
		s.closings(1)
		s.stop()
		s.end(nil)
	})
}

// A connection that is paused and breaks is closed: when its own write was told, and where the system tells.
func TestEventsPausedAndBroken(t *testing.T) {
	for _, how := range []string{"write", "event"} {
		t.Run(how, func(t *testing.T) {
			everyWay(t, func(w *world) {
				// poll(2) and ports of Solaris say nothing of a descriptor that nobody asks about, and Windows
				// has no error to ask for.
				if how == "event" && !strings.Contains(w.Name(), "/epoll/") && !strings.Contains(w.Name(), "/kqueue/") {
					return
				}
				there, paused := core.NewFuture[*net.TCPConn](), core.NewFuture[struct{}]()
				s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
					c.Pause()
					if how == "write" {
						there.AddCallback(w.d, func(f *core.Future[*net.TCPConn]) {
							peer, _ := f.Read()
							w.breaks(c, peer)
						})
					}
					paused.Complete(struct{}{})
					return 0, nil
				}, transport.EventConfig{})
				peer := s.peer()
				if _, err := paused.Await(w.ctx); err != nil {
					w.Fatal(err)
				}
				if how == "write" {
					there.Complete(peer)
				} else {
					w.snap(peer)
				}
				if errs := s.closings(1); errs[0] == nil {
					w.Error("closed in good order")
				}
				s.stop()
				s.end(nil)
			})
		})
	}
}

// An end in good order does not close a connection that is paused.
func TestEventsPausedAndEnded(t *testing.T) {
	everyWay(t, func(w *world) {
		var conn *transport.EventConn
		paused := core.NewFuture[struct{}]()
		s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
			conn = c
			c.Pause()
			paused.Complete(struct{}{})
			return len(in), nil
		}, transport.EventConfig{})
		peer := s.peer()
		defer peer.Close()
		if _, err := paused.Await(w.ctx); err != nil {
			w.Fatal(err)
		}
		if err := peer.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		for range 20 { // turns
			turned := core.NewFuture[struct{}]()
			w.d.CallSoon(func() { turned.Complete(struct{}{}) })
			if _, err := turned.Await(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		if s.mu.Lock(); len(s.closed) > 0 {
			w.Errorf("closed with %v", s.closed)
		}
		s.mu.Unlock()
		w.d.CallSoon(func() { conn.Resume() })
		if errs := s.closings(1); errs[0] != nil {
			w.Errorf("closed with %v", errs)
		}
		s.stop()
		s.end(nil)
	})
}

// One Write of much leaves most of it for later turns of the loop, however fast the peer reads, and all of it arrives.
func TestEventsHugeWrite(t *testing.T) {
	const size, atOnce = 24 << 20, 1 << 20
	everyWay(t, func(w *world) {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i >> 10)
		}
		for _, room := range []int{size, 1} {
			var left []byte
			write := func(c *transport.EventConn) {
				before := len(left)
				n, err := c.Write(left)
				left = left[n:]
				if sent := n - c.Unsent(); sent > atOnce || c.Unsent() > room {
					w.Errorf("%d bytes were sent at once, and %d are kept", sent, c.Unsent())
				}
				if len(left) > 0 && !errors.Is(err, transport.ErrUnsent) || len(left) == 0 && err != nil || n == 0 && before > 0 {
					w.Errorf("Write = %d, %v", n, err)
				}
				if len(left) == 0 && c.CloseWrite() != nil {
					w.Error("CloseWrite failed")
				}
			}
			s := w.events(func(c *transport.EventConn, in []byte) (int, error) {
				left = data
				write(c)
				return len(in), nil
			}, transport.EventConfig{MaxUnsent: room, Flushed: func(c *transport.EventConn) {
				if len(left) > 0 {
					write(c)
				}
			}})
			peer := s.peer()
			defer peer.Close()
			same, err := core.Blocking(w.ctx, func(context.Context) (bool, error) {
				got, err := io.ReadAll(peer)
				return string(got) == string(data), err
			})
			if !same || err != nil {
				w.Errorf("the peer has got what was sent: %v, %v", same, err)
			}
			peer.Close()
			s.closings(1)
			s.stop()
			s.end(nil)
		}
	})
}

// Messages have ends, which bytes have not.
func TestEventsOfMessages(t *testing.T) {
	everyWay(t, func(w *world) {
		dir, err := os.MkdirTemp("", "seq") // a shorter name than that of TempDir
		if err != nil {
			w.Fatal(err)
		}
		defer os.RemoveAll(dir)
		l, err := transport.Listen(w.on, "unixpacket", filepath.Join(dir, "s"))
		if err != nil {
			return // this system has none
		}
		err = transport.ServeEvents(w.ctx, l, shouting, transport.EventConfig{})
		w.isOpError(err, "serve", errors.ErrUnsupported)
		if err := l.Close(); err != nil { // nothing has happened
			w.Error(err)
		}
	})
}
