//go:build windows

package poll_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// A child is this test program again. It ends with code when its standard input is closed.
const childCode = "TURNSTILE_POLL_CHILD"

func init() {
	if os.Getenv(childCode) != "" {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(7)
	}
}

type child struct {
	*exec.Cmd
	stdin io.Closer
}

func newChild(t *testing.T) *child {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childCode+"=1")
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	c := &child{cmd, in}
	t.Cleanup(c.end)
	return c
}

// end ends the child and waits for it.
func (c *child) end() {
	c.stdin.Close()
	_ = c.Wait()
}

func TestProcess(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		a, b := newChild(t), newChild(t)
		f, err := p.AddProcess(a.Process.Pid, 1)
		must(t, err)
		g, err := p.AddProcess(b.Process.Pid, 2)
		must(t, err)
		quiet(t, p)
		if s := f.State(); s.Known || s.Code != -1 {
			t.Errorf("while it runs: %+v", s)
		}
		a.stdin.Close()
		for range 3 { // until it is closed
			if got := wait(t, p, soon); len(got) != 1 || got[1] != (poll.Event{Tag: 1, Ready: poll.Read}) {
				t.Fatalf("got %v", got)
			}
		}
		if s := f.State(); s != (poll.ExitState{Known: true, Code: 7}) {
			t.Errorf("ended: %+v", s)
		}
		must(t, f.Close())
		must(t, f.Close())
		quiet(t, p)
		must(t, b.Process.Kill())
		if got := wait(t, p, soon); len(got) != 1 || got[2].Ready != poll.Read {
			t.Fatalf("got %v", got)
		}
		if s := g.State(); !s.Known || s.Code != 1 {
			t.Errorf("killed: %+v", s)
		}
		// One that has ended is known while somebody has it open.
		h, err := p.AddProcess(b.Process.Pid, 3)
		must(t, err)
		if got := wait(t, p, 0); len(got) != 2 {
			t.Errorf("two that have ended: %v", got)
		}
		events := make([]poll.Event, 1)
		seen := map[poll.Tag]int{}
		for range 6 { // of both in turn, with room for one
			n, err := p.Wait(events, soon)
			must(t, err)
			for _, ev := range events[:n] {
				seen[ev.Tag]++
			}
		}
		if seen[2] < 2 || seen[3] < 2 || seen[2]+seen[3] != 6 {
			t.Errorf("two that have ended, by turns: %v", seen)
		}
		must(t, g.Close())
		must(t, h.Close())
		quiet(t, p)
	})
}

func TestProcessErrors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		for _, pid := range []int{-1, 0, 1 << 30, os.Getpid() + 1} {
			if f, err := p.AddProcess(pid, 1); f != nil || !errors.Is(err, syscall.ESRCH) {
				t.Errorf("AddProcess(%d) = %v, %v", pid, f, err)
			}
		}
		if _, err := p.AddProcess(os.Getpid(), ^poll.Tag(0)); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("reserved tag: %v", err)
		}
		must(t, p.Close())
		if _, err := p.AddProcess(os.Getpid(), 1); !errors.Is(err, poll.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

// TestProcessCloseRace closes watches while their processes end, and the poller behind them.
func TestProcessCloseRace(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for range 3 {
			p := open()
			c := newChild(t)
			var watches [4]poll.Process
			for i := range watches {
				f, err := p.AddProcess(c.Process.Pid, poll.Tag(i))
				must(t, err)
				watches[i] = f
			}
			var all sync.WaitGroup
			all.Go(c.end)
			for _, f := range watches {
				all.Go(func() {
					if err := f.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			quiet(t, p)
			must(t, p.Close())
		}
	})
}

func TestCloseFD(t *testing.T) {
	c := newTCP(t)
	fd := c.w
	must(t, poll.CloseFD(fd))
	port, err := windows.CreateIoCompletionPort(windows.InvalidHandle, 0, 0, 0)
	must(t, err)
	must(t, poll.CloseFD(int(port)))
	for _, fd := range []int{-1, 1 << 20} {
		if err := poll.CloseFD(fd); !errors.Is(err, syscall.EBADF) {
			t.Errorf("CloseFD(%d) = %v", fd, err)
		}
	}
	c.w = -1
}
