package transport

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// ListenerFromFD returns a listener for a descriptor that was made elsewhere and listens already, on the
// dispatcher of ctx: one that systemd passes to a service (sd_listen_fds(3)), or the parent process. It must
// be registered with no dispatcher, and is made non-blocking, which holds for all descriptors that refer to the
// same socket. It belongs to the Listener then; after an error it is the caller's as before.
// Connections have the options that those of [Listen] have. Close leaves the file of a Unix socket, which others
// have made.
//
// The error is a *net.OpError, with ErrNoDispatcher inside if ctx belongs to no dispatcher, ctx.Err() if it
// has ended, syscall.EINVAL if the socket does not listen, syscall.ENOTSOCK if fd is no socket, and
// errors.ErrUnsupported for a socket that is neither one of TCP nor of Unix.
func ListenerFromFD(ctx context.Context, fd dispatch.FD) (*Listener, error) {
	d, err := home(ctx)
	if err == nil {
		var l *Listener
		if l, err = listenerOf(d, int(fd)); err == nil {
			return l, nil
		}
	}
	return nil, &net.OpError{Op: "listen", Net: "fd" + strconv.Itoa(int(fd)), Err: inside(err)}
}

func listenerOf(d *dispatch.Dispatcher, fd int) (*Listener, error) {
	s, err := newSocketOf(d, fd)
	if err != nil {
		return nil, err
	}
	network := s.network()
	if network == "socket" {
		return nil, errors.ErrUnsupported
	}
	return adoptListener(d, fd, network)
}

// adoptListener returns the listener of fd, which it does not close after an error.
func adoptListener(d *dispatch.Dispatcher, fd int, network string) (*Listener, error) {
	if o := socketOptions.acceptConn; network == "udp" || network == "unixgram" {
		return nil, errors.ErrUnsupported
	} else if on, err := sysOption(fd, o.level, o.name); err != nil {
		return nil, err
	} else if on == 0 {
		return nil, syscall.EINVAL
	}
	if err := sysNonblock(fd); err != nil {
		return nil, err
	}
	l := &Listener{network: network}
	if network == "tcp" {
		sysAccepting(fd)
	}
	l.sock.prepare(d, fd)
	if err := l.sock.link.attach(&l.sock); err != nil {
		return nil, err
	}
	local := sysLocal(fd)
	l.local = netAddr(network, &local)
	return l, nil
}

// Listener makes a socket that listens a [Listener] of network "tcp", "unix" or "unixpacket", and closes the
// Socket, as [Socket.Conn] does, with the same errors but for one that does not listen, which is
// syscall.EINVAL inside. Connections have the options that those of [Listen] have. Close leaves the file of a Unix
// socket.
func (s *Socket) Listener() (*Listener, error) {
	var l *Listener
	err := s.convert(false, func(fd int, network string) (err error) {
		if l, err = adoptListener(s.sock.d, fd, network); err != nil {
			_ = sysClose(fd)
		}
		return err
	})
	if err != nil {
		if l != nil {
			_ = l.Close()
		}
		return nil, s.wrap("convert", nil, err)
	}
	return l, nil
}
