//go:build unix

package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

// A process that has no more descriptors gets an error, and the connection when it has one. Windows has no
// limit that a process could come to.
func TestAcceptWithoutDescriptors(t *testing.T) {
	cmd := check.Self(t.Context())
	cmd.Env = append(os.Environ(), childEnv+"=emfile")
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func init() { children["emfile"] = emfile }

func emfile() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		dialed := make(chan net.Conn)
		c, err := transport.Dial(ctx, "tcp", l.Addr().String())
		if err != nil {
			return err
		}
		go func() { dialed <- c }()
		limit := syscall.Rlimit{Cur: 64, Max: 64}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		var files []*os.File
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			files = append(files, f)
		}
		for range 3 {
			_, err = l.AcceptConn(ctx)
			if ne, ok := err.(*net.OpError); !ok || !errors.Is(err, syscall.EMFILE) || !ne.Temporary() {
				return fmt.Errorf("without descriptors: %w", err)
			}
		}
		if _, err := transport.Dial(ctx, "tcp", l.Addr().String()); !errors.Is(err, syscall.EMFILE) {
			return fmt.Errorf("Dial without descriptors: %w", err)
		}
		files[0].Close()
		s, err := l.AcceptConn(ctx)
		if err != nil {
			return err
		}
		defer s.Close()
		if s.RemoteAddr().String() != c.LocalAddr().String() {
			return errors.New("another connection")
		}
		(<-dialed).Close()
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok")
}
