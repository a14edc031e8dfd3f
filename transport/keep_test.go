package transport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A connection keeps nothing of a task that has waited for it and has ended: what its ctx carries goes.
func TestConnKeepsNoTask(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		type key struct{}
		var freed atomic.Bool
		func() {
			request := new([1 << 20]byte)
			runtime.AddCleanup(request, func(int) { freed.Store(true) }, 0)
			task := core.Start(context.WithValue(w.ctx, key{}, request), func(context.Context) error {
				_, err := a.Read(make([]byte, 1))
				return err
			})
			w.readWaits(a, 1)
			if _, err := b.Write([]byte("x")); err != nil {
				w.Error(err)
			}
			w.join(task)
		}()
		w.join(w.start(core.Yield)) // another task is the last one of the dispatcher
		for range 100 {
			runtime.GC()
			if freed.Load() {
				return
			}
			w.join(w.start(core.Yield))
		}
		w.Error("what the ctx of a task carries is kept by a connection that it has read from")
	})
}

// After Close the error of SetDeadline is one error, not one for each direction.
func TestDeadlineAfterCloseIsOneError(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.pair()
		a.Close()
		b.Close()
		if e := w.isOpError(a.SetDeadline(time.Time{}), "set", net.ErrClosed); e.Err != net.ErrClosed {
			w.Errorf("%q", e)
		}
	})
}

// The texts of errors name what the caller has given, and no package of the module's own.
func TestErrorTexts(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		long := "/tmp/" + strings.Repeat("x", 200)
		for _, c := range []struct {
			do   func() error
			want string
		}{
			{func() error { _, err := transport.Dial(w.on, "tcp", ""); return err }, "dial tcp: missing address"},
			{func() error { _, err := transport.Dial(w.on, "udp", ""); return err }, "dial udp: missing address"},
			{func() error { _, err := transport.Dial(w.on, "unix", ""); return err }, "dial unix: missing address"},
			{func() error { _, err := transport.Listen(w.on, "tcp", ""); return err }, "listen tcp: missing address"},
			{func() error { _, err := transport.Dial(w.on, "unix", long); return err }, "name "},
			{func() error { _, err := transport.Dial(w.on, "udp", "[fe80::1%nowhere0]:1"); return err }, "zone "},
		} {
			err := c.do()
			if errors.Is(err, noFamily) {
				continue // Wine has no Unix sockets
			}
			if err == nil || strings.Contains(err.Error(), "poll:") || !strings.Contains(err.Error(), c.want) {
				w.Errorf("%v, want %q and nothing of an inner package", err, c.want)
			}
		}
	})
}

// Messages that come from an address with a zone have the name of the interface, whatever receives them.
func TestZoneNames(t *testing.T) {
	at, ok := linkLocal()
	if !ok {
		t.Skip("no interface of this machine has a link-local address")
	}
	everyWayOn(t, "", func(w *world) {
		p, err := transport.ListenPacket(w.on, "udp6", netip.AddrPortFrom(at, 0).String())
		if err != nil {
			w.Fatal(err)
		}
		defer p.Close()
		c, err := transport.Dial(w.on, "udp6", p.LocalAddr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		m1, err := p.ReadMessage(w.ctx, make([]byte, 1))
		if err != nil {
			w.Fatal(err)
		}
		if _, err := p.WriteToAddrPort([]byte("y"), m1.From); err != nil {
			w.Fatal(err)
		}
		m2, err := c.ReadMessage(w.ctx, make([]byte, 1))
		if err != nil || m1.From.Addr().Zone() != at.Zone() || m2.From.Addr().Zone() != at.Zone() {
			w.Errorf("from %v and %v, %v; want the zone %s", m1.From, m2.From, err, at.Zone())
		}
	})
}

// linkLocal returns an address of this machine that needs a zone.
func linkLocal() (netip.Addr, bool) {
	interfaces, _ := net.Interfaces()
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				return p.Addr().WithZone(i.Name), true
			}
		}
	}
	return netip.Addr{}, false
}

// The options of a socket for messages are those of the system; only UDP has them.
func TestPacketOptions(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		for _, network := range []string{"udp4", "udp"} {
			p, err := transport.ListenPacket(w.on, network, ":0")
			if err != nil {
				w.Fatal(err)
			}
			if err := p.SetTTL(7); err != nil {
				w.Errorf("%s: %v", network, err)
			}
			for _, on := range []bool{false, true} {
				if err := p.SetBroadcast(on); err != nil {
					w.Errorf("%s: %v", network, err)
				}
			}
			p.Close()
			w.isOpError(p.SetTTL(7), "set", net.ErrClosed)
		}
		var none transport.PacketConn
		w.isOpError(none.SetTTL(1), "set", syscall.EINVAL)
	})
}
