package transport

import "errors"

// optionNumber is an option of a socket; the zero value is one that the system does not have.
type optionNumber struct{ level, name int }

type optionNumbers struct {
	acceptConn, reuseAddr, reusePort, broadcast, keepAlive, readBuffer, writeBuffer, noDelay, v6Only, ttl4, ttl6 optionNumber
}

// Option returns an option whose value is a number, as getsockopt(2) does. Level and name are numbers of the
// system, syscall.SOL_SOCKET and syscall.SO_TYPE for instance.
func (s *Socket) Option(level, name int) (int, error) {
	var v int
	err := s.sock.wr.do(func(fd int) (err error) {
		v, err = sysOption(fd, level, name)
		return err
	})
	return v, s.wrap("get", nil, err)
}

// SetOption sets an option whose value is a number, as setsockopt(2) does.
func (s *Socket) SetOption(level, name, value int) error {
	return s.set(optionNumber{level, name}, value)
}

func (s *Socket) set(o optionNumber, value int) error {
	return s.wrap("set", nil, s.sock.wr.do(func(fd int) error {
		if o == (optionNumber{}) {
			return errors.ErrUnsupported
		}
		return sysSetOption(fd, o.level, o.name, value)
	}))
}

// SetReuseAddr lets Bind take an address whose last connections have not quite ended
// (SO_REUSEADDR). It comes before Bind.
func (s *Socket) SetReuseAddr(on bool) error { return s.set(socketOptions.reuseAddr, numberOf(on)) }

// SetReusePort lets several sockets be bound to the same address (SO_REUSEPORT). Linux and DragonFly share
// connections and messages out among them; elsewhere one socket may get them all, also on FreeBSD, where
// the ReusePort of a [ListenConfig] shares, which is another option there. It comes before Bind. The error is
// errors.ErrUnsupported inside where the system does not have it.
func (s *Socket) SetReusePort(on bool) error { return s.set(socketOptions.reusePort, numberOf(on)) }

// SetBroadcast allows to send to broadcast addresses.
func (s *Socket) SetBroadcast(on bool) error { return s.set(socketOptions.broadcast, numberOf(on)) }

// SetKeepAlive has the system look after a silent peer, at times that it knows itself.
func (s *Socket) SetKeepAlive(on bool) error { return s.set(socketOptions.keepAlive, numberOf(on)) }

// SetNoDelay has TCP send small pieces at once instead of collecting them (TCP_NODELAY).
func (s *Socket) SetNoDelay(on bool) error { return s.set(socketOptions.noDelay, numberOf(on)) }

// SetV6Only keeps an IPv6 socket from taking IPv4 traffic as well. It comes before Bind; systems differ in what
// holds without it.
func (s *Socket) SetV6Only(on bool) error { return s.set(socketOptions.v6Only, numberOf(on)) }

// SetReadBuffer sets the size of the system's buffer for what comes in, in bytes. Linux doubles it.
func (s *Socket) SetReadBuffer(bytes int) error {
	return s.set(socketOptions.readBuffer, fitting(bytes))
}

// SetWriteBuffer sets the size of the system's buffer for what goes out, in bytes. Linux doubles it.
func (s *Socket) SetWriteBuffer(bytes int) error {
	return s.set(socketOptions.writeBuffer, fitting(bytes))
}

// SetTTL sets how many hops an IP packet may go.
func (s *Socket) SetTTL(hops int) error {
	if s.domain == IPv6 {
		return s.set(socketOptions.ttl6, hops)
	}
	return s.set(socketOptions.ttl4, hops)
}

// SetLinger says what becomes of bytes that are not yet sent at Close: with a negative number, as by default,
// the system goes on sending them; with 0 they are dropped and the peer is told by a reset; with more it tries
// for so many seconds, for which Close does not wait; see [Conn.SetLinger].
func (s *Socket) SetLinger(sec int) error { return s.wrap("set", nil, s.sock.setLinger(sec)) }

func numberOf(on bool) int {
	if on {
		return 1
	}
	return 0
}
