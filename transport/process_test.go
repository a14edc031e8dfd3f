//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// child starts a process, which must be gone when the test is over.
func (w *world) child(c *transport.Command) *transport.Process {
	w.Helper()
	p, err := c.Start(w.on)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

func (w *world) ended(p *transport.Process, code int) {
	w.Helper()
	s, err := p.Wait(w.ctx)
	if err != nil {
		w.Fatal(err)
	}
	if s.Code() != code {
		w.Errorf("%v, code %d, want %d", s, s.Code(), code)
	}
	if err := syscall.Kill(p.Pid, 0); err != syscall.ESRCH {
		w.Errorf("it is not collected: %v", err)
	}
	if err := p.Close(); err != nil {
		w.Error(err)
	}
}

// seeds 2.9, startProcess and waitForExit: the code is that of a shell, 128 and the signal if one has killed the
// process, and stays; peekExitCode, running.
func TestSeedsProcessCode(t *testing.T) {
	everyWay(t, func(w *world) {
		for line, want := range map[string]int{
			"exit 0": 0, "exit 3": 3, "exit 255": 255, "kill -9 $$": 128 + 9, "kill -TERM $$": 128 + 15,
		} {
			p := w.child(transport.ShellCommand(line))
			var waiters []*core.Task
			for range 3 {
				waiters = append(waiters, w.start(func(ctx context.Context) error {
					s, err := p.Wait(ctx)
					if err == nil && s.Code() != want {
						w.Errorf("%s: a waiter is told %d", line, s.Code())
					}
					return err
				}))
			}
			w.join(waiters...)
			w.ended(p, want)
			if p.Running() {
				w.Error("it runs")
			}
			if s, ok := p.TryWait(); !ok || s.Code() != want || s.Pid() != p.Pid {
				w.Errorf("TryWait: %v, %t", s, ok)
			}
			done, cancel := context.WithCancel(w.ctx)
			cancel()
			if s, err := p.Wait(done); err != nil || s.Code() != want {
				w.Errorf("the answer is there, and Wait says %v", err)
			}
			for _, err := range []error{p.Kill(), p.Terminate(), p.Suspend(), p.Resume(), p.Signal(os.Interrupt)} {
				if err != os.ErrProcessDone {
					w.Errorf("a signal to a process that is gone: %v", err)
				}
			}
			if s, err := p.KillAndWait(w.ctx); err != nil || s.Code() != want {
				w.Errorf("KillAndWait: %v", err)
			}
		}
	})
}

// seeds 2.9, BUG: waitForExit kills on its timeout and says 137. A wait that ends early is an error and leaves
// the process alone; a cancel stops the waiting only.
func TestSeedsWaitTimeoutIsAnError(t *testing.T) {
	everyWay(t, func(w *world) {
		p := w.child(&transport.Command{Path: "cat", Stdin: transport.Piped, Stdout: transport.Piped})
		ctx, cancel := core.WithTimeout(w.ctx, time.Millisecond)
		defer cancel()
		if _, err := p.Wait(ctx); err != context.DeadlineExceeded {
			w.Errorf("Wait: %v", err)
		}
		var told error
		task := w.start(func(ctx context.Context) error { _, told = p.Wait(ctx); return nil })
		task.Cancel()
		w.join(task)
		if !errors.Is(told, context.Canceled) {
			w.Errorf("canceled: %v", told)
		}
		if _, ok := p.TryWait(); ok || !p.Running() {
			w.Error("it has ended")
		}
		if _, err := p.Stdin.Write([]byte("alive\n")); err != nil {
			w.Error(err)
		}
		line, err := bufio.NewReader(p.Stdout).ReadString('\n')
		if line != "alive\n" {
			w.Errorf("got %q, %v", line, err)
		}
		if err := p.Stdin.Close(); err != nil {
			w.Error(err)
		}
		w.ended(p, 0)
	})
}

// seeds 2.9, killAndWaitForExit, terminateAndWaitForExit, suspend, resume; a time limit is an error.
func TestSeedsProcessSignals(t *testing.T) {
	everyWay(t, func(w *world) {
		cat := &transport.Command{Path: "cat", Stdin: transport.Piped}
		for _, c := range []struct {
			end  func(*transport.Process, context.Context) (transport.ExitState, error)
			code int
		}{{(*transport.Process).KillAndWait, 137}, {(*transport.Process).TerminateAndWait, 143}} {
			for _, suspended := range []bool{false, true} {
				p := w.child(cat)
				if suspended {
					if err := p.Suspend(); err != nil {
						w.Error(err)
					}
					awaitStopped(w, p)
				}
				if s, err := c.end(p, w.ctx); err != nil || s.Code() != c.code {
					w.Errorf("%v, %v, want code %d", s, err, c.code)
				}
				w.ended(p, c.code)
			}
		}
		// One that does not listen.
		p := w.child(&transport.Command{
			Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; echo; read x"},
			Stdin: transport.Piped, Stdout: transport.Piped,
		})
		if _, err := p.Stdout.Read(make([]byte, 1)); err != nil {
			w.Error(err)
		}
		ctx, cancel := core.WithTimeout(w.ctx, time.Millisecond)
		defer cancel()
		if _, err := p.TerminateAndWait(ctx); err != context.DeadlineExceeded {
			w.Errorf("TerminateAndWait: %v", err)
		}
		// Kill comes even if there is no time left.
		if _, err := p.KillAndWait(ctx); err != nil && err != context.DeadlineExceeded {
			w.Errorf("KillAndWait: %v", err)
		}
		w.ended(p, 137)

		// A child that is stopped can go on.
		p = w.child(&transport.Command{Path: "cat", Stdin: transport.Piped, Stdout: transport.Piped})
		if err := errors.Join(p.Suspend(), p.Resume()); err != nil {
			w.Error(err)
		}
		if _, err := p.Stdin.Write([]byte("x")); err != nil {
			w.Error(err)
		}
		if _, err := p.Stdout.Read(make([]byte, 1)); err != nil {
			w.Error(err)
		}
		w.ended(kill(w, p), 137)
	})
}

// awaitStopped waits until p is stopped: of the signals that wait for a process the one with the lowest number
// comes first.
func awaitStopped(w *world, p *transport.Process) {
	var ws syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.Pid, &ws, syscall.WUNTRACED, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || !ws.Stopped() {
			w.Fatalf("not stopped: %v, %#x", err, ws)
		}
		return
	}
}

func kill(w *world, p *transport.Process) *transport.Process {
	if err := p.Kill(); err != nil {
		w.Error(err)
	}
	return p
}

// seeds 2.9, streams: a pipe each, or one for both; the working directory and the environment.
func TestSeedsProcessStreams(t *testing.T) {
	everyWay(t, func(w *world) {
		c := transport.ShellCommand(`cat; echo "$WORD" >&2; pwd >&2`)
		c.Dir, c.Env = "/", []string{"WORD=word", "PATH=" + os.Getenv("PATH")}
		c.Stdin, c.Stdout, c.Stderr = transport.Piped, transport.Piped, transport.Piped
		p := w.child(c)
		if _, err := p.Stdin.Write([]byte("in")); err != nil {
			w.Error(err)
		}
		if err := p.Stdin.Close(); err != nil {
			w.Error(err)
		}
		out, err := io.ReadAll(p.Stdout)
		if string(out) != "in" || err != nil {
			w.Errorf("output %q, %v", out, err)
		}
		errs, err := io.ReadAll(p.Stderr)
		if string(errs) != "word\n/\n" || err != nil {
			w.Errorf("errors %q, %v", errs, err)
		}
		w.ended(p, 0)

		c = transport.ShellCommand("echo a; echo b >&2; echo c")
		c.Stdout, c.StderrToStdout = transport.Piped, true
		p = w.child(c)
		if p.Stdin != nil || p.Stderr != nil {
			w.Error("a pipe that nobody asked for")
		}
		if out, err := io.ReadAll(p.Stdout); string(out) != "a\nb\nc\n" || err != nil {
			w.Errorf("both %q, %v", out, err)
		}
		w.ended(p, 0)
	})
}

// The end of one child is the beginning of another, whose input blocks as programs expect it.
func TestProcessPipeline(t *testing.T) {
	everyWay(t, func(w *world) {
		a := &transport.Command{Path: "/bin/sh", Args: []string{"-c", "echo one; echo two"}, Stdout: transport.Piped}
		pa := w.child(a)
		b := &transport.Command{Path: "cat", Stdin: pa.Stdout, Stdout: transport.Piped}
		pb := w.child(b)
		if err := pa.Close(); err != nil { // ours
			w.Error(err)
		}
		out, err := io.ReadAll(pb.Stdout)
		if string(out) != "one\ntwo\n" || err != nil {
			w.Errorf("got %q, %v", out, err)
		}
		w.ended(pa, 0)
		w.ended(pb, 0)
	})
}

// What cannot be started leaves nothing, and says why as os/exec does.
func TestProcessNotStarted(t *testing.T) {
	everyWay(t, func(w *world) {
		all := func(c transport.Command) *transport.Command {
			c.Stdin, c.Stdout, c.Stderr = transport.Piped, transport.Piped, transport.Piped
			return &c
		}
		done, cancel := context.WithCancel(w.on)
		cancel()
		for _, c := range []struct {
			ctx  context.Context
			c    *transport.Command
			want error
		}{
			{w.on, all(transport.Command{Path: "no such program, I hope"}), exec.ErrNotFound},
			{w.on, all(transport.Command{Path: "/no/such/program"}), os.ErrNotExist},
			{w.on, all(transport.Command{Path: "/"}), syscall.EISDIR},
			{w.on, all(transport.Command{Path: "/bin/sh", Dir: "/no/such/directory"}), os.ErrNotExist},
			{w.on, all(transport.Command{}), nil},
			{w.on, &transport.Command{Path: "/bin/sh", Stdin: transport.Piped, Stdout: &strings.Builder{}}, nil},
			{w.on, &transport.Command{Path: "/bin/sh", Stdout: transport.Piped, Stderr: transport.Piped, StderrToStdout: true}, nil},
			{done, all(transport.Command{Path: "/bin/sh"}), context.Canceled},
			{context.Background(), all(transport.Command{Path: "/bin/sh"}), nil},
		} {
			if c.ctx == context.Background() && core.DispatcherOf(w.ctx) == nil {
				c.want = transport.ErrNoDispatcher
			}
			p, err := c.c.Start(c.ctx)
			if err == nil || p != nil || c.want != nil && !errors.Is(err, c.want) {
				w.Errorf("%v: %v, %v", c.c.Path, p, err)
			}
		}
	})
}

// The dispatcher that closes leaves the child to a goroutine, and waits on goroutines are answered.
func TestProcessOutlivesDispatcher(t *testing.T) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	p, err := (&transport.Command{Path: "cat", Stdin: transport.Piped}).Start(core.On(t.Context(), d))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	if err := p.Close(); err != nil { // its input, so that it ends
		t.Error(err)
	}
	if s, err := p.Wait(t.Context()); err != nil || s.Code() != 0 {
		t.Errorf("%v, %v", s, err)
	}
	if err := syscall.Kill(p.Pid, 0); err != syscall.ESRCH {
		t.Errorf("it is not collected: %v", err)
	}
}

// A thousand children at once: each is collected once, with the code that is its own.
func TestProcessMany(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		const n = 1000
		var tasks []*core.Task
		for i := range n {
			tasks = append(tasks, core.Start(w.on, func(ctx context.Context) error {
				p, err := transport.ShellCommand(fmt.Sprint("exit ", i%256)).Start(ctx)
				if err != nil {
					return err
				}
				s, err := p.Wait(ctx)
				if err == nil && s.Code() != i%256 {
					w.Errorf("child %d: %v", i, s)
				}
				return err
			}))
		}
		w.join(tasks...)
	})
	noZombies(t)
}

// noZombies fails the test if this process has children.
func noZombies(t *testing.T) {
	t.Helper()
	var ws syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("there are children left: %d, %v", pid, err)
	}
}

// Once the leader is collected its number, and that of its group, may be those of others: no signal goes there,
// though the rest of the group lives.
func TestProcessGroupBehindItsLeader(t *testing.T) {
	everyWay(t, func(w *world) {
		c := transport.ShellCommand("exec 3<&0; cat <&3 & exit 0")
		c.Group, c.Stdin, c.Stdout = true, transport.Piped, transport.Piped
		p := w.child(c)
		defer p.Close()
		if s, err := p.Wait(w.ctx); err != nil || s.Code() != 0 {
			w.Fatal(s, err)
		}
		if err := p.Kill(); err != os.ErrProcessDone {
			w.Errorf("Kill: %v", err)
		}
		if _, err := p.Stdin.Write([]byte("x")); err != nil {
			w.Error(err)
		}
		if n, err := p.Stdout.Read(make([]byte, 1)); n != 1 || err != nil {
			w.Errorf("the rest of the group: %d, %v", n, err)
		}
	})
}
