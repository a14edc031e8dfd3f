//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

var (
	sigStop os.Signal = syscall.SIGSTOP
	sigCont os.Signal = syscall.SIGCONT
)

func sysShell(line string) *Command { return NewCommand("/bin/sh", "-c", line) }

// sysAttr returns what the system is told of a Command.
func sysAttr(c *Command) *syscall.SysProcAttr {
	if !c.Group {
		return c.SysProcAttr
	}
	var a syscall.SysProcAttr
	if c.SysProcAttr != nil {
		a = *c.SysProcAttr
	}
	// The leader of a session is that of a group already, and must not be made one: setpgid(2).
	a.Setpgid, a.Pgid = !a.Setsid, 0
	return &a
}

// sysSignalGroup sends a signal to the group of p, which has not been collected.
func sysSignalGroup(p *os.Process, sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("transport: signal %v: %w", sig, errors.ErrUnsupported)
	}
	err := syscall.Kill(-p.Pid, s)
	// Some systems say so when there are none but dead ones in the group, as kill(2) on darwin.
	if err == syscall.ESRCH || err == syscall.EPERM && p.Signal(syscall.Signal(0)) == os.ErrProcessDone {
		return os.ErrProcessDone
	}
	return os.NewSyscallError("kill", err)
}

func sysBrokenPipe(err error) bool { return errors.Is(err, syscall.EPIPE) }
