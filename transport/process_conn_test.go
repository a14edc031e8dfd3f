//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport_test

import (
	"context"
	"io"
	"net"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A connection as a stream of a child keeps nobody: neither once the child has ended, though the peer goes on to say
// nothing, nor when ctx ends, though the peer reads nothing.
func TestRunWithConn(t *testing.T) {
	everyWay(t, func(w *world) {
		for _, secure := range []bool{false, true} {
			a, b := w.pair()
			ours, theirs := io.ReadWriteCloser(a), io.ReadWriteCloser(b)
			if secure {
				scfg, ccfg := tlsConfigs()
				client, server := transport.TLSClient(a, ccfg), transport.TLSServer(b, scfg)
				shaken := w.start(server.HandshakeContext)
				if err := client.HandshakeContext(w.ctx); err != nil {
					w.Fatal(err)
				}
				w.join(shaken)
				ours, theirs = client, server
			}
			if _, err := io.WriteString(theirs, "hello\n"); err != nil {
				w.Fatal(err)
			}
			c := transport.ShellCommand("read line; echo $line; exit 3")
			c.Stdin, c.Stdout = ours, ours
			if err := c.Run(w.on); err == nil || err.Error() != "exit status 3" {
				w.Errorf("the peer says nothing: %v", err)
			}
			got := make([]byte, 6)
			if _, err := io.ReadFull(theirs, got); string(got) != "hello\n" || err != nil {
				w.Errorf("%q, %v", got, err)
			}

			// What a Reader has of it already comes first.
			if _, err := io.WriteString(theirs, "head\nbody\n"); err != nil {
				w.Fatal(err)
			}
			r := transport.NewReader(ours, 0)
			if line, err := r.ReadLine("\n", 100); string(line) != "head" || err != nil {
				w.Errorf("%q, %v", line, err)
			}
			c.Stdin, c.Stdout = r, nil
			if out, err := c.Output(w.on); string(out) != "body\n" || err == nil || err.Error() != "exit status 3" {
				w.Errorf("a Reader: %q, %v", out, err)
			}

			// A view has a ctx of its own, and does not wait for its end.
			if _, err := io.WriteString(theirs, "view\n"); err != nil {
				w.Fatal(err)
			}
			view := ours.(interface {
				With(ctx context.Context) net.Conn
			}).With(w.ctx)
			c = transport.ShellCommand("read line; echo $line")
			c.Stdin = view
			if out, err := c.Output(w.on); string(out) != "view\n" || err != nil {
				w.Errorf("a view: %q, %v", out, err)
			}

			ctx, cancel := core.WithCancel(w.on)
			c = transport.NewCommand("yes")
			c.Stdout = ours
			run := w.start(func(context.Context) error { return c.Run(ctx) })
			w.writeWaits(a, 1)
			cancel()
			if err := run.Wait(w.ctx); err != context.Canceled {
				w.Errorf("the peer reads nothing: %v", err)
			}
			if err := ours.Close(); err != nil {
				w.Error(err)
			}
			if err := theirs.Close(); err != nil {
				w.Error(err)
			}
		}
	})
}
