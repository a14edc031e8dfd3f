package check

import (
	"context"
	"os"
	"os/exec"
)

// ExecEnv is the environment variable that names the program which runs the test binary, where
// that is for another machine, as the flag -exec of go test does.
const ExecEnv = "TURNSTILE_EXEC"

// Self returns a command that runs the test binary again, in a process of its own, until ctx ends.
func Self(ctx context.Context, args ...string) *exec.Cmd {
	name := os.Args[0]
	if by := os.Getenv(ExecEnv); by != "" {
		name, args = by, append([]string{name}, args...)
	}
	return exec.CommandContext(ctx, name, args...)
}
