package broken_test

import (
	"regexp"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/broken"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) { check.Main(m) }

// Each bug is found by the promise that it breaks, on every seed, and comes back small.
func TestBugs(t *testing.T) {
	for _, b := range broken.Bugs() {
		t.Run(b.Number+" "+b.Name, func(t *testing.T) {
			for i := range check.Many(1, 20) {
				f := b.Search(broken.Seed(i))
				switch {
				case !f.Found:
					t.Fatalf("seed %d: not found in %d cases", i, broken.MaxCases)
				case !regexp.MustCompile(b.By).MatchString(f.Text):
					t.Errorf("seed %d: found by %q, not by %q", i, f.Text, b.By)
				case f.Small() != nil:
					t.Errorf("seed %d: %v\n%s", i, f.Small(), f.Output)
				}
				if i == 0 {
					t.Logf("%d cases, %d steps, %d perturbations: %s", f.Cases, f.Steps, f.Perturbations, f.Text)
				}
			}
		})
	}
}
