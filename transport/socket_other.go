//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package transport

import (
	"errors"
	"net"
	"net/netip"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// There is no poller here, so no connection or listener is ever made: the first two fail,
// and the rest is never called.

func sysListen(netip.AddrPort) (int, error) { return -1, errors.ErrUnsupported }
func sysSocket(netip.AddrPort) (int, error) { return -1, errors.ErrUnsupported }
func sysTry(*poll.Op) bool                  { return false }
func sysAccepted(int)                       {}
func sysRead(int, []byte) (int, error)      { return 0, errors.ErrUnsupported }
func sysWrite(int, []byte) (int, error)     { return 0, errors.ErrUnsupported }
func sysReadFile(int, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func sysWriteFile(int, []byte) (int, error) { return 0, errors.ErrUnsupported }
func sysShutdown(int, bool) error           { return errors.ErrUnsupported }
func sysClose(int) error                    { return errors.ErrUnsupported }
func sysLocalAddr(string, int) net.Addr     { return nil }
func sysPeerAddr(string, int) net.Addr      { return nil }
func sysLost(error) bool                    { return false }
