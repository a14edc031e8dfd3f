//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package transport

import (
	"errors"
	"net"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// There is no poller here, so no socket is ever made: the first one fails, and the rest is never called.

const abstractNames = false

func sysSocket(plan) (int, error)           { return -1, errors.ErrUnsupported }
func sysBindTo(int, dispatch.Addr) error    { return errors.ErrUnsupported }
func sysListen(int, int) error              { return errors.ErrUnsupported }
func sysTry(*poll.Op) bool                  { return false }
func sysAccepting(int)                      {}
func sysAccepted(int, net.KeepAliveConfig)  {}
func sysRead(int, []byte) (int, error)      { return 0, errors.ErrUnsupported }
func sysWrite(int, []byte) (int, error)     { return 0, errors.ErrUnsupported }
func sysReadFile(int, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func sysWriteFile(int, []byte) (int, error) { return 0, errors.ErrUnsupported }
func sysShutdown(int, bool) error           { return errors.ErrUnsupported }
func sysClose(int) error                    { return errors.ErrUnsupported }
func sysTaken(error) bool                   { return false }
func sysPassing(error) bool                 { return false }
func sysLost(error) bool                    { return false }
