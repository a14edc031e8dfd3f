package dispatch_test

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

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// child starts a shell that runs script once the call that is returned tells it to. It is
// collected at the end of the test, if the test has not.
func child(tb testing.TB, script string) (cmd *exec.Cmd, release func()) {
	tb.Helper()
	cmd = exec.Command("/bin/sh", "-c", "read go\n"+script)
	stdin, err := cmd.StdinPipe()
	must(tb, err)
	startChild(tb, cmd)
	tb.Cleanup(func() { _ = stdin.Close() }) // before it is waited for
	return cmd, func() {
		tb.Helper()
		_, err := io.WriteString(stdin, "\n")
		must(tb, err)
	}
}

func startChild(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	if err := cmd.Start(); err != nil {
		tb.Skipf("this system starts no child process: %v", err)
	}
	tb.Cleanup(func() { _ = cmd.Wait() })
}

// ended waits until a child has ended, and does not collect it.
func ended(tb testing.TB, cmd *exec.Cmd) {
	tb.Helper()
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			must(tb, err)
			return
		}
	}
}

func addProcess(tb testing.TB, d *dispatch.Dispatcher, pid int, cb func(dispatch.ProcessState)) *dispatch.Watch {
	tb.Helper()
	w, err := d.AddProcess(pid, cb)
	if errors.Is(err, errors.ErrUnsupported) {
		tb.Skipf("this kernel, or its sandbox, has no pidfd_open: %v", err)
	}
	must(tb, err)
	return w
}

// states collects what callbacks are told.
type states []dispatch.ProcessState

func (s *states) told(p dispatch.ProcessState) { *s = append(*s, p) }

// want compares what was told, but for the pid, and empties it.
func (s *states) want(tb testing.TB, want ...dispatch.ProcessState) {
	tb.Helper()
	same := len(*s) == len(want)
	for i := 0; same && i < len(want); i++ {
		got := (*s)[i]
		got.PID = want[i].PID
		same = got == want[i]
	}
	if !same {
		tb.Errorf("told %+v, want %+v", *s, want)
	}
	*s = nil
}

func TestProcess(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, c := range []struct {
			script string
			want   dispatch.ProcessState
		}{
			{"exit 0", dispatch.ProcessState{Known: true}},
			{"exit 3", dispatch.ProcessState{Known: true, ExitCode: 3}},
			{"kill -KILL $$", dispatch.ProcessState{Known: true, ExitCode: -1, Signal: syscall.SIGKILL}},
		} {
			for _, before := range []bool{true, false} {
				d := open(t, cfg)
				cmd, release := child(t, c.script)
				c.want.PID = cmd.Process.Pid
				if before {
					release()
					ended(t, cmd)
				}
				var s states
				w := addProcess(t, d, cmd.Process.Pid, s.told)
				if n := d.Pending(); n != 1 {
					t.Errorf("%d pending", n)
				}
				if !before {
					turn(t, d)
					s.want(t)
					d.CallSoon(release)
				}
				must(t, d.Drain(-1))
				if len(s) == 1 && s[0].PID != c.want.PID {
					t.Errorf("told of process %d", s[0].PID)
				}
				s.want(t, c.want)
				if w.Stop() {
					t.Error("Stop of a watch that has ended = true")
				}
				err := cmd.Wait() // the dispatcher has not collected it
				if code := cmd.ProcessState.ExitCode(); code != c.want.ExitCode {
					t.Errorf("Wait = %v", err)
				}
			}
		}
	})
}

// TestProcessMany ends several hundred children at once, or before they are watched, and hears
// of each exactly once.
func TestProcessMany(t *testing.T) {
	const n = 500
	for _, before := range []bool{true, false} {
		d := open(t, dispatch.Config{})
		r, w, err := os.Pipe()
		must(t, err)
		defer w.Close() // before the children are waited for, whatever happens
		var children [n]*exec.Cmd
		for i := range children {
			children[i] = exec.Command("/bin/cat")
			children[i].Stdin = r
			startChild(t, children[i])
		}
		must(t, r.Close())
		if before {
			must(t, w.Close())
			for _, c := range children {
				ended(t, c)
			}
		}
		heard := map[int]int{}
		for _, c := range children {
			addProcess(t, d, c.Process.Pid, func(s dispatch.ProcessState) {
				if s != (dispatch.ProcessState{PID: c.Process.Pid, Known: true}) {
					t.Errorf("%d is told %+v", c.Process.Pid, s)
				}
				heard[s.PID]++
			})
		}
		if p := d.Pending(); p != n {
			t.Errorf("%d pending", p)
		}
		if !before {
			must(t, w.Close())
		}
		must(t, d.Drain(-1))
		for _, c := range children {
			if k := heard[c.Process.Pid]; k != 1 {
				t.Errorf("%d was heard of %d times", c.Process.Pid, k)
			}
			must(t, c.Wait())
		}
		if len(heard) != n {
			t.Errorf("heard of %d, want %d", len(heard), n)
		}
	}
}

func TestProcessStop(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		must(t, d.Register(0)) // the number that a slot without a descriptor has
		cmd, release := child(t, "exit 1")
		var s states
		first := addProcess(t, d, cmd.Process.Pid, s.told)
		if !first.Stop() || first.Stop() {
			t.Error("Stop does not tell whether it was going on")
		}
		if n := d.Pending(); n != 0 || !d.Contains(0) {
			t.Errorf("%d pending; still contains another descriptor: %v", n, d.Contains(0))
		}
		release()
		ended(t, cmd)
		var second *dispatch.Watch
		d.CallSoon(func() { // in the same turn, when its end has been reported
			if n := d.Stats().Processes; n != 0 {
				t.Errorf("%d processes that have not ended", n)
			}
			if !second.Stop() || second.Stop() {
				t.Error("Stop does not tell whether it was going on")
			}
		})
		second = addProcess(t, d, cmd.Process.Pid, s.told)
		must(t, d.Drain(-1))
		s.want(t)
		if n := d.Pending(); n != 0 || !d.Contains(0) {
			t.Errorf("%d pending; still contains another descriptor: %v", n, d.Contains(0))
		}
	})
}

// TestProcessStopWakes: a Drain that sleeps for a process ends when the watch is stopped.
func TestProcessStopWakes(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		w := addProcess(t, d, os.Getpid(), func(dispatch.ProcessState) { t.Error("ran") })
		done := make(chan error)
		go func() { done <- d.Drain(-1) }()
		asleep(d)
		w.Stop()
		if err := <-done; err != nil {
			t.Errorf("Drain = %v", err)
		}
	})
}

// TestProcessSleep: a loop that sleeps on its channel, since it has no descriptors, hears of a
// process that is added meanwhile.
func TestProcessSleep(t *testing.T) {
	d := open(t, dispatch.Config{})
	cmd, release := child(t, "exit 0")
	stop := start(t, d)
	asleep(d)
	heard := make(chan dispatch.ProcessState)
	addProcess(t, d, cmd.Process.Pid, func(s dispatch.ProcessState) { heard <- s })
	release()
	if s := <-heard; !s.Known || s.Err != nil {
		t.Errorf("told %+v", s)
	}
	stop()
}

// TestProcessReusedSlot stops a watch between the answer of the poller and its use, and adds one
// of a process that runs, which gets the slot.
func TestProcessReusedSlot(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r)) // opens the poller
		b := new(between)
		d.WrapPoller(func(p poll.Poller) poll.Poller { b.Poller = p; return b })
		cmd, release := child(t, "exit 0")
		release()
		ended(t, cmd)
		old := addProcess(t, d, cmd.Process.Pid, func(dispatch.ProcessState) { t.Error("the stopped watch ran") })
		b.do = func() {
			old.Stop()
			w := addProcess(t, d, os.Getpid(), func(dispatch.ProcessState) { t.Error("the successor ran") })
			d.CallIdle(func() { w.Stop() })
		}
		must(t, d.Drain(-1))
	})
}

// TestProcessClose: who waits for a process hears that the dispatcher is closed. What had
// ended before is told as ever.
func TestProcessClose(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d, err := dispatch.New(cfg)
		must(t, err)
		var s states
		w := addProcess(t, d, os.Getpid(), s.told)
		stopped := addProcess(t, d, os.Getpid(), s.told)
		stopped.Stop()
		must(t, d.Close())
		s.want(t, dispatch.ProcessState{PID: os.Getpid(), ExitCode: -1, Err: dispatch.ErrClosed})
		if w.Stop() || d.Pending() != 0 {
			t.Errorf("Stop = true, or %d pending", d.Pending())
		}

		d, err = dispatch.New(cfg)
		must(t, err)
		cmd, release := child(t, "exit 2")
		release()
		ended(t, cmd)
		d.CallSoon(func() {}) // so that Close asks the system
		addProcess(t, d, cmd.Process.Pid, s.told)
		must(t, d.Close())
		s.want(t, dispatch.ProcessState{PID: cmd.Process.Pid, Known: true, ExitCode: 2})
	})
}

// TestStopEnded: Stop of a watch that the close of its dispatcher has ended reports false, whatever it
// watches, and the last call comes.
func TestStopEnded(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p := pipe(t)
		d, err := dispatch.New(cfg)
		must(t, err)
		must(t, d.Register(p.r))
		var watches []*dispatch.Watch
		told := map[string]int{}
		last := func(kind string, err error) {
			if told[kind]++; err != dispatch.ErrClosed {
				t.Errorf("%s: %v", kind, err)
			}
			for i, w := range watches {
				if w.Stop() {
					t.Errorf("%s: Stop of watch %d = true", kind, i)
				}
			}
		}
		for range 2 {
			watches = append(watches,
				addRead(t, d, p.r, func(e dispatch.FDEvent) bool { last("descriptor", e.Err); return false }),
				addProcess(t, d, os.Getpid(), func(s dispatch.ProcessState) { last("process", s.Err) }))
		}
		must(t, d.Close())
		if told["descriptor"] != 2 || told["process"] != 2 {
			t.Errorf("last calls: %v, want 2 of each", told)
		}
		if s := d.Stats(); s.Watches != 0 || s.Processes != 0 || s.Descriptors != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestProcessErrors(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		addProcess(t, d, os.Getpid(), func(dispatch.ProcessState) {}).Stop()
		cmd, release := child(t, "exit 0")
		release()
		must(t, cmd.Wait())
		for _, pid := range []int{0, -1, math.MinInt, math.MaxInt32, math.MaxInt, cmd.Process.Pid} {
			w, err := d.AddProcess(pid, func(dispatch.ProcessState) { t.Error("ran") })
			if w != nil || !errors.Is(err, syscall.ESRCH) {
				t.Errorf("AddProcess(%d) = %v, %v, want ESRCH", pid, w, err)
			}
		}
		if s := d.Stats(); d.Pending() != 0 || s.Processes != 0 || s.Watches != 0 {
			t.Errorf("%d pending, %+v after errors", d.Pending(), s)
		}
	})
}

// TestProcessCollected: a child that others collect is reported even so, as one of which nothing is
// known.
func TestProcessCollected(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		cmd, release := child(t, "exit 1")
		var s states
		addProcess(t, d, cmd.Process.Pid, s.told)
		release()
		_ = cmd.Wait()
		must(t, d.Drain(-1))
		s.want(t, dispatch.ProcessState{PID: cmd.Process.Pid, ExitCode: -1})
	})
}

func TestProcessPanic(t *testing.T) {
	d := open(t, dispatch.Config{})
	cmd, release := child(t, "exit 0")
	release()
	var s states
	addProcess(t, d, cmd.Process.Pid, func(dispatch.ProcessState) { panic("process") })
	addProcess(t, d, cmd.Process.Pid, s.told)
	if p := panicOf(func() { _ = d.Drain(-1) }); p != "process" {
		t.Errorf("panic %v", p)
	}
	must(t, d.Drain(-1))
	s.want(t, dispatch.ProcessState{PID: cmd.Process.Pid, Known: true})
}

// Waits for a child without a goroutine. The one who has started it collects it as ever.
func ExampleDispatcher_AddProcess() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	cmd := exec.Command("/bin/sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return
	}
	if _, err = d.AddProcess(cmd.Process.Pid, func(s dispatch.ProcessState) {
		fmt.Println(s.ExitCode)
		fmt.Println(cmd.Wait()) // returns at once
	}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(d.Drain(-1))
	// Output:
	// 3
	// exit status 3
	// <nil>
}

// A process that cannot be told to end is not waited for longer than the dispatcher lives.
func ExampleProcessState() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := d.AddProcess(os.Getpid(), func(s dispatch.ProcessState) {
		fmt.Println(s.Known, s.ExitCode, s.Err)
	}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(d.Close())
	// Output:
	// false -1 dispatch: dispatcher closed
	// <nil>
}
