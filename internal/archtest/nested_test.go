package archtest_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// importable lists the nested modules that users import.
var importable = []string{"contrib/prometheus", "proptest/linearize"}

// A nested module replaces this one where it is built here. For those who import it that does not count: they get
// what it requires, which has to exist.
func TestNestedModulesCanBeGot(t *testing.T) {
	for _, dir := range importable {
		report(t, checkRequired(t, filepath.Join(root(t), dir, "go.mod")))
	}
}

// checkRequired refuses a version of this module that stands for none.
func checkRequired(t *testing.T, gomod string) (problems []string) {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", gomod).Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range mod.Require {
		if r.Path != module {
			continue
		}
		found = true
		if r.Version == "v0.0.0" {
			problems = append(problems, gomod+" requires "+r.Path+" v0.0.0, which nobody can get: name a commit or a release")
		}
	}
	if !found {
		problems = append(problems, gomod+" does not require "+module)
	}
	return problems
}

func TestNestedModulesCanBeGotCanFail(t *testing.T) {
	for _, dir := range []string{
		"bench", // which nobody imports: it requires v0.0.0
		"",      // requires no version of itself
	} {
		if problems := checkRequired(t, filepath.Join(root(t), dir, "go.mod")); len(problems) != 1 {
			t.Errorf("%q: %q, want one problem", dir, problems)
		}
	}
}
