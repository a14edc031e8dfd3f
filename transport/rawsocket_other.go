//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package transport

import (
	"errors"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// No Socket is ever made here: the first three fail, and the rest is never called.

const lateAttach = false

func sysRawSocket(int, int, int) (int, error)         { return -1, errors.ErrUnsupported }
func sysNonblock(int) error                           { return errors.ErrUnsupported }
func sysKind(int) (domain, typ, proto int, err error) { return 0, 0, 0, errors.ErrUnsupported }
func sysBind(int, *poll.SockAddr) error               { return errors.ErrUnsupported }
func sysStartListen(int, int) error                   { return errors.ErrUnsupported }
func sysLocalName(int) (poll.SockAddr, error)         { return poll.SockAddr{}, errors.ErrUnsupported }

func sysPeerName(int) (poll.SockAddr, error) { return poll.SockAddr{}, errors.ErrUnsupported }
func sysReset(error) bool                    { return false }
func sysOption(int, int, int) (int, error)   { return 0, errors.ErrUnsupported }
func sysSetOption(int, int, int, int) error  { return errors.ErrUnsupported }
func sysDuplicate(int) (int, error)          { return -1, errors.ErrUnsupported }

func sysReceive(int, []byte, bool) (int, bool, poll.SockAddr, error) {
	return 0, false, poll.SockAddr{}, errors.ErrUnsupported
}

var socketOptions optionNumbers
