package poll_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// child starts a shell that runs script when told to, and returns it with the call that tells
// it. It is collected at the end of the test, if the test has not.
func child(t *testing.T, script string) (cmd *exec.Cmd, release func()) {
	t.Helper()
	cmd = exec.Command("/bin/sh", "-c", "read go\n"+script)
	cmd.Dir = t.TempDir()
	stdin, err := cmd.StdinPipe()
	must(t, err)
	if err := cmd.Start(); err != nil {
		t.Skipf("this system starts no shell: %v", err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	return cmd, func() {
		t.Helper()
		_, err := io.WriteString(stdin, "\n")
		must(t, err)
	}
}

// zombie waits until the child has ended, and does not collect it.
func zombie(t *testing.T, pid int) {
	t.Helper()
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			must(t, err)
			return
		}
	}
}

func watchProcess(t *testing.T, p poll.Poller, pid int, tag poll.Tag) poll.Process {
	t.Helper()
	w, err := p.AddProcess(pid, tag)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("this kernel or its sandbox has no pidfd_open: %v", err)
	}
	must(t, err)
	return w
}

func TestProcessState(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		for _, c := range []struct {
			script string
			want   poll.ExitState
		}{
			{"exit 0", poll.ExitState{Known: true}},
			{"exit 3", poll.ExitState{Known: true, Code: 3}},
			{"exit 255", poll.ExitState{Known: true, Code: 255}},
			{"kill -KILL $$", poll.ExitState{Known: true, Code: -1, Signal: int(syscall.SIGKILL)}},
			{"ulimit -c 0; kill -ABRT $$", poll.ExitState{Known: true, Code: -1, Signal: int(syscall.SIGABRT)}},
			// Where the system is set up to do so, this one dumps core, which has a code of its own.
			{"ulimit -c unlimited; kill -ABRT $$", poll.ExitState{Known: true, Code: -1, Signal: int(syscall.SIGABRT)}},
		} {
			for _, before := range []bool{true, false} {
				p := open()
				cmd, release := child(t, c.script)
				pid := cmd.Process.Pid
				if before {
					release()
					zombie(t, pid)
				}
				const tag = poll.Tag(0xfedcba9876543210)
				w := watchProcess(t, p, pid, tag)
				if !before {
					quiet(t, p)
					if got := w.State(); got != (poll.ExitState{Code: -1}) {
						t.Errorf("%q: %+v while it runs", c.script, got)
					}
					release()
				}
				for range 2 {
					if ev := waitFor(t, p, tag, poll.Read); ev.Ready&poll.Write != 0 {
						t.Errorf("%q: %+v", c.script, ev)
					}
				}
				for range 2 {
					if got := w.State(); got != c.want {
						t.Errorf("%q, ended before the watch: %v: %+v, want %+v", c.script, before, got, c.want)
					}
				}
				err := cmd.Wait() // nobody has collected it
				ws := cmd.ProcessState.Sys().(syscall.WaitStatus)
				if got := (poll.ExitState{Known: true, Code: ws.ExitStatus(), Signal: max(int(ws.Signal()), 0)}); got != c.want {
					t.Errorf("%q: Wait says %v", c.script, err)
				}
				t.Logf("%q: core dumped: %v", c.script, ws.CoreDump())
				// A kqueue hands the state over with the event, and so it stays known.
				if got := w.State(); p.Name() != "kqueue" && got != (poll.ExitState{Code: -1}) {
					t.Errorf("%q: %+v when it has been collected", c.script, got)
				}
				must(t, w.Close())
				quiet(t, p)
			}
		}
	})
}

// TestProcessNotChild: the end of a stranger is reported, but not how it ended.
func TestProcessNotChild(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		r, w, err := os.Pipe()
		must(t, err)
		defer r.Close()
		cmd := exec.Command("/bin/sh", "-c", "read end <&3 & echo $!")
		cmd.ExtraFiles = []*os.File{r}
		out, err := cmd.StdoutPipe()
		must(t, err)
		if err := cmd.Start(); err != nil {
			t.Skipf("this system starts no shell: %v", err)
		}
		var pid int
		_, err = fmt.Fscan(out, &pid)
		must(t, err)
		watch := watchProcess(t, p, pid, 5)
		must(t, cmd.Process.Kill()) // the stranger may still hold its output
		_ = cmd.Wait()
		quiet(t, p)
		must(t, w.Close())
		waitFor(t, p, 5, poll.Read)
		if got := watch.State(); got != (poll.ExitState{Code: -1}) {
			t.Errorf("%+v", got)
		}
		must(t, watch.Close())
	})
}

// TestProcessTwice watches one process under two tags, of which one is closed early.
func TestProcessTwice(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		cmd, release := child(t, "exit 1")
		early := watchProcess(t, p, cmd.Process.Pid, 1)
		late := watchProcess(t, p, cmd.Process.Pid, 2)
		must(t, early.Close())
		release()
		waitFor(t, p, 2, poll.Read)
		if _, ok := wait(t, p, 0)[1]; ok {
			t.Error("the closed watch is reported")
		}
		must(t, late.Close())
		quiet(t, p)
	})
}

func TestProcessErrors(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		must(t, watchProcess(t, p, os.Getpid(), 1).Close())
		cmd, release := child(t, "exit 0")
		release()
		must(t, cmd.Wait())
		for _, pid := range []int{0, -1, math.MinInt, math.MaxInt32, math.MaxInt, math.MaxInt&^math.MaxInt32 | os.Getpid(), cmd.Process.Pid} {
			if pid == os.Getpid() {
				continue // an int has 32 bits
			}
			if w, err := p.AddProcess(pid, 1); !errors.Is(err, syscall.ESRCH) {
				t.Errorf("AddProcess(%d) = %v, %v, want ESRCH", pid, w, err)
			}
		}
		if w, err := p.AddProcess(os.Getpid(), ^poll.Tag(0)); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("with the reserved tag: %v, %v", w, err)
		}
		must(t, p.Close())
		if w, err := p.AddProcess(os.Getpid(), 1); err != poll.ErrClosed {
			t.Errorf("after Close: %v, %v", w, err)
		}
	})
}
