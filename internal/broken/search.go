package broken

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// Bug is one bug that there has been.
type Bug struct {
	Number string // in the list of historical bugs
	Name   string // of the variant
	Source string // where it was reported
	By     string // what the failure says, as a regular expression: the promise that is broken
	Check  func(t proptest.TB)
}

// Finding is what a search comes to.
type Finding struct {
	Found         bool
	Cases         int // that held before one failed
	Steps         int // of the smallest failing case
	Perturbations int // of its plan
	Text          string
	Output        string
}

// MaxCases is in how many cases a bug is to be found.
const MaxCases = 5000

// Search looks for the bug with a seed of rapid.
func (b Bug) Search(seed uint64) Finding {
	for name, value := range map[string]string{
		"rapid.checks": strconv.Itoa(MaxCases), "rapid.seed": strconv.FormatUint(seed, 10), "rapid.nofailfile": "true",
	} {
		defer set(name, value)()
	}
	defer without(pages)()
	r := check.Record(b.Name, func(r *check.Recorder) { b.Check(r) })
	f := Finding{Found: r.Failed(), Output: r.Output()}
	if !f.Found {
		return f
	}
	if m := failed.FindStringSubmatch(f.Output); m != nil {
		f.Cases, _ = strconv.Atoi(m[1])
		f.Text = m[2]
	}
	if m := inStep.FindStringSubmatch(f.Output); m != nil {
		last, _ := strconv.Atoi(m[1])
		f.Steps = last + 1 // the first one is step 0
	}
	if m := replay.FindStringSubmatch(f.Output); m != nil {
		f.Perturbations = len(strings.Fields(m[1]))
	}
	return f
}

// What the output of a check that has failed says.
var (
	failed = regexp.MustCompile(`(?m)failed after (\d+) tests: (.*)$`)
	inStep = regexp.MustCompile(`(?m)\((?:in|after) step (\d+)\)$`)
	replay = regexp.MustCompile("Replay\\([\"`]([^\"`]*)[\"`]\\)")
)

// Small returns an error if the failure has not been made as small as it should be.
func (f Finding) Small() error {
	if f.Steps > 12 || f.Perturbations > 2 {
		return fmt.Errorf("%d steps and %d perturbations, where 12 and 2 are enough", f.Steps, f.Perturbations)
	}
	return nil
}

// Law returns which promise the failure names.
func (f Finding) Law() string {
	text := strings.TrimPrefix(f.Text, "proptest: ")
	if name, ok := strings.CutPrefix(text, "not always so: "); ok {
		text, _ = strconv.Unquote(name)
	}
	law, _, _ := strings.Cut(text, ":")
	return law
}

// pages is the variable that says where the pages of reports go.
const pages = "TURNSTILE_REPORTS"

// without sets that variable so that none are written, and returns what sets it back.
func without(name string) (back func()) {
	before, had := os.LookupEnv(name)
	_ = os.Setenv(name, "off")
	return func() {
		if had {
			_ = os.Setenv(name, before)
		} else {
			_ = os.Unsetenv(name)
		}
	}
}

// set sets a flag, and returns what sets it back.
func set(name, value string) (back func()) {
	f := flag.Lookup(name)
	before := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		panic(fmt.Sprintf("broken: %v", err))
	}
	return func() { _ = f.Value.Set(before) }
}

// Seed returns the i-th seed, far from the others: rapid goes on from one by small steps.
func Seed(i int) uint64 { return 1 + uint64(i)*1_000_000_007 }
