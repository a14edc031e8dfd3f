//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package poll

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Try makes the system call of o, which must not be with a poller. It reports false if that
// would wait: nothing has happened then, except that a connect is under way, which the next
// Try asks about. The descriptor has to be non-blocking.
//
// The system does not tell when a Unix socket that o is not connected to has room for a
// message or a connection. Connect, and SendTo to such an address, end with EAGAIN then.
func (o *Op) Try() bool {
	for {
		name, err := o.try()
		switch {
		case err == nil:
			o.Err = nil
			return true
		case err == errWait, errors.Is(err, unix.EAGAIN) && !o.untold():
			return false
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, ErrTruncated):
			o.Err = err
			return true
		default:
			o.Err = os.NewSyscallError(name, err)
			return true
		}
	}
}

// errWait is what connect returns where others return EAGAIN.
var errWait = errors.New("poll: connecting")

// untold reports whether EAGAIN is the end of o, because no event would follow.
func (o *Op) untold() bool {
	if o.Kind == OpSendTo {
		_, is := o.Addr.Unix()
		return is
	}
	return o.Kind == OpConnect
}

func (o *Op) try() (call string, err error) {
	switch o.Kind {
	case OpRecv:
		if o.Messages {
			o.N, err = recvMessage(o.FD, o.Buf, nil)
		} else {
			o.N, err = recv(o.FD, o.Buf)
		}
		return "recv", err
	case OpRecvFrom:
		if o.Messages {
			o.N, err = recvMessage(o.FD, o.Buf, &o.Addr)
		} else {
			// Asked for the length of a message TCP would throw away what it has (tcp(7)).
			o.N, err = recv(o.FD, o.Buf)
		}
		return "recvfrom", err
	case OpSend:
		o.N, err = send(o.FD, o.Buf)
		return "send", err
	case OpSendTo:
		o.N, err = sendTo(o.FD, o.Buf, &o.Addr)
		return "sendto", err
	case OpAccept:
		err = passOver(func() (err error) {
			o.Accepted, err = accept(o.FD, &o.Addr)
			return err
		})
		return "accept", err
	case OpConnect:
		return "connect", o.connect()
	}
	return "operation", unix.EINVAL
}

// maxGone is how many connections an accept passes over before it fails with the error of the last. It
// ends where an error is not that of a connection after all: OpenBSD says ECONNABORTED for ever of a
// listener that was shut down for reading.
const maxGone = 128

// passOver calls accept until that tells of something else than a connection that has ended.
func passOver(accept func() error) (err error) {
	for range maxGone {
		if err = accept(); !gone(err) {
			break
		}
	}
	return err
}

// gone reports whether err of an accept belongs to a connection that has ended before it was
// accepted: the next one may be good. Linux reports the errors of the network so (accept(2)).
func gone(err error) bool {
	switch err {
	case unix.ECONNABORTED, unix.EPROTO, unix.ENOPROTOOPT, unix.EHOSTDOWN,
		unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENETUNREACH:
		return true
	}
	return false
}

func (o *Op) connect() error {
	if !o.connecting {
		err := connect(o.FD, &o.Addr)
		if inProgress(err) {
			o.connecting = true
			return errWait
		}
		return err
	}
	code, err := unix.GetsockoptInt(o.FD, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err == nil {
		if _, e := unix.Getpeername(o.FD); errors.Is(e, unix.ENOTCONN) {
			// An event of the time before the connect, or a failure of which a call in the other
			// direction has taken the error away. Only the first is still in progress.
			err = connect(o.FD, &o.Addr)
			if inProgress(err) {
				return errWait
			}
			if errors.Is(err, unix.EISCONN) {
				err = nil // in this moment
			}
		}
	}
	o.connecting = false
	return err
}

// inProgress reports whether a connect that ended with err goes on.
func inProgress(err error) bool {
	return errors.Is(err, unix.EINPROGRESS) || errors.Is(err, unix.EALREADY) || errors.Is(err, unix.EINTR)
}

// Stream reports whether fd is a socket for a stream of bytes; glued, that a receive which has
// not filled its buffer has taken all there was. TCP does so; a Unix socket ends a receive at
// descriptors or credentials that were sent along, and SCTP at the end of a message.
func Stream(fd int) (stream, glued bool, err error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil || kind != unix.SOCK_STREAM {
		return false, false, os.NewSyscallError("getsockopt", err)
	}
	_, err = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY) // TCP alone knows the option
	return true, err == nil && internet(fd), nil
}
