package dispatch_test

import (
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// TestSeedsProcesses is TestSeeds for processes.
func TestSeedsProcesses(t *testing.T) {
	runSeeds(t, []seed{
		{"addProcess", TestProcess},
		{"addProcess of an unknown process", TestProcessErrors},
		{"addProcess of a child that was collected", TestProcessCollected},
		{"addProcess2: the same process twice", seedProcessTwice},
		{"addProcess leaves SIGCHLD to others", seedSIGCHLD},
	})
}

func seedProcessTwice(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		cmd, release := child(t, "exit 7")
		var s states
		for range 2 {
			addProcess(t, d, cmd.Process.Pid, s.told)
		}
		release()
		must(t, d.Drain(-1))
		seven := dispatch.ProcessState{PID: cmd.Process.Pid, Known: true, ExitCode: 7}
		s.want(t, seven, seven)
	})
}

// seedSIGCHLD: a watch of the signal, the watch of a process and exec.Cmd.Wait get on with each other.
func seedSIGCHLD(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		d := open(t, cfg)
		heard := 0
		w := addSignal(t, d, syscall.SIGCHLD, func(os.Signal) bool { heard++; return false })
		cmd, release := child(t, "exit 7")
		var s states
		addProcess(t, d, cmd.Process.Pid, s.told)
		release()
		must(t, d.Drain(-1))
		s.want(t, dispatch.ProcessState{PID: cmd.Process.Pid, Known: true, ExitCode: 7})
		_ = cmd.Wait()
		if code := cmd.ProcessState.ExitCode(); code != 7 {
			t.Errorf("Wait tells %d", code)
		}
		for heard == 0 {
			if _, err := d.Poll(0); err == dispatch.ErrIdle {
				runtime.Gosched()
			}
		}
		w.Stop()
	})
}
