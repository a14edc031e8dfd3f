//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows

package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

const scriptEnv = "TURNSTILE_SCRIPT"

func init() { children["script"] = script }

// program returns a command that runs this test binary as a child, which does what the lines say, in order:
//
//	out N, err N    writes N bytes
//	say TEXT        writes a line
//	cat             copies its input to its output
//	deaf            takes no notice of SIGTERM
//	hang            waits for ever
//	leave           leaves a child behind that hangs, and has the same streams
//	die N           kills itself by signal N
//	exit N          ends with this code
func program(lines ...string) *transport.Command {
	x := check.Self(context.Background())
	return &transport.Command{
		Path: x.Path, Args: x.Args[1:],
		Env: append(os.Environ(), childEnv+"=script", scriptEnv+"="+strings.Join(lines, "\n")),
	}
}

func script() {
	for line := range strings.Lines(os.Getenv(scriptEnv)) {
		verb, arg, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.Atoi(arg)
		switch verb {
		case "out":
			_, _ = os.Stdout.Write(bytes.Repeat([]byte("o"), n))
		case "err":
			_, _ = os.Stderr.Write(bytes.Repeat([]byte("e"), n))
		case "say":
			fmt.Println(arg)
		case "cat":
			_, _ = io.Copy(os.Stdout, os.Stdin)
		case "deaf":
			signal.Ignore(syscall.SIGTERM)
		case "hang":
			hang()
		case "leave":
			c := check.Self(context.Background())
			c.Env = append(os.Environ(), scriptEnv+"=hang")
			c.Stdout, c.Stderr = os.Stdout, os.Stderr
			if err := c.Start(); err != nil {
				os.Exit(99)
			}
			fmt.Println(c.Process.Pid)
		case "die":
			p, _ := os.FindProcess(os.Getpid())
			_ = p.Signal(syscall.Signal(n))
			hang()
		case "exit":
			os.Exit(n)
		default:
			os.Exit(98)
		}
	}
}

// hang waits for ever.
func hang() {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, os.Interrupt)
	<-ch
	os.Exit(97)
}

// special returns a command that runs this binary as the child of that name.
func special(name string) *transport.Command {
	c := program()
	c.Env = append(os.Environ(), childEnv+"="+name)
	return c
}
