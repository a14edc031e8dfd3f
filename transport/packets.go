package transport

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// PacketsConfig says how [ServePackets] serves. The zero value handles one message after the other.
type PacketsConfig struct {
	// Parallel is how many handlers may run at a time, 1 if not positive. With 1 messages are handled in
	// the order of their arrival; with more they begin in that order. While all are busy messages wait in
	// the system, which drops what it has no room for.
	Parallel int
	// Size is how many bytes of a message are received; of a longer one Packet.Truncated is set. 65,535, the
	// most that UDP can carry, if not positive. There is one buffer for each handler that has ever run at the
	// same time.
	Size int
	// Grace is how long handlers may go on when the server stops, as in [ServeConfig].
	Grace time.Duration
	// OnError is told the error that a handler has returned, or the *core.PanicError of its panic, with the
	// message, and with nil an error of receiving. If it is nil errors are logged. Its panic leaves the call
	// that turns the dispatcher.
	OnError func(p *Packet, err error)
}

// Packet is a message that [ServePackets] has received. It belongs to the handler until that returns.
type Packet struct {
	Message
	// Data is the message.
	Data []byte
	// Conn is the socket that it came to.
	Conn *PacketConn
}

// Reply sends data to the sender of the message, as PacketConn.WriteTo does, or PacketConn.Write on a socket that
// is connected to it. It ends with the deadlines of the socket and, in a task, with that. A Unix socket without a
// name, as that of Dial is, cannot be answered: the error is syscall.EDESTADDRREQ inside.
func (p *Packet) Reply(data []byte) (int, error) {
	if p.Conn.peer && p.fromPeer() {
		return p.Conn.Write(data)
	}
	if p.From.IsValid() {
		return p.Conn.WriteToAddrPort(data, p.From)
	}
	to := &net.UnixAddr{Net: p.Conn.LocalAddr().Network(), Name: p.FromUnix}
	if p.FromUnix == "" {
		return 0, p.Conn.wrapTo(syscall.EDESTADDRREQ, to)
	}
	return p.Conn.WriteTo(data, to)
}

// fromPeer reports whether the sender is the one that the socket is connected to. A message may have come before it
// was.
func (p *Packet) fromPeer() bool {
	switch peer := p.Conn.RemoteAddr().(type) {
	case *net.UDPAddr:
		ap := peer.AddrPort()
		return p.From.Port() == ap.Port() && p.From.Addr().Unmap() == ap.Addr().Unmap()
	case *net.UnixAddr:
		return p.FromUnix == peer.Name
	}
	return false
}

// sender says for the log who has sent the message.
func (p *Packet) sender() string {
	switch {
	case p.From.IsValid():
		return "message from " + p.From.String()
	case p.FromUnix != "":
		return "message from " + p.FromUnix
	}
	return "message from a socket without a name"
}

// ServePackets receives messages from c, and calls handle with each of them in a task on the dispatcher of c,
// until ctx ends. It returns when all handlers have ended. It may be called on a goroutine, or in a
// task of any dispatcher. The dispatcher of c has to be turned.
//
// The ctx that handle gets has the values of ctx, but does not end with it. Neither an error nor a panic of a
// handler disturbs the others, nor does an error of receiving, which some systems give for a message
// that was sent before: PacketsConfig.OnError is told. Between such errors it pauses as Serve does.
//
// When ctx ends the server stops: it receives nothing any more; handlers have PacketsConfig.Grace to end by
// themselves, and can reply; then their ctx is canceled, and c is closed. The result is that of [Serve].
func ServePackets(ctx context.Context, c *PacketConn, handle func(ctx context.Context, p *Packet) error, cfg PacketsConfig) error {
	if c.c.sock.d == nil {
		return &net.OpError{Op: "serve", Err: syscall.EINVAL} // the zero value
	}
	defer c.Close()
	return packetsOn(ctx, c.c.sock.d, c, handle, cfg)
}

// packetsOn is ServePackets with the handlers on d. It leaves c open.
func packetsOn(ctx context.Context, d *dispatch.Dispatcher, c *PacketConn, handle func(ctx context.Context, p *Packet) error, cfg PacketsConfig) error {
	if handle == nil {
		panic("transport: nil handler")
	}
	if cfg.Size <= 0 {
		cfg.Size = 1<<16 - 1
	}
	s := &packetServer{
		server: &server{d: d, grace: cfg.Grace, berths: []*berth{{d: d}}, shut: func() {}},
		c:      c, handle: handle, cfg: cfg, fatal: core.NewFuture[error](), turn: xsync.NewSemaphore(1),
	}
	s.intake = s.receiveAll
	return s.serve(ctx)
}

// packetServer is a server of messages. It has workers, each a task that receives a message and handles
// it: so no message is handed from one to the other. Only the one that has the turn receives, and it keeps that
// until its handler has begun, and waits: so handlers begin in the order of the messages, and a handler that
// does not wait costs nobody a wakeup. Its own fields are used on the loop only.
type packetServer struct {
	*server
	c      *PacketConn
	handle func(ctx context.Context, p *Packet) error
	cfg    PacketsConfig

	receiving context.Context     // ends when the stop begins
	fatal     *core.Future[error] // nothing can be received any more
	turn      *xsync.Semaphore    // to receive
	handling  *packetWorker       // has the turn, and handles; or nil
	posted    bool                // RunReady is to come
	workers   int                 // that have begun and not ended
	idle      int                 // of them, those that wait for the turn
}

// receiveAll is the intake: it waits while the workers do.
func (s *packetServer) receiveAll(ctx context.Context) error {
	s.receiving = ctx
	s.begin()
	err, waited := s.fatal.Await(ctx)
	if waited != nil {
		return nil
	}
	return err
}

// begin starts another worker.
func (s *packetServer) begin() {
	s.alive.Add(1)
	s.berths[0].alive.Add(1)
	s.workers++
	began := false
	of := &handling{Context: s.base, s: s.server}
	t := core.Start(of, func(ctx context.Context) error {
		began = true
		of.begin(ctx)
		w := &packetWorker{s: s, ctx: ctx, of: of}
		w.packet.Conn = s.c
		defer w.end()
		w.work()
		w.over = true
		return nil
	})
	if t.Finished() && !began { // the dispatcher closes
		s.workers--
		s.gone(s.berths[0])
	}
}

// packetWorker is the state of one worker.
type packetWorker struct {
	s      *packetServer
	ctx    context.Context
	of     *handling
	packet Packet
	buf    []byte
	turn   bool // it has the turn
	over   bool
}

// work receives and handles until nothing is to be received any more.
func (w *packetWorker) work() {
	s := w.s
	w.buf = make([]byte, s.cfg.Size)
	pause := time.Duration(0)
	for w.await() {
		m, err := s.c.ReadMessage(s.receiving, w.buf)
		switch {
		case err == nil:
			pause = 0
			w.packet.Message, w.packet.Data = m, w.buf[:m.N]
			w.lend()
			w.try()
			w.handled()
			continue
		case s.receiving.Err() != nil:
			return
		case errors.Is(err, net.ErrClosed), errors.Is(err, dispatch.ErrClosed):
			s.fatal.TryComplete(err)
			return
		}
		w.tell(nil, err)
		pause = min(max(2*pause, minAcceptPause), maxAcceptPause)
		if core.Sleep(s.receiving, pause) != nil {
			return
		}
	}
}

// await waits for the turn to receive, unless w has kept it. It reports false when the stop begins.
func (w *packetWorker) await() bool {
	if !w.turn {
		w.s.idle++
		w.turn = w.s.turn.Acquire(w.s.receiving) == nil
		w.s.idle--
	}
	return w.turn
}

// lend lets another worker have the turn if the handler, which is to be called, waits.
func (w *packetWorker) lend() {
	s := w.s
	if s.cfg.Parallel <= 1 {
		return
	}
	if s.handling = w; !s.posted {
		s.posted = true
		seam.Of(s.d).ReadyHere(s)
	}
}

// RunReady passes the turn on if a handler waits whose worker has it.
func (s *packetServer) RunReady() {
	s.posted = false
	if w := s.handling; w != nil {
		w.handled()
		w.pass()
	}
}

// handled says that the turn of w, if it has it, is not to be passed on any more.
func (w *packetWorker) handled() {
	if w.s.handling == w {
		w.s.handling = nil
	}
}

// pass gives the turn of w, if it has it, to the next worker, and sees to it that there is one.
func (w *packetWorker) pass() {
	s := w.s
	if w.turn {
		w.turn = false
		s.turn.Release()
	}
	switch {
	case s.idle > 0 || s.workers >= max(s.cfg.Parallel, 1): // somebody comes back
	case s.receiving.Err() != nil || s.fatal.Finished(): // nothing is received any more
	case s.turn.TryAcquire():
		s.turn.Release() // for the new one
		s.begin()
	}
}

// try calls the handler.
func (w *packetWorker) try() {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil { // a Goexit ends the task
			w.tell(&w.packet, panicked(v))
		}
	}()
	defer w.of.pause()
	err := w.s.handle(w.ctx, &w.packet)
	returned = true
	if err != nil && !w.s.meant(w.ctx, err) {
		w.tell(&w.packet, err)
	}
}

// tell tells OnError.
func (w *packetWorker) tell(p *Packet, err error) {
	defer func() {
		if v := recover(); v != nil {
			w.s.d.CallSoon(func() { panic(v) })
		}
	}()
	switch {
	case w.s.cfg.OnError != nil:
		w.s.cfg.OnError(p, err)
	case p == nil:
		logError(nil, err)
	default:
		logFailure(p.sender(), err)
	}
}

// end comes when the worker has ended, by a Goexit of the handler perhaps: then another one takes its place.
func (w *packetWorker) end() {
	s := w.s
	w.of.end()
	s.workers--
	w.handled()
	if !w.over {
		w.tell(&w.packet, core.ErrGoexit)
	}
	w.pass()
	s.gone(s.berths[0])
}
