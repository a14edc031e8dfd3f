package dispatch_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

func callbacksOfProcesses() []callbackKind {
	return []callbackKind{{"process", func(t *testing.T, d *dispatch.Dispatcher, fn func()) {
		cmd, release := child(t, "exit 0")
		release()
		ended(t, cmd)
		addProcess(t, d, cmd.Process.Pid, func(dispatch.ProcessState) { fn() })
	}}}
}
