package transport_test

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Between errors of receiving a server of messages pauses, longer each time, and anew when it has received one.
func TestServePacketsRefused(t *testing.T) {
	const first = 4 // errors, before somebody is there
	everyWay(t, func(w *world) {
		peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			w.Fatal(err)
		}
		where := peer.LocalAddr().(*net.UDPAddr)
		peer.Close()
		s, err := transport.DialSocket(w.on, "udp", where.String())
		if err != nil {
			w.Fatal(err)
		}
		c, err := s.PacketConn() // connected, so the system tells that nobody is there
		if err != nil {
			w.Fatal(err)
		}
		send := func() {
			if _, err := c.Write([]byte("?")); err != nil {
				w.Error(err)
			}
		}
		var told []time.Time
		refused, greeted, again := core.NewFuture[struct{}](), core.NewFuture[struct{}](), core.NewFuture[struct{}]()
		ctx, stop := context.WithCancel(w.ctx)
		server := core.Start(core.Detach(w.ctx), func(context.Context) error {
			return transport.ServePackets(ctx, c, func(_ context.Context, p *transport.Packet) error {
				_, err := p.Reply(p.Data)
				greeted.Complete(struct{}{})
				return err
			}, transport.PacketsConfig{Parallel: 3, OnError: func(p *transport.Packet, err error) {
				if p != nil || !errors.Is(err, syscall.ECONNREFUSED) {
					w.Errorf("OnError: %v, %v", p, err)
				}
				switch told = append(told, w.d.Now()); len(told) {
				case first:
					refused.Complete(struct{}{})
				case 2 * first:
					again.Complete(struct{}{})
				default:
					send()
				}
			}})
		})
		await := func(f *core.Future[struct{}]) {
			w.Helper()
			if _, err := f.Await(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		send()
		await(refused)
		if peer, err = net.ListenUDP("udp", where); err != nil {
			w.Fatal(err)
		}
		if _, err := peer.WriteTo([]byte("hello"), c.LocalAddr()); err != nil {
			w.Error(err)
		}
		await(greeted)
		buf := make([]byte, 10)
		if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "hello" {
			w.Errorf("the answer is %q, %v", buf[:n], err)
		}
		peer.Close()
		send()
		await(again)
		stop()
		if err := server.Wait(w.ctx); err != nil {
			w.Error(err)
		}
		if err := pauses(told, first); err != nil {
			w.Error(err)
		}
	})
}
