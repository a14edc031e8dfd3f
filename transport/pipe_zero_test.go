package transport_test

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// The calls of a Pipe that nobody has made fail, and leave the descriptor 0 alone.
func TestPipeZeroValue(t *testing.T) {
	var p transport.Pipe
	view := p.With(t.Context())
	for range 2 { // no mutex is left locked
		for name, call := range map[string]func() error{
			"Read":              func() error { _, err := p.Read(make([]byte, 1)); return err },
			"Read of nothing":   func() error { _, err := p.Read(nil); return err },
			"Write":             func() error { _, err := p.Write([]byte("x")); return err },
			"Write of nothing":  func() error { _, err := p.Write(nil); return err },
			"view, Read":        func() error { _, err := view.Read(make([]byte, 1)); return err },
			"view, Write":       func() error { _, err := view.Write([]byte("x")); return err },
			"view, SetDeadline": func() error { return view.SetDeadline(time.Time{}) },
			"SetDeadline":       func() error { return p.SetDeadline(longAgo) },
			"SetReadDeadline":   func() error { return p.SetReadDeadline(longAgo) },
			"SetWriteDeadline":  func() error { return p.SetWriteDeadline(longAgo) },
			"SyscallConn":       func() error { _, err := p.SyscallConn(); return err },
			"Close":             p.Close,
		} {
			err := call()
			if oe, ok := err.(*net.OpError); !ok || !errors.Is(oe, syscall.EINVAL) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if _, err := os.Stdin.Stat(); err != nil {
		t.Errorf("the standard input: %v", err)
	}
}

// The state of a process that nobody has started has a code that is none.
func TestExitStateZeroValue(t *testing.T) {
	if c := (transport.ExitState{}).Code(); c != -1 {
		t.Errorf("code %d", c)
	}
}

// On a dispatcher that is closed nothing is started or made.
func TestNothingIsMadeOnAClosedDispatcher(t *testing.T) {
	needsSockets(t)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	on := core.On(t.Context(), d)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := transport.NewCommand(self, "-test.run=^$")
	for name, call := range map[string]func() error{
		"Start":          func() error { _, err := c.Start(on); return err },
		"Run":            func() error { return c.Run(on) },
		"Output":         func() error { _, err := c.Output(on); return err },
		"CombinedOutput": func() error { _, err := c.CombinedOutput(on); return err },
		"Capture":        func() error { _, err := c.Capture(on); return err },
		"NewSocket":      func() error { _, err := transport.NewSocket(on, transport.IPv4, transport.Stream, 0); return err },
		"SocketFromFD":   func() error { _, err := transport.SocketFromFD(on, 0); return err },
		"NewPipe":        func() error { _, _, err := transport.NewPipe(on); return err },
		"OpenPipe":       func() error { _, err := transport.OpenPipe(on, os.DevNull, os.O_RDWR); return err },
		"PipeFromFile":   func() error { _, err := transport.Stdin(on); return err },
		"PipeFromFD":     func() error { _, err := transport.PipeFromFD(on, 0); return err },
	} {
		if err := call(); !errors.Is(err, dispatch.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
