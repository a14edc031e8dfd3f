package transport

import (
	"context"
	"errors"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// Spread says how a [ServeGroup] shares connections out among its dispatchers.
type Spread uint8

const (
	// SpreadAuto is SpreadPort where the system shares connections out in this way, for TCP and UDP on Linux,
	// FreeBSD and DragonFly, and else SpreadTurns.
	SpreadAuto Spread = iota
	// SpreadPort gives each dispatcher a socket of its own on the same address (SO_REUSEPORT), among which
	// the system shares connections and messages out by the addresses of the peers. Nothing passes
	// between dispatchers. With few peers some dispatchers may get none.
	SpreadPort
	// SpreadTurns has one dispatcher accept, and hand connections to all in turn.
	SpreadTurns
	// SpreadLeast has one dispatcher accept, and hand each connection to the one that has the fewest.
	SpreadLeast
)

// GroupConfig says what a [ServeGroup] is made of. The zero value is one dispatcher for each CPU that Go uses.
type GroupConfig struct {
	// Dispatchers is how many there are, runtime.GOMAXPROCS(0) if not positive.
	Dispatchers int
	// Dispatch is the configuration of each of them.
	Dispatch dispatch.Config
	// Listen says how to listen. Its ReusePort is set by Spread.
	Listen ListenConfig
	// Spread says how connections are shared out.
	Spread Spread
	// LockOSThread wires each dispatcher to a thread of its own.
	LockOSThread bool
}

// ServeGroup serves one address by several dispatchers, each on a goroutine of its own, so that a server whose
// handlers are tasks, or callbacks, uses more than one CPU. It is made by [NewServeGroup], and serves once; the zero value
// fails to, with syscall.EINVAL.
//
// A connection belongs to one dispatcher for life, and so do the handlers of it. Those of one dispatcher never
// run at the same time; those of different ones do, and share what they share by locks, or
// by the primitives of this module, which wait for tasks of other dispatchers as well.
type ServeGroup struct {
	cfg     GroupConfig
	members []*member
	addr    net.Addr
	begun   atomic.Bool
	first   *core.Future[struct{}] // the first dispatcher has done its part
}

// member is one dispatcher of a group.
type member struct {
	d *dispatch.Dispatcher
	l *Listener   // or nil
	p *PacketConn // or nil; may be that of another member
}

// NewServeGroup listens on addr, as [ListenConfig] does for network: for TCP and Unix sockets, which
// [ServeGroup.Serve] and [ServeGroup.ServeEvents] serve, and for "udp", "udp4", "udp6" and "unixgram", which
// [ServeGroup.ServePackets] serves. It starts no goroutine: connections wait in the system until the group
// serves. What it has opened is closed when it has served, or by Close.
//
// The ctx is for looking up the host, and need not belong to a dispatcher. An error of
// SpreadPort is errors.ErrUnsupported where there is no such option.
func NewServeGroup(ctx context.Context, network, addr string, cfg GroupConfig) (*ServeGroup, error) {
	if cfg.Dispatchers <= 0 {
		cfg.Dispatchers = runtime.GOMAXPROCS(0)
	}
	unix := strings.HasPrefix(network, "unix")
	if cfg.Spread == SpreadAuto {
		cfg.Spread = SpreadTurns
		if sharesPort && !unix {
			cfg.Spread = SpreadPort
		}
	}
	cfg.Listen.ReusePort = cfg.Spread == SpreadPort
	g := &ServeGroup{cfg: cfg, first: core.NewFuture[struct{}]()}
	for range cfg.Dispatchers {
		d, err := dispatch.New(cfg.Dispatch)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		m := &member{d: d}
		g.members = append(g.members, m)
		if err := g.listen(core.On(ctx, d), m, network, addr); err != nil {
			return nil, errors.Join(err, g.Close())
		}
		if g.addr == nil {
			if m.l != nil {
				g.addr = m.l.Addr()
			} else {
				g.addr = m.p.LocalAddr()
			}
			addr = alike(network, addr, g.addr)
		}
	}
	return g, nil
}

// alike returns the address at which the next member listens: where the first one does, which may have had
// to choose a port or one of several addresses.
func alike(network, asked string, got net.Addr) string {
	if strings.HasPrefix(network, "unix") {
		return asked
	}
	host, port, err1 := net.SplitHostPort(got.String())
	if h, _, err2 := net.SplitHostPort(asked); err1 == nil && err2 == nil && h == "" {
		host = "" // all addresses, of both families perhaps
	}
	return net.JoinHostPort(host, port)
}

// listen opens what m listens with, if that is not the one of the first.
func (g *ServeGroup) listen(ctx context.Context, m *member, network, addr string) (err error) {
	first := g.members[0]
	if m != first && g.cfg.Spread != SpreadPort {
		m.p = first.p
		return nil
	}
	switch network {
	case "udp", "udp4", "udp6", "unixgram":
		m.p, err = g.cfg.Listen.ListenPacket(ctx, network, addr)
	default:
		m.l, err = g.cfg.Listen.Listen(ctx, network, addr)
	}
	return err
}

// Addr returns the address that is listened on.
func (g *ServeGroup) Addr() net.Addr { return g.addr }

// Dispatchers returns the dispatchers of the group. They are open until it has served.
func (g *ServeGroup) Dispatchers() []*dispatch.Dispatcher {
	ds := make([]*dispatch.Dispatcher, len(g.members))
	for i, m := range g.members {
		ds[i] = m.d
	}
	return ds
}

// Close closes what is listened with. If the group serves, that stops as if ctx had ended, but returns an
// error that is net.ErrClosed; otherwise the dispatchers are closed, too, and nothing is left.
func (g *ServeGroup) Close() error {
	serving := g.begun.Swap(true)
	g.shut()
	if serving {
		return nil
	}
	// On goroutines, since a task cannot close a dispatcher.
	errs := make([]error, len(g.members))
	var closing xsync.WaitGroup
	for i, m := range g.members {
		closing.Go(func() { errs[i] = m.d.Close() })
	}
	if err := closing.Wait(context.Background()); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// shut closes the sockets.
func (g *ServeGroup) shut() {
	for _, m := range g.members {
		if m.l != nil {
			_ = m.l.Close() // an error says that it is
		}
		if m.p != nil {
			_ = m.p.Close()
		}
	}
}

// Serve serves as the function [Serve] does, on all dispatchers, until ctx ends. A handler runs on the
// dispatcher that its connection is on; DispatcherOf of package core tells which. Of ServeConfig.Limit
// each dispatcher has its share with SpreadPort, rounded up; OnError may be called by several dispatchers at a
// time.
//
// If one dispatcher cannot go on, the others stop, too. Serve returns when all have, with their
// errors joined. A panic that leaves the loop of a dispatcher, such as one of OnError or of a callback, goes on
// in the caller, as a *core.PanicError, when all others have stopped.
//
// A group that has served, or was closed, returns net.ErrClosed.
func (g *ServeGroup) Serve(ctx context.Context, handle func(ctx context.Context, c *Conn) error, cfg ServeConfig) error {
	return g.serveConns(ctx, cfg.Limit, func(ctx context.Context, m *member, limit int, also []*berth) error {
		s := newServer(m.l, limit, cfg.Grace)
		s.join(also, g.cfg.Spread == SpreadLeast)
		return serveOn(ctx, s, handle, cfg.OnError)
	})
}

// ServeEvents serves as the function [ServeEvents] does, on all dispatchers. What [ServeGroup.Serve] says of
// the group holds here, too. Functions of different dispatchers may be called at the same time.
func (g *ServeGroup) ServeEvents(ctx context.Context, handle func(c *EventConn, in []byte) (consumed int, err error), cfg EventConfig) error {
	return g.serveConns(ctx, cfg.Limit, func(ctx context.Context, m *member, limit int, also []*berth) error {
		s := newServer(m.l, limit, cfg.Grace)
		s.join(also, g.cfg.Spread == SpreadLeast)
		return eventsOn(ctx, s, handle, cfg)
	})
}

// ServePackets serves as the function [ServePackets] does, on all dispatchers, each of which has
// PacketsConfig.Parallel handlers at most. Where the dispatchers have one socket, without SpreadPort, they
// receive from it in turns, and messages are in no order. What [ServeGroup.Serve] says of the group holds
// here, too.
func (g *ServeGroup) ServePackets(ctx context.Context, handle func(ctx context.Context, p *Packet) error, cfg PacketsConfig) error {
	if len(g.members) == 0 {
		return syscall.EINVAL
	}
	if g.members[0].p == nil {
		return net.UnknownNetworkError(g.addr.Network())
	}
	return g.run(ctx, func(ctx context.Context, m *member) error {
		return packetsOn(ctx, m.d, m.p, handle, cfg)
	})
}

// serveConns runs serve for each member that listens. The limit is its share, and also where the others are
// that it serves for.
func (g *ServeGroup) serveConns(ctx context.Context, limit int, serve func(ctx context.Context, m *member, limit int, also []*berth) error) error {
	if len(g.members) == 0 {
		return syscall.EINVAL
	}
	if g.members[0].l == nil {
		return net.UnknownNetworkError(g.addr.Network())
	}
	if g.cfg.Spread == SpreadPort {
		n := len(g.members)
		return g.run(ctx, func(ctx context.Context, m *member) error {
			return serve(ctx, m, (max(limit, 0)+n-1)/n, nil)
		})
	}
	var also []*berth
	for _, m := range g.members[1:] {
		also = append(also, &berth{d: m.d})
	}
	return g.run(ctx, func(ctx context.Context, m *member) error {
		if m.l != nil {
			defer g.first.TryComplete(struct{}{})
			return serve(ctx, m, limit, also)
		}
		_, err := g.first.Await(core.Shield(ctx))
		return err
	})
}

// join gives s further dispatchers for its connections.
func (s *server) join(also []*berth, least bool) {
	s.berths, s.least = append(s.berths, also...), least
}

// run turns the dispatchers, each with main as its main function, until all of those have returned, and
// closes everything.
func (g *ServeGroup) run(ctx context.Context, main func(ctx context.Context, m *member) error) error {
	if g.begun.Swap(true) {
		return net.ErrClosed
	}
	defer g.shut()
	stop, cancel := context.WithCancel(ctx)
	defer cancel()
	var running xsync.WaitGroup
	errs := make([]error, len(g.members))
	panics := make([]error, len(g.members))
	for i, m := range g.members {
		running.Go(func() {
			errs[i], panics[i] = g.turn(ctx, m, func(ctx context.Context) error {
				err := main(core.On(stop, m.d), m)
				if err != nil {
					cancel()
				}
				return err
			})
			if i == 0 {
				g.first.TryComplete(struct{}{}) // it may not have come to main
			}
			if errs[i] != nil || panics[i] != nil {
				cancel() // nor here
			}
		})
	}
	// Only the end of the dispatcher that the caller is a task of ends this wait.
	if err := running.Wait(core.Shield(ctx)); err != nil {
		return err
	}
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
	return errors.Join(errs...)
}

// turn runs main on the dispatcher of m, on the calling goroutine, and closes that.
func (g *ServeGroup) turn(ctx context.Context, m *member, main func(ctx context.Context) error) (err, panicked error) {
	if g.cfg.LockOSThread {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	attempt := func(fn func() error) error {
		defer func() {
			if v := recover(); v != nil && panicked == nil {
				if p, ok := v.(*core.PanicError); ok {
					panicked = p
				} else {
					panicked = &core.PanicError{Value: v, Stack: debug.Stack()}
				}
			}
		}()
		return fn()
	}
	err = attempt(func() error { return core.RunOn(core.Detach(ctx), m.d, main) })
	return errors.Join(err, attempt(m.d.Close)), panicked
}
