package poll

import "errors"

// ErrTruncated is the result of an operation that received a message larger than its buffer,
// which has its beginning.
var ErrTruncated = errors.New("poll: message larger than the buffer")

// OpKind is the kind of an operation.
type OpKind uint8

// The operations on sockets. Each is one call of the system; Send may move less than it
// was given. The last two move nothing and have no buffer: they end when an Op that receives, or one
// that sends, may succeed at its Try. They are for Submit only. An error that they end with may be
// told by nothing else.
const (
	OpRecv OpKind = iota + 1
	OpSend
	OpRecvFrom
	OpSendTo
	OpAccept
	OpConnect
	OpReadable
	OpWritable
)

// Op is one operation on a socket. From a Submit that returned nil until the Event that carries
// it, the Op and everything it refers to belong to the poller; afterwards it may be used
// again.
type Op struct {
	Kind  OpKind
	FD    int
	Buf   []byte   // received into or sent from
	Addr  SockAddr // to whom SendTo and Connect go; from whom RecvFrom and Accept got
	Owner any      // of the caller; the poller leaves it alone

	// Messages tells Try that the socket is none for streams, so that a buffer that is too small
	// for what comes in cuts it off.
	Messages bool

	N        int   // result: bytes moved
	Accepted int   // result of OpAccept: the new descriptor, non-blocking and not inherited
	Err      error // result; a canceled operation has context.Canceled

	connecting bool // Try has begun to connect

	//lint:ignore U1000 Windows has something to keep
	sys opSys
}

// Reset makes o fit for another use. What it is to do is set afterwards.
func (o *Op) Reset() {
	o.N, o.Accepted, o.Err = 0, -1, nil
	o.Addr.n = 0
	o.connecting = false
}
