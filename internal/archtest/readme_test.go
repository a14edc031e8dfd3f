package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A block is a fenced block of Go in a Markdown file.
type block struct {
	line int // of its first line of code
	info string
	text string
}

func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatalf("the repository has no README to take programs from: %v", err)
	}
	blocks, problems := goBlocks(string(text))
	programs, more := checkBlocks(blocks)
	report(t, append(problems, more...))
	if len(programs) == 0 {
		t.Fatal("README.md has no Go block that starts with package: it should have one complete program")
	}
	if err := try(t, programs); err != nil {
		t.Errorf("README.md: %v", err)
	}
}

// goBlocks returns the blocks fenced with ```go.
func goBlocks(markdown string) (blocks []block, problems []string) {
	var open *block
	fenced := false
	for i, line := range strings.SplitAfter(markdown, "\n") {
		info, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && fenced:
			if open != nil {
				blocks = append(blocks, *open)
			}
			open, fenced = nil, false
		case isFence:
			fenced = true
			if lang, _, _ := strings.Cut(info, " "); lang == "go" {
				open = &block{line: i + 2, info: info}
			}
		case open != nil:
			open.text += line
		}
	}
	if fenced {
		problems = append(problems, "README.md: the last fence is not closed")
	}
	return blocks, problems
}

// checkBlocks separates complete files from fragments, which must say that they
// are ones and must at least be declarations or statements.
func checkBlocks(blocks []block) (programs []block, problems []string) {
	for _, b := range blocks {
		say := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("README.md:%d: %s", b.line, fmt.Sprintf(format, args...)))
		}
		_, err := parser.ParseFile(token.NewFileSet(), "", b.text, parser.PackageClauseOnly)
		switch {
		case err == nil:
			programs = append(programs, b)
		case strings.TrimSpace(b.info) != "go fragment":
			say("a Go block must start with package, or have the info string %q", "go fragment")
		default:
			_, declErr := parser.ParseFile(token.NewFileSet(), "", "package p\n"+b.text, 0)
			_, stmtErr := parser.ParseFile(token.NewFileSet(), "", "package p\nfunc _() {\n"+b.text+"\n}", 0)
			if declErr != nil && stmtErr != nil {
				say("the fragment is neither declarations nor statements: %v", stmtErr)
			}
		}
	}
	return programs, problems
}

// try runs go vet over each block as a package of its own, in a module outside
// the tree that requires this one, which is what a user would do, and then those that are
// tests. (An overlay would need no second module, but go vet wants to enter the folders it
// lays over.)
func try(t *testing.T, programs []block) error {
	t.Helper()
	top, temp := root(t), t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(temp, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(top, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	// The requirements are this module's, so that nothing has to be looked up.
	write("go.mod", strings.Replace(read("go.mod"), "module "+module, "module readme.example", 1)+
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %q\n", module, module, top))
	write("go.sum", read("go.sum"))
	var tests []string
	for _, b := range programs {
		name, dir := "main.go", fmt.Sprintf("line%d", b.line)
		if isTest(b.text) {
			name = "main_test.go"
			tests = append(tests, "./"+dir)
		}
		write(dir+"/"+name, b.text)
	}
	run := func(args ...string) error {
		cmd := exec.Command("go", args...)
		cmd.Dir = temp
		cmd.Env = append(os.Environ(), "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s of its Go blocks (line5/main.go is the one at line 5): %w\n%s", args[0], err, out)
		}
		return nil
	}
	err := run("vet", "-mod=mod", "./...")
	if err == nil && len(tests) > 0 {
		err = run(append([]string{"test", "-mod=mod"}, tests...)...)
	}
	return err
}

// isTest tells whether a block is a test file.
func isTest(text string) bool {
	parsed, err := parser.ParseFile(token.NewFileSet(), "", text, 0)
	if err != nil {
		return false // vet says what is wrong
	}
	for _, d := range parsed.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
			for _, prefix := range []string{"Test", "Benchmark", "Example", "Fuzz"} {
				if strings.HasPrefix(f.Name.Name, prefix) {
					return true
				}
			}
		}
	}
	return strings.HasSuffix(parsed.Name.Name, "_test")
}

const readme = "# Title\n\n```sh\npackage no\n```\n\n```go\npackage main\n\nfunc main() {}\n```\n\n" +
	"```go fragment\nx := 1\n```\n\n```go fragment\nfunc f()\n```\n\n```go\npackage p\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) {}\n```\n"

func TestReadmeRules(t *testing.T) {
	for _, c := range []struct{ name, markdown, want string }{
		{"good", readme, "[]"},
		{"open fence", readme + "```go\npackage main\n", "[README.md: the last fence is not closed]"},
		{"no package", readme + "```go\nx := 1\n```\n", "must start with package"},
		{"no fragment", readme + "```go fragment\nx := := 1\n```\n", "neither declarations nor statements"},
	} {
		t.Run(c.name, func(t *testing.T) {
			blocks, problems := goBlocks(c.markdown)
			programs, more := checkBlocks(blocks)
			if got := fmt.Sprint(append(problems, more...)); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if len(programs) < 2 {
				t.Errorf("found %d programs in %d blocks", len(programs), len(blocks))
			}
		})
	}
}

func TestReadmeProgramsCanFail(t *testing.T) {
	blocks, _ := goBlocks(readme)
	programs, _ := checkBlocks(blocks)
	if err := try(t, programs); err != nil {
		t.Errorf("good blocks: %v", err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"does not compile": {"package main\n\nfunc main() { undefined() }\n", "undefined: undefined"},
		"internal":         {"package p\n\nimport _ \"" + module + "/internal/gid\"\n", "use of internal package"},
		"vet":              {"package p\n\nimport \"fmt\"\n\nfunc f() { fmt.Printf(\"%d\", \"s\") }\n", "wrong type"},
		"fails":            {"package p\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Error(\"bad luck\") }\n", "bad luck"},
	} {
		t.Run(name, func(t *testing.T) {
			err := try(t, []block{{line: 1, text: c.text}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}
