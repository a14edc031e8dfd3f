package core_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// A task that waits in a callback from C ends the program: the runtime has wired it to its thread
// there, as LockOSThread does.
func TestWaitInCallbackFromC(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("there are no processes on this system")
	}
	env := func(name string) string {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	if env("CGO_ENABLED") != "1" || env("GOARCH") != runtime.GOARCH {
		t.Skip("this system has no go command that compiles C")
	}
	if _, err := exec.LookPath(strings.Fields(env("CC"))[0]); err != nil {
		t.Skip("this system has no C compiler")
	}
	program := filepath.Join(t.TempDir(), "program.exe")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/cgo").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), program).CombinedOutput()
	const text = "fatal error: coro: OS thread locking must match locking at coroutine creation"
	if err == nil || !strings.Contains(string(out), text) {
		t.Errorf("%v\n%s", err, out)
	}
}
