package poll

// OpKind is the kind of an operation.
type OpKind uint8

// The operations on sockets. Each is one call of the system; Send may move less than it
// was given.
const (
	OpRecv OpKind = iota + 1
	OpSend
	OpRecvFrom
	OpSendTo
	OpAccept
	OpConnect
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

	N        int   // result: bytes moved
	Accepted int   // result of OpAccept: the new descriptor, non-blocking and not inherited
	Err      error // result; a canceled operation has context.Canceled

	sys opSys
}
