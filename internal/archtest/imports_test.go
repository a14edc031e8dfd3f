package archtest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// edges lists, for each package, what of this module its files that are not
// tests may import: the layers, from the bottom up. Tests may import any of it.
// Programs in examples/ need no entry: they may import what a user may.
var edges = map[string][]string{
	"internal/archtest": {},
	"internal/winshim":  {}, // a program that scripts/wine-setup runs

	"internal/gid":   {},
	"internal/park":  {"internal/gid"},
	"internal/poll":  {},
	"internal/ring":  {},
	"internal/timer": {},
	"internal/seam":  {"internal/park", "internal/poll", "internal/timer"}, // doors between dispatch and core that users must not see

	"dispatch": {"internal/gid", "internal/park", "internal/poll", "internal/seam", "internal/timer"},
	"sync":     {"internal/park"},
	"core":     {"dispatch", "internal/gid", "internal/park", "internal/seam", "internal/timer", "sync"},

	"lock":  {"internal/park", "sync"},
	"event": {"internal/park", "sync"},
	"queue": {"internal/park", "internal/ring", "sync"},

	"stream":        {"core", "dispatch", "event", "internal/park", "internal/ring", "lock", "queue", "sync"},
	"proptest":      {"core", "dispatch", "internal/gid", "internal/park", "internal/seam"},
	"proptest/laws": {"core", "proptest"},
	"transport":     {"core", "dispatch", "internal/park", "internal/poll", "internal/seam", "lock", "sync"},
}

// support lists packages that only tests import. They may import what a test may,
// and since no entry in edges names them, nothing else can import them.
var support = map[string]bool{
	"internal/check": true, "internal/check/tasks": true,
	"internal/broken": true, "internal/broken/table": true, // a program that prints a table
}

// requirements lists the modules that go.mod requires, all of them, and for
// each one the packages whose files that are not tests may import it.
var requirements = map[string][]string{
	"golang.org/x/sys":   {"internal/poll", "transport"},
	"go.uber.org/goleak": {"proptest"},
	"pgregory.net/rapid": {"proptest", "proptest/laws"},
}

func TestImports(t *testing.T) {
	report(t, checkImports(repository(t), edges, requirements))
}

func TestRequirements(t *testing.T) {
	report(t, checkRequirements(t, filepath.Join(root(t), "go.mod"), requirements))
}

func checkImports(tr *tree, edges, requirements map[string][]string) (problems []string) {
	for _, f := range tr.files {
		if f.test || f.nested || support[f.dir] {
			continue
		}
		allowed, listed := edges[f.dir]
		example := strings.HasPrefix(f.dir, "examples/")
		if !listed && !example {
			problems = append(problems, fmt.Sprintf("%s: package %s is not in the table of layers", f.path, f.dir))
			continue
		}
		for _, spec := range f.ast.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			first, _, _ := strings.Cut(imported, "/")
			within, ours := strings.CutPrefix(imported+"/", module+"/")
			within = strings.TrimSuffix(within, "/")
			switch {
			case ours && example:
				if !public(within) {
					problems = append(problems, tr.at(spec, "example %s must not import %s, which users cannot", f.dir, within))
				}
			case ours:
				if !slices.Contains(allowed, within) {
					problems = append(problems, tr.at(spec, "package %s must not import %s", f.dir, within))
				}
			case strings.Contains(first, "."):
				if !mayRequire(requirements, imported, f.dir) {
					problems = append(problems, tr.at(spec, "package %s must not import %s outside its tests", f.dir, imported))
				}
			}
		}
	}
	return problems
}

func mayRequire(requirements map[string][]string, imported, dir string) bool {
	for mod, dirs := range requirements {
		if imported == mod || strings.HasPrefix(imported, mod+"/") {
			return slices.Contains(dirs, dir)
		}
	}
	return false
}

// checkRequirements reads one go.mod.
func checkRequirements(t *testing.T, gomod string, requirements map[string][]string) (problems []string) {
	t.Helper()
	out, err := exec.Command("go", "mod", "edit", "-json", gomod).Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var mod struct {
		Require []struct{ Path string }
		Replace []struct{ Old struct{ Path string } }
		Tool    []struct{ Path string }
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	missing := maps.Clone(requirements)
	for _, r := range mod.Require {
		if _, ok := requirements[r.Path]; !ok {
			problems = append(problems, "go.mod requires "+r.Path+": put it into a nested module")
		}
		delete(missing, r.Path)
	}
	for _, path := range slices.Sorted(maps.Keys(missing)) {
		problems = append(problems, "go.mod does not require "+path)
	}
	for _, r := range mod.Replace {
		problems = append(problems, "go.mod replaces "+r.Old.Path)
	}
	for _, tool := range mod.Tool {
		problems = append(problems, "go.mod names the tool "+tool.Path+": it belongs into tools.mod")
	}
	return problems
}

func TestImportsCanFail(t *testing.T) {
	importing := func(what string) string { return "package p\n\nimport _ \"" + what + "\"\n" }
	ours := func(what string) string { return importing(module + "/" + what) }
	rule := func(tr *tree) []string { return checkImports(tr, edges, requirements) }
	refuses(t, rule,
		map[string]string{
			"internal/park/a.go":        ours("internal/gid"),
			"internal/poll/a.go":        importing("golang.org/x/sys/unix"),
			"lock/a.go":                 ours("sync"),
			"lock/b.go":                 importing("net/http"),
			"lock/a_test.go":            ours("transport"),
			"lock/b_test.go":            importing("pgregory.net/rapid"),
			"examples/pipeline/a.go":    ours("stream"),
			"internal/check/a.go":       importing("pgregory.net/rapid"),
			"internal/gid/leak_test.go": importing("go.uber.org/goleak"),
		},
		[]bad{
			{"upwards", map[string]string{"internal/park/a.go": ours("sync")}, "package internal/park must not import sync"},
			{"poller", map[string]string{"lock/a.go": ours("internal/poll")}, "package lock must not import internal/poll"},
			{"poll uses us", map[string]string{"internal/poll/a.go": ours("internal/park")}, "package internal/poll must not import internal/park"},
			{"test support", map[string]string{"lock/a.go": ours("internal/check")}, "package lock must not import internal/check"},
			{"unknown package", map[string]string{"util/a.go": "package util"}, "package util is not in the table"},
			{"unknown import", map[string]string{"core/a.go": ours("util")}, "package core must not import util"},
			{"another platform", map[string]string{"dispatch/a_windows.go": ours("core")}, "package dispatch must not import core"},
			{"example", map[string]string{"examples/pipeline/a.go": ours("internal/park")}, "example examples/pipeline must not import internal/park"},
			{"root", map[string]string{"lock/a.go": importing(module)}, "package lock must not import"},
			{"x/sys", map[string]string{"lock/a.go": importing("golang.org/x/sys/unix")}, "package lock must not import golang.org/x/sys/unix"},
			{"rapid", map[string]string{"core/a.go": importing("pgregory.net/rapid")}, "must not import pgregory.net/rapid outside its tests"},
			{"goleak", map[string]string{"examples/x/a.go": importing("go.uber.org/goleak")}, "must not import go.uber.org/goleak"},
			{"no requirement", map[string]string{"core/a.go": importing("github.com/x/y")}, "must not import github.com/x/y"},
		})
}

func TestRequirementsCanFail(t *testing.T) {
	const good = "module m\n\nrequire golang.org/x/sys v0.1.0\nrequire go.uber.org/goleak v1.3.0\nrequire pgregory.net/rapid v1.3.0\n"
	for _, c := range []struct{ name, gomod, want string }{
		{"good", good, "[]"},
		{"one more", good + "require example.org/a v1.0.0 // indirect\n", "[go.mod requires example.org/a: put it into a nested module]"},
		{"one less", strings.Replace(good, "require pgregory.net/rapid v1.3.0\n", "", 1), "[go.mod does not require pgregory.net/rapid]"},
		{"replaced", good + "replace golang.org/x/sys => ../sys\n", "[go.mod replaces golang.org/x/sys]"},
		{"tool", good + "tool golang.org/x/sys/a\n", "[go.mod names the tool golang.org/x/sys/a: it belongs into tools.mod]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "go.mod")
			if err := os.WriteFile(name, []byte(c.gomod), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(checkRequirements(t, name, requirements)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
