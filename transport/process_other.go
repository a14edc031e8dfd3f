//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package transport

import (
	"errors"
	"os"
	"syscall"
)

// There are no child processes here: the start of one fails.

var sigStop, sigCont os.Signal = os.Kill, os.Kill

func sysShell(line string) *Command { return NewCommand("/bin/sh", "-c", line) }

func sysAttr(c *Command) *syscall.SysProcAttr { return c.SysProcAttr }

func sysSignalGroup(*os.Process, os.Signal) error { return errors.ErrUnsupported }

func sysBrokenPipe(error) bool { return false }
