package transport

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// There is nothing like them here: package os says so.
var (
	sigStop os.Signal = syscall.Signal(0x13)
	sigCont os.Signal = syscall.Signal(0x12)
)

// sysShell hands the line to the shell as it is, since that has rules of its own.
func sysShell(line string) *Command {
	shell := os.Getenv("ComSpec")
	if shell == "" {
		shell = "cmd.exe"
	}
	return &Command{Path: shell, SysProcAttr: &syscall.SysProcAttr{CmdLine: `/d /s /c "` + line + `"`}}
}

func sysAttr(c *Command) *syscall.SysProcAttr {
	if !c.Group {
		return c.SysProcAttr
	}
	var a syscall.SysProcAttr
	if c.SysProcAttr != nil {
		a = *c.SysProcAttr
	}
	a.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP
	return &a
}

// sysSignalGroup reaches the process alone.
func sysSignalGroup(p *os.Process, sig os.Signal) error { return p.Signal(sig) }

func sysBrokenPipe(err error) bool {
	return errors.Is(err, windows.ERROR_BROKEN_PIPE) || errors.Is(err, windows.ERROR_NO_DATA)
}
