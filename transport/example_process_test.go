//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Two tasks speak through a pipe.
func ExamplePipe() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		r, w, err := transport.NewPipe(ctx)
		if err != nil {
			return err
		}
		defer r.Close()
		core.Spawn(ctx, func(context.Context) error {
			defer w.Close()
			_, err := fmt.Fprintln(w, "hello")
			return err
		})
		b, err := io.ReadAll(r)
		fmt.Printf("%s", b)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
}

// A command with a limit for all of it; what it has started is killed with it.
func ExampleCommand() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		out, err := transport.NewCommand("echo", "hello").Output(ctx)
		fmt.Printf("%s%v\n", out, err)

		short, cancel := core.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		c := transport.ShellCommand("sleep 1000 | sleep 1000")
		c.Group = true
		fmt.Println(c.Run(short))
		return nil
	})
	fmt.Println(err)
	// Output:
	// hello
	// <nil>
	// context deadline exceeded
	// <nil>
}

// A child that is spoken to, and asked to end.
func ExampleProcess() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		c := transport.NewCommand("cat")
		c.Stdin, c.Stdout = transport.Piped, transport.Piped
		p, err := c.Start(ctx)
		if err != nil {
			return err
		}
		defer p.Close()
		fmt.Fprintln(p.Stdin, "hello")
		line, err := bufio.NewReader(p.Stdout).ReadString('\n')
		fmt.Print(line)
		if err != nil {
			return err
		}
		s, err := p.TerminateAndWait(ctx)
		fmt.Println(s.Code(), s)
		return err
	})
	fmt.Println(err)
	// Output:
	// hello
	// 143 signal: terminated
	// <nil>
}

// A name for how a process has ended.
func ExampleExitState() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		for _, line := range []string{"exit 3", "kill -KILL $$"} {
			p, err := transport.ShellCommand(line).Start(ctx)
			if err != nil {
				return err
			}
			s, err := p.Wait(ctx)
			if err != nil {
				return err
			}
			fmt.Println(s.Code(), s.ExitCode())
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// 3 3
	// 137 -1
	// <nil>
}

// Both streams, and an exit code that is no error.
func ExampleCaptured() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		got, err := transport.ShellCommand("echo out; echo err >&2; exit 2").Capture(ctx)
		fmt.Printf("%s%s%d\n", got.Stdout, got.Stderr, got.Code())
		return err
	})
	fmt.Println(err)
	// Output:
	// out
	// err
	// 2
	// <nil>
}

// A server that ends in good order when it is asked to.
func ExampleSignalError() {
	err := core.Run(context.Background(), func(ctx context.Context) error {
		ctx, stop := transport.NotifyContext(ctx, syscall.SIGUSR1)
		defer stop()
		if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
			return err
		}
		fmt.Println(core.Sleep(ctx, time.Hour)) // the work

		var why *transport.SignalError
		if errors.As(context.Cause(ctx), &why) {
			fmt.Println(why.Signal == syscall.SIGUSR1)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// context canceled
	// true
	// <nil>
}
