package dispatch

import (
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

var (
	// ErrInFlight is returned when an operation is started that has been started and whose callback
	// has not run yet.
	ErrInFlight = errors.New("dispatch: operation in flight")
	// ErrBound is returned for a descriptor whose operations belong for ever to another dispatcher,
	// or to Go's own network poller. Only Windows knows such a bond.
	ErrBound = errors.New("dispatch: descriptor bound to another poller")
	// ErrTruncated is the result of an operation that received a message larger than its
	// buffer. The buffer holds the beginning of it; the rest is lost.
	ErrTruncated = errors.New("dispatch: message larger than the buffer")
)

// Addr is the address of a socket: of a kind that the socket takes, so that one for IPv6 takes
// IPv4 addresses only in their IPv6 form. The zero value is no address.
type Addr struct {
	IP netip.AddrPort // of an IP socket
	// Unix is the name of a Unix socket: a path, or on Linux an abstract name after an @.
	// It counts where IP is not valid.
	Unix string
}

// Op is an operation on a socket: it receives, sends, accepts or connects, and then runs a callback
// on the loop. It is for code that wants to be told of what has been done; [Dispatcher.AddRead] tells
// of what could be done. [Dispatcher.NewOp] makes an Op, and one of its methods Recv, Send, RecvFrom, SendTo,
// Accept and Connect starts it, again and again. That allocates nothing on Linux, but for addresses on
// 386 and s390x.
//
// All methods may be called by any goroutine, but for the results N, Err, Accepted and Peer: they are
// for the callback, and hold until the next start.
//
// The descriptor has been registered and is non-blocking, or a start fails with EINVAL. A start that returns nil is followed by exactly
// one run of the callback: in a later turn, or later in this one, and never from within the start. Until
// then the Op and the buffer belong to the dispatcher. In the callback the Op can be started again.
//
// A start that fails is followed by no callback. It returns ErrInFlight if the callback of the last
// start has not begun to run, ErrNotRegistered, ErrMode if the descriptor has watches or package transport uses
// it, ErrBound, ErrClosed, an error that is syscall.EINVAL if the address is none, or an error of
// the system: the descriptor is no socket, for instance.
//
// Operations of one direction of a descriptor are served one at a time in the order of their
// start, and so do their callbacks run, but for those that Cancel ends before their turn. Recv,
// RecvFrom and Accept are one direction; Send, SendTo and Connect the other.
//
// An operation ends early, with its Err set, by Cancel (context.Canceled), CloseFD (ErrFDClosed),
// Unregister (ErrNotRegistered) and Close (ErrClosed). What the system has done by that moment
// is reported as done: nothing that was received is dropped. Whoever closes the descriptor without
// CloseFD has to call Unregister before; otherwise operations may wait until one of the two is called.
type Op struct {
	d     *Dispatcher
	cb    func(*Op)
	op    poll.Op
	whole []byte // the buffer of Send
	moved int    // how much of it has gone
	phase atomic.Uint32
	set   opSet // that of the last start

	// One of them is set while the system, or the queue for it, has the Op. They guard what follows.
	where      atomic.Pointer[readySide]
	port       atomic.Pointer[portSet]
	prev, next *Op // its neighbors there
	// Of a portSet only:
	handed bool  // the poller has it
	why    error // it has been asked to end with this
}

// The phases of an Op.
const (
	opIdle   = iota
	opFlying // started
	opLanded // done, and in the FIFO
)

// NewOp returns an operation that runs cb on the loop each time it is done.
func (d *Dispatcher) NewOp(cb func(*Op)) *Op {
	if cb == nil {
		panic("dispatch: nil callback")
	}
	o := &Op{d: d, cb: cb}
	o.op.Owner = o
	return o
}

// Recv receives into buf what has come in, one byte at least, or one message. Of a stream N is 0
// and Err nil when the peer has closed its side; buf must have room there. A message that buf has no
// room for is cut off, which is ErrTruncated.
func (o *Op) Recv(fd FD, buf []byte) error { return o.start(poll.OpRecv, fd, buf, nil) }

// Send sends buf to the peer that the socket is connected to. It is done when all of it is with
// the system, or after an error or a cancel; N tells how much was in any case.
func (o *Op) Send(fd FD, buf []byte) error { return o.start(poll.OpSend, fd, buf, nil) }

// RecvFrom is Recv for sockets that are not connected: Peer tells from whom the message came.
func (o *Op) RecvFrom(fd FD, buf []byte) error { return o.start(poll.OpRecvFrom, fd, buf, nil) }

// SendTo sends buf to the given address as one message. To a Unix socket that has no room for
// it now it fails with syscall.EAGAIN, since the system does not tell when there is. macOS and the BSDs
// say syscall.ENOBUFS then, also to a Send of a Unix socket for messages.
func (o *Op) SendTo(fd FD, buf []byte, to Addr) error {
	return o.start(poll.OpSendTo, fd, buf, &to)
}

// Accept accepts a connection, which is non-blocking, not inherited by child processes, and not
// registered: Accepted is its descriptor, Peer its address. A connection that its peer has given up
// meanwhile is passed over. When the process has no descriptor to spare (EMFILE) the connection
// stays with the system, and a later Accept gets it: one that is started at once fails again.
func (o *Op) Accept(fd FD) error { return o.start(poll.OpAccept, fd, nil, nil) }

// Connect connects fd to the given address. After an error or a cancel the socket is fit for
// nothing but to be closed. A Unix socket whose peer has a full backlog fails with syscall.EAGAIN.
func (o *Op) Connect(fd FD, to Addr) error { return o.start(poll.OpConnect, fd, nil, &to) }

// N returns how many bytes the operation has moved, also before an error.
func (o *Op) N() int { return o.moved }

// Err returns how the operation has ended, nil if it did what was asked. Errors of the system are
// *os.SyscallError.
func (o *Op) Err() error { return o.op.Err }

// Accepted returns the connection that Accept got; it is valid only if Err is nil.
func (o *Op) Accepted() FD { return FD(o.op.Accepted) }

// Peer returns from whom RecvFrom received or whom Accept let in. It is no address where the
// system tells none: of a stream, or of a Unix socket without a name. The zone of an
// IPv6 address is the number of the interface.
func (o *Op) Peer() Addr {
	if ip, ok := o.op.Addr.IP(); ok {
		return Addr{IP: ip}
	}
	name, _ := o.op.Addr.Unix()
	return Addr{Unix: name}
}

// Cancel asks for the end of the operation and reports whether there was one to end. Its callback
// runs in any case: with context.Canceled as Err, or with what the system had done by then.
func (o *Op) Cancel() bool {
	if s := o.where.Load(); s != nil {
		return s.cancel(o)
	}
	if s := o.port.Load(); s != nil {
		return s.cancel(o)
	}
	return false
}

// opSet is the operations of one descriptor.
type opSet interface {
	// submit starts o. The error errLeft means that the descriptor has left this set.
	submit(o *Op) error
	// leave ends the use of a set without operations, and reports false if there are some.
	leave() bool
	// shut ends all operations with err. The io mutex is held.
	shut(err error)
}

// errLeft tells start to look again.
var errLeft = errors.New("dispatch: descriptor has left the set")

func (o *Op) start(kind poll.OpKind, fd FD, buf []byte, to *Addr) error {
	if !o.phase.CompareAndSwap(opIdle, opFlying) {
		return ErrInFlight
	}
	d := o.d
	d.io.ops.Add(1)
	err := o.submit(kind, fd, buf, to)
	if err != nil {
		o.set, o.whole, o.op.Buf = nil, nil, nil // as in settle
		o.phase.Store(opIdle)
		d.mu.Lock()
		d.io.ops.Add(-1)
		d.gone()
		d.mu.Unlock()
	}
	return err
}

func (o *Op) submit(kind poll.OpKind, fd FD, buf []byte, to *Addr) error {
	p := &o.op
	same := o.set != nil && p.FD == int(fd)
	p.Reset()
	p.Kind, p.FD, p.Buf = kind, int(fd), buf
	o.whole, o.moved = buf, 0
	if to != nil {
		if err := setAddr(&p.Addr, *to); err != nil {
			return err
		}
	}
	if o.d.ending() {
		return ErrClosed
	}
	for {
		if !same {
			var err error
			if o.set, err = o.d.operations(fd); err != nil {
				return err
			}
		}
		if err := o.set.submit(o); !errors.Is(err, errLeft) {
			return err
		}
		same = false
	}
}

func setAddr(a *poll.SockAddr, to Addr) (err error) {
	if to.Unix != "" && !to.IP.IsValid() {
		err = a.SetUnix(to.Unix)
	} else {
		err = a.SetIP(to.IP)
	}
	if err != nil {
		return fmt.Errorf("dispatch: %w", err)
	}
	return nil
}

// operations returns the operations of fd, which it puts into operation mode.
func (d *Dispatcher) operations(fd FD) (opSet, error) {
	x := &d.io
	x.mu.Lock()
	defer x.mu.Unlock()
	if d.ending() {
		return nil, ErrClosed
	}
	i, ok := x.byFD[fd]
	if !ok {
		return nil, ErrNotRegistered
	}
	s := &x.slots[i]
	switch {
	case s.ops != nil:
		return s.ops, nil
	case s.latch != nil || len(s.reads)+len(s.writes) > 0:
		return nil, ErrMode
	}
	if x.poller.Operations() {
		return d.newPortSet(i)
	}
	return d.newReadySet(i)
}

// land puts o into the FIFO. It may be called by any goroutine.
func (d *Dispatcher) land(o *Op) {
	o.settle()
	if !d.mail.Load() && d.here() {
		d.soon = append(d.soon, (*opRun)(o))
		d.io.ops.Add(-1)
		return
	}
	d.mu.Lock()
	if d.state != closed {
		d.push((*opRun)(o))
	}
	d.io.ops.Add(-1)
	d.mu.Unlock()
}

// landNow is land for the loop that has asked the operating system.
func (d *Dispatcher) landNow(o *Op) {
	o.settle()
	d.mu.Lock()
	if len(d.posted) > 0 {
		d.push((*opRun)(o)) // there may be one that was done before it
	} else {
		d.enqueue((*opRun)(o))
		d.count()
	}
	d.io.ops.Add(-1)
	d.mu.Unlock()
}

func (o *Op) settle() {
	if o.op.Kind != poll.OpSend {
		o.moved = o.op.N
	}
	if errors.Is(o.op.Err, poll.ErrTruncated) {
		o.op.Err = ErrTruncated
	}
	o.whole, o.op.Buf = nil, nil // the Op may live long
	o.phase.Store(opLanded)
}

// opRun is an Op as the FIFO sees it.
type opRun Op

func (o *opRun) RunReady() {
	o.phase.Store(opIdle)
	o.cb((*Op)(o))
}
