//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package transport

import (
	"errors"
	"net"
	"net/netip"
)

// There is no poller here, so no connection or listener is ever made: the first two fail,
// and the rest is never called.

func sysListen(netip.AddrPort) (int, error)    { return -1, errors.ErrUnsupported }
func sysConnect(netip.AddrPort) (int, error)   { return -1, errors.ErrUnsupported }
func sysConnected(int) error                   { return errors.ErrUnsupported }
func sysAccept(int) (int, *net.TCPAddr, error) { return -1, nil, errors.ErrUnsupported }
func sysRead(int, []byte) (int, error)         { return 0, errors.ErrUnsupported }
func sysWrite(int, []byte) (int, error)        { return 0, errors.ErrUnsupported }
func sysShutdown(int, bool) error              { return errors.ErrUnsupported }
func sysClose(int) error                       { return errors.ErrUnsupported }
func sysLocalAddr(int) *net.TCPAddr            { return nil }
func sysPeerAddr(int) *net.TCPAddr             { return nil }
func sysLost(error) bool                       { return false }
