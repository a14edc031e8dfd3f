//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// What a pipe does on every system that has some.
func TestPipeAnywhere(t *testing.T) {
	everyWay(t, func(w *world) {
		in, out, err := transport.NewPipe(w.on)
		if err != nil {
			w.Fatal(err)
		}
		writer := w.start(func(context.Context) error {
			_, err := out.Write([]byte(strings.Repeat("hello", 50_000)))
			return errors.Join(err, out.Close())
		})
		if b, err := io.ReadAll(in); len(b) != 250_000 || err != nil {
			w.Errorf("%d bytes, %v", len(b), err)
		}
		w.join(writer)
		if err := in.Close(); err != nil {
			w.Error(err)
		}
		if _, err := in.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			w.Errorf("closed: %v", err)
		}
		if in, out, err = transport.NewPipe(w.on); err != nil {
			w.Fatal(err)
		}
		defer out.Close()
		reader := w.start(func(context.Context) error { _, err := in.Read(make([]byte, 1)); return err })
		for range 100 {
			if err := core.Yield(w.ctx); err != nil {
				w.Fatal(err)
			}
		}
		if err := in.Close(); err != nil {
			w.Error(err)
		}
		if err := reader.Wait(w.ctx); !errors.Is(err, net.ErrClosed) {
			w.Errorf("closed while it waits: %v", err)
		}
	})
}

// What a process does on every system that has some: the children are this test binary.
func TestProcessAnywhere(t *testing.T) {
	everyWay(t, func(w *world) {
		c := program("cat", "say bye", "err 3", "exit 5")
		c.Stdin = strings.NewReader("hello ")
		got, err := c.Capture(w.on)
		if err != nil || strings.TrimSpace(string(got.Stdout)) != "hello bye" || string(got.Stderr) != "eee" || got.Code() != 5 {
			w.Errorf("%q, %q, %v, %v", got.Stdout, got.Stderr, got.ExitState, err)
		}
		c = program("say ready", "hang")
		c.Stdout = transport.Piped
		p, err := c.Start(w.on)
		if err != nil {
			w.Fatal(err)
		}
		if _, err := p.Stdout.Read(make([]byte, 99)); err != nil {
			w.Error(err)
		}
		if !p.Running() {
			w.Error("it has ended")
		}
		s, err := p.KillAndWait(w.ctx)
		if err != nil || s.Success() {
			w.Errorf("%v, %v", s, err)
		}
		if err := p.Close(); err != nil {
			w.Error(err)
		}
	})
}
