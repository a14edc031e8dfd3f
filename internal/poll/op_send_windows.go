package poll

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// Nothing is sent by an overlapped call: when that is canceled it does not say how much
// has gone. Sockets of operations do not wait, so a plain call sends what there is room for, and says so.
// Where there is no room a request of the driver, of the operation's own, tells when to try again.

// maxSend bounds what one call sends. The system takes any amount where it takes one byte, and
// copies it while the poller is locked.
const maxSend = 256 << 10

// sends reports whether op sends data.
func (op *Op) sends() bool {
	return op.Kind == OpSend || op.Kind == OpSendTo || op.Kind == OpWritable
}

// send sends what there is room for; it returns wouldBlock if there is none.
func (op *Op) send() error {
	s, sys := windows.Handle(op.FD), &op.sys
	if !op.Messages {
		sys.buf.Len = min(sys.buf.Len, maxSend)
	}
	var err error
	switch op.Kind {
	case OpWritable:
		sys.name, err = "WSASend", wouldBlock // the driver is asked
	case OpSend:
		sys.name = "WSASend"
		err = winsock(syscall.SyscallN(procWSASend.Addr(), uintptr(s), uintptr(unsafe.Pointer(&sys.buf)), 1,
			uintptr(unsafe.Pointer(&sys.moved)), 0, 0, 0))
	case OpSendTo:
		sys.name = "WSASendTo"
		err = winsock(syscall.SyscallN(procWSASendTo.Addr(), uintptr(s), uintptr(unsafe.Pointer(&sys.buf)), 1,
			uintptr(unsafe.Pointer(&sys.moved)), 0, uintptr(unsafe.Pointer(&op.Addr.raw)), uintptr(op.Addr.n), 0, 0))
	}
	if err == nil {
		sys.ov.InternalHigh = uintptr(sys.moved)
	}
	return err
}

// awaitRoom makes op be tried again when there may be room. The caller holds mu, as that of
// sendAgain.
func (p *iocp) awaitRoom(op *Op) error {
	h, err := p.helperWithRoom()
	if err != nil {
		return err
	}
	r, err := p.request(h, base(windows.Handle(op.FD)), afdSend|afdUnasked)
	if err != nil {
		return err
	}
	h.users++
	r.op, op.sys.request, op.sys.helper = op, r, h
	return nil
}

// sendAgain goes on with op, to which the driver has answered. It makes ev of it, or reports false if
// op waits again.
func (p *iocp) sendAgain(op *Op, events uint32, ev *Event) bool {
	sys := &op.sys
	sys.helper.users--
	sys.request = nil
	var err error
	switch {
	case sys.canceled:
		// The socket may be closed by now, and its number be that of another one.
		err = windows.ERROR_OPERATION_ABORTED
	case events&afdLocalClose != 0:
		err = windows.WSAENOTSOCK
	case op.Kind == OpWritable:
	default:
		if err = op.send(); err == wouldBlock {
			if err = p.awaitRoom(op); err == nil {
				return false
			}
		}
	}
	sys.ov.Internal, sys.err = 0, err
	return p.done(op, ev)
}
