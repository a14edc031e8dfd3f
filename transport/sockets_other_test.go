//go:build !unix && !windows

package transport_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// needsSockets skips a test where there are no sockets.
func needsSockets(t testing.TB) {
	t.Helper()
	t.Skip("this system has no sockets")
}

// Whatever makes something that the system does not have says so.
func TestUnsupported(t *testing.T) {
	err := core.Run(t.Context(), func(ctx context.Context) error {
		for name, make := range map[string]func() error{
			"Dial tcp":         func() error { _, err := transport.Dial(ctx, "tcp", "127.0.0.1:1"); return err },
			"Dial udp":         func() error { _, err := transport.Dial(ctx, "udp", "127.0.0.1:1"); return err },
			"Dial unix":        func() error { _, err := transport.Dial(ctx, "unix", "/nowhere"); return err },
			"Listen tcp":       func() error { _, err := transport.Listen(ctx, "tcp", "127.0.0.1:0"); return err },
			"Listen unix":      func() error { _, err := transport.Listen(ctx, "unix", "/nowhere"); return err },
			"ListenPacket udp": func() error { _, err := transport.ListenPacket(ctx, "udp", "127.0.0.1:0"); return err },
			"DialTLS":          func() error { _, err := transport.DialTLS(ctx, "tcp", "127.0.0.1:1", nil); return err },
			"NewServeGroup": func() error {
				_, err := transport.NewServeGroup(ctx, "tcp", "127.0.0.1:0", transport.GroupConfig{Dispatchers: 1})
				return err
			},
			"NewSocket": func() error {
				_, err := transport.NewSocket(ctx, transport.IPv4, transport.Stream, 0)
				return err
			},
			"NewPipe": func() error { _, _, err := transport.NewPipe(ctx); return err },
			"Start": func() error {
				_, err := (&transport.Command{Path: "/bin/true"}).Start(ctx)
				return err
			},
		} {
			if err := make(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s: %v", name, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Files, and the standard streams with them, are used by core.Blocking.
func TestFilesWithoutSockets(t *testing.T) {
	err := core.Run(t.Context(), func(ctx context.Context) error {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
			return err
		}
		p, err := transport.OpenPipe(ctx, name, os.O_RDONLY)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(p)
		if string(got) != "hello" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		return p.Close()
	})
	if err != nil {
		t.Error(err)
	}
}
