package transport_test

import (
	"os"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
)

// children are what this program does instead of testing when a test has started it as a child
// process, with the name in the environment.
var children = map[string]func(){}

const childEnv = "TURNSTILE_CHILD"

func TestMain(m *testing.M) {
	if run := children[os.Getenv(childEnv)]; run != nil {
		run()
		os.Exit(0)
	}
	check.Main(m)
}
