package transport_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

func init() {
	children["tls/bare"] = func() {
		scfg, ccfg := tlsConfigs()
		go func() {
			stacks := make([]byte, 1<<20)
			for {
				// A loop that waits for a mutex is not turned, and who has the mutex needs it.
				for s := range bytes.SplitSeq(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
					if bytes.Contains(s, []byte("[sync.Mutex.Lock")) && bytes.Contains(s, []byte("crypto/tls.(*Conn).Write(")) {
						fmt.Println("stopped")
						os.Exit(1)
					}
				}
				runtime.Gosched()
			}
		}()
		writeTwice(func(a, b *transport.Conn) (x, y io.ReadWriteCloser) {
			return tls.Client(a, ccfg), tls.Server(b, scfg)
		})
	}
	children["tls/ours"] = func() {
		scfg, ccfg := tlsConfigs()
		writeTwice(func(a, b *transport.Conn) (x, y io.ReadWriteCloser) {
			return transport.TLSClient(a, ccfg), transport.TLSServer(b, scfg)
		})
	}
}

// writeTwice has two tasks of one loop write more to one end than the buffers hold, and then another read it
// from the other end.
func writeTwice(over func(a, b *transport.Conn) (x, y io.ReadWriteCloser)) {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		ca, err := transport.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		cb, err := l.AcceptConn(ctx)
		if err != nil {
			return err
		}
		a, b := over(ca, cb)
		defer a.Close()
		defer b.Close()
		ready := core.Start(ctx, func(context.Context) error {
			_, err := b.Read(make([]byte, 1))
			return err
		})
		if _, err := a.Write([]byte("x")); err != nil {
			return err
		}
		if err := ready.Wait(ctx); err != nil {
			return err
		}
		const size = 8 << 20
		var writers []*core.Task
		for range 2 {
			writers = append(writers, core.Start(ctx, func(context.Context) error {
				_, err := a.Write(make([]byte, size))
				return err
			}))
		}
		fmt.Println("both write")
		if _, err := io.CopyN(io.Discard, onlyReader{b}, 2*size); err != nil {
			return err
		}
		for _, w := range writers {
			if err := w.Wait(ctx); err != nil {
				return err
			}
		}
		fmt.Println("done")
		return nil
	})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// A *tls.Conn in tasks stops their loop: the second writer blocks it in a mutex that the first holds while it
// is suspended. With a TLSConn both end.
func TestTLSTasksNeedATLSConn(t *testing.T) {
	needsSockets(t)
	run := func(name string) string {
		cmd := check.Self(t.Context())
		cmd.Env = append(os.Environ(), childEnv+"="+name)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if out := run("tls/ours"); out != "both write\ndone\n" {
		t.Errorf("with a TLSConn: %s", out)
	}
	// The second Start does not come back.
	if out := run("tls/bare"); out != "stopped\n" {
		t.Errorf("with a *tls.Conn: %s", out)
	}
}
