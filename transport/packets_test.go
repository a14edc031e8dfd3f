package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// servePackets starts a server of messages; ask sends one from a socket of its own, and returns the answer.
func (w *world) servePackets(handle func(ctx context.Context, p *transport.Packet) error, cfg transport.PacketsConfig) (s *packetServing, ask func(msg string) string) {
	w.Helper()
	c, err := transport.ListenPacket(w.on, "udp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	ctx, stop := context.WithCancel(w.ctx)
	s = &packetServing{w: w, c: c, stop: stop}
	s.task = core.Start(core.Detach(w.ctx), func(context.Context) error { return transport.ServePackets(ctx, c, handle, cfg) })
	return s, func(msg string) string {
		client := s.dial()
		defer client.Close()
		if _, err := client.Write([]byte(msg)); err != nil {
			w.Fatal(err)
		}
		buf := make([]byte, 100)
		n, err := client.Read(buf)
		if err != nil {
			w.Fatal(err)
		}
		return string(buf[:n])
	}
}

type packetServing struct {
	w    *world
	c    *transport.PacketConn
	stop context.CancelFunc
	task *core.Task
}

func (s *packetServing) dial() *transport.Conn {
	s.w.Helper()
	c, err := transport.Dial(s.w.on, "udp", s.c.LocalAddr().String())
	if err != nil {
		s.w.Fatal(err)
	}
	return c
}

func (s *packetServing) end(want error) {
	s.w.Helper()
	if err := s.task.Wait(s.w.ctx); !errors.Is(err, want) || (err == nil) != (want == nil) {
		s.w.Errorf("the server has returned %v, want %v", err, want)
	}
	if err := s.c.Close(); !errors.Is(err, net.ErrClosed) {
		s.w.Errorf("Close behind the server = %v", err)
	}
}

func noPacketErrors(t *testing.T) func(*transport.Packet, error) {
	return func(_ *transport.Packet, err error) { t.Errorf("OnError: %v", err) }
}

// Messages are handled one after the other, in order, the empty one and the one that is cut off too.
func TestServePackets(t *testing.T) {
	everyWay(t, func(w *world) {
		var got []string
		running := 0
		s, _ := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
			if running++; running > 1 {
				w.Error("two at a time")
			}
			got = append(got, fmt.Sprintf("%s %v", p.Data, p.Truncated))
			if err := core.Yield(ctx); err != nil {
				return err
			}
			running--
			_, err := p.Reply(p.Data)
			return err
		}, transport.PacketsConfig{Size: 5, OnError: noPacketErrors(w.T)})
		c := s.dial()
		defer c.Close()
		for _, msg := range []string{"one", "", "three", "much too long"} {
			if _, err := c.Write([]byte(msg)); err != nil {
				w.Fatal(err)
			}
		}
		buf := make([]byte, 100)
		for _, want := range []string{"one", "", "three", "much "} {
			if n, err := c.Read(buf); string(buf[:n]) != want || err != nil {
				w.Errorf("got %q, %v, want %q", buf[:n], err, want)
			}
		}
		s.stop()
		s.end(nil)
		if want := "[one false  false three false much  true]"; fmt.Sprint(got) != want {
			w.Errorf("the handler got %v, want %s", got, want)
		}
	})
}

// As many handlers run at a time as may, and no more.
func TestServePacketsParallel(t *testing.T) {
	everyWay(t, func(w *world) {
		const limit = 3
		var running, most atomic.Int32
		gate := make(chan struct{})
		s, _ := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer running.Add(-1)
			if _, _, err := core.Receive(ctx, gate); err != nil {
				return err
			}
			_, err := p.Reply(p.Data)
			return err
		}, transport.PacketsConfig{Parallel: limit, OnError: noPacketErrors(w.T)})
		c := s.dial()
		defer c.Close()
		for range 10 {
			if _, err := c.Write([]byte("x")); err != nil {
				w.Fatal(err)
			}
		}
		w.until(func() bool { return running.Load() == limit })
		close(gate)
		for range 10 {
			if n, err := c.Read(make([]byte, 10)); n != 1 || err != nil {
				w.Errorf("Read = %d, %v", n, err)
			}
		}
		s.stop()
		s.end(nil)
		if most.Load() != limit {
			w.Errorf("%d at a time", most.Load())
		}
	})
}

func TestServePacketsErrors(t *testing.T) {
	everyWay(t, func(w *world) {
		told := ""
		var mu sync.Mutex
		s, ask := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
			switch string(p.Data) {
			case "e":
				return errors.New("oops")
			case "p":
				panic("oops")
			case "g":
				runtime.Goexit()
			}
			_, err := p.Reply(p.Data)
			return err
		}, transport.PacketsConfig{OnError: func(p *transport.Packet, err error) {
			mu.Lock()
			defer mu.Unlock()
			told += string(p.Data)
			_, panicked := errors.AsType[*core.PanicError](err)
			if panicked != (string(p.Data) == "p") || errors.Is(err, core.ErrGoexit) != (string(p.Data) == "g") {
				w.Errorf("OnError of %q: %v", p.Data, err)
			}
		}})
		c := s.dial()
		defer c.Close()
		for _, msg := range []string{"e", "p", "g"} {
			if _, err := c.Write([]byte(msg)); err != nil {
				w.Fatal(err)
			}
			if got := ask("x"); got != "x" {
				w.Errorf("got %q", got)
			}
		}
		s.stop()
		s.end(nil)
		if told != "epg" {
			w.Errorf("OnError was told %q", told)
		}
	})
}

// A handler that runs when the server stops can still answer, but not for ever.
func TestServePacketsStop(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, late := range []bool{false, true} {
			begun, goOn := make(chan struct{}), make(chan struct{})
			cfg := transport.PacketsConfig{Grace: -1, OnError: noPacketErrors(w.T)}
			if late {
				cfg.Grace = time.Millisecond
			}
			s, _ := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
				close(begun)
				if _, _, err := core.Receive(ctx, goOn); err != nil {
					return err
				}
				_, err := p.Reply(p.Data)
				return err
			}, cfg)
			c := s.dial()
			if _, err := c.Write([]byte("x")); err != nil {
				w.Fatal(err)
			}
			_, _, _ = core.Receive(w.ctx, begun)
			s.stop()
			if late {
				err := s.task.Wait(w.ctx)
				if se, ok := errors.AsType[*transport.StopError](err); !ok || se.Canceled != 1 {
					w.Errorf("the server has returned %v", err)
				}
			} else {
				close(goOn)
				if n, err := c.Read(make([]byte, 10)); n != 1 || err != nil {
					w.Errorf("Read = %d, %v", n, err)
				}
				s.end(nil)
			}
			c.Close()
		}
		s, _ := w.servePackets(func(context.Context, *transport.Packet) error { return nil }, transport.PacketsConfig{OnError: noPacketErrors(w.T)})
		if err := s.c.Close(); err != nil {
			w.Error(err)
		}
		s.end(net.ErrClosed)
	})
}

// packetClients has n clients each ask once, in tasks on a goroutine of their own, and waits for them.
func packetClients(t *testing.T, ctx context.Context, addr net.Addr, n int) {
	ask := func(ctx context.Context, msg string) error {
		c, err := transport.Dial(ctx, "udp", addr.String())
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := c.Write([]byte(msg)); err != nil {
			return err
		}
		buf := make([]byte, 100)
		got, err := c.Read(buf)
		if err == nil && string(buf[:got]) != msg {
			err = fmt.Errorf("got %q, want %q", buf[:got], msg)
		}
		return err
	}
	_, err := core.Blocking(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, core.Run(core.Detach(ctx), func(ctx context.Context) error {
			var all []*core.Task
			for i := range n {
				all = append(all, core.Start(ctx, func(ctx context.Context) error { return ask(ctx, fmt.Sprint("message ", i)) }))
			}
			for _, c := range all {
				if err := c.Wait(ctx); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

func TestServeGroupPackets(t *testing.T) {
	everySpread(t, "udp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, _ transport.Spread) {
		stop, cancel := context.WithCancel(ctx)
		var got atomic.Int32
		server := core.Start(ctx, func(context.Context) error {
			return g.ServePackets(stop, func(ctx context.Context, p *transport.Packet) error {
				got.Add(1)
				_, err := p.Reply(p.Data)
				return err
			}, transport.PacketsConfig{Parallel: 2, OnError: noPacketErrors(t)})
		})
		packetClients(t, ctx, g.Addr(), 20)
		cancel()
		if err := server.Wait(ctx); err != nil {
			t.Error(err)
		}
		if got.Load() != 20 {
			t.Errorf("%d messages", got.Load())
		}
		if err := g.Serve(ctx, echoing, transport.ServeConfig{}); err == nil {
			t.Error("connections over udp")
		}
	})
}
