// Package check is what the tests of this module share: who runs the participants
// of a test, scripts that are checked step by step against a model, load with
// random cancels, and what must be left when the tests of a package have ended.
// Only tests import it.
package check

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// Long reports whether the tests were asked, by TURNSTILE_LONG=1, to take their time.
func Long() bool { return os.Getenv("TURNSTILE_LONG") == "1" }

// Times returns short, or long where [Long] is true.
func Times(short, long int) int {
	if Long() {
		return long
	}
	return short
}

// Mass returns n, or a tenth of it if TURNSTILE_SLOW=1 says that the machine is emulated: it is for numbers that say
// "very many".
func Mass(n int) int {
	if os.Getenv("TURNSTILE_SLOW") == "1" {
		return n / 10
	}
	return n
}

// Main runs the tests of a package and ends the process. It fails if goroutines,
// coroutines or, where they can be counted, descriptors are left over.
func Main(m *testing.M) {
	if Long() {
		if err := flag.Set("rapid.checks", strconv.Itoa(checks)); err != nil {
			panic(err)
		}
	}
	if r, w, err := os.Pipe(); err == nil { // opens those of the runtime's own poller
		r.Close()
		w.Close()
	}
	before := descriptors()
	code := m.Run()
	if code == 0 {
		if err := left(before); err != nil {
			fmt.Fprintln(os.Stderr, "left over:", err)
			code = 1
		}
	}
	os.Exit(code)
}

func left(before []string) error {
	// The runtime handles the events of js in a goroutine that is always there.
	if err := goleak.Find(goleak.IgnoreAnyFunction("runtime.handleEvent")); err != nil {
		return err
	}
	if n := park.Entries(); n != 0 {
		return fmt.Errorf("%d entries in the table of coroutines", n)
	}
	for _, name := range []string{"test.cpuprofile", "test.trace"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return nil // package testing leaves the file open
		}
	}
	if after := descriptors(); len(after) > len(before) {
		return fmt.Errorf("descriptors\n%s\nof which there were\n%s",
			strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	return nil
}

// descriptors returns what the process has open, and nothing where there is no
// such directory.
func descriptors() []string {
	const dir = "/proc/self/fd"
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var open []string
	for _, e := range list {
		// The descriptor that read the directory is gone.
		if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			open = append(open, e.Name()+" "+to)
		}
	}
	return open
}
