package archtest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const tutorial = "docs/proptest.md"

// TestTutorial keeps the tutorial true: what it quotes is in the files, and what it shows of go test is what go
// test prints, over the package as it was where the story begins, or as it is. When a report looks different
// now, the test prints it: paste it, and put "..." for what may differ and for what is left out. If the seed leads
// elsewhere, because something else is drawn, take one of the next few.
func TestTutorial(t *testing.T) {
	top := root(t)
	text, err := os.ReadFile(filepath.Join(top, tutorial))
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkQuotes(string(text), func(name string) (string, error) {
		text, err := os.ReadFile(filepath.Join(top, name))
		return string(text), err
	}))
	overlay := filepath.Join(t.TempDir(), "overlay.json")
	replaced, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(top, "examples/pool/pool.go"): filepath.Join(top, "examples/pool/lost/pool.go"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replaced, 0o600); err != nil {
		t.Fatal(err)
	}
	report(t, checkShells(string(text), func(lost bool, words []string) (string, error) {
		args := []string{"test"}
		if lost {
			args = append(args, "-overlay", overlay)
		}
		args = append(args, words...)
		args = append(args, "-count=1", "-rapid.nofailfile")
		cmd := exec.Command("go", args...)
		cmd.Dir = top
		cmd.Env = append(os.Environ(), "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			err = nil // a test that fails is what is shown
		}
		return string(out), err
	}))
}

// checkQuotes wants each block of Go to be a fragment, or a literal piece of the file it says it is from.
func checkQuotes(markdown string, read func(name string) (string, error)) (problems []string) {
	blocks, problems := goBlocks(markdown)
	for _, b := range blocks {
		say := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", tutorial, b.line, fmt.Sprintf(format, args...)))
		}
		name, quoted := strings.CutPrefix(b.info, "go from ")
		if !quoted {
			if b.info != "go fragment" {
				say("a Go block must have the info string %q or %q and a path", "go fragment", "go from")
			} else if _, more := checkBlocks([]block{b}); len(more) > 0 {
				say("not Go: %v", more)
			}
			continue
		}
		switch text, err := read(name); {
		case err != nil:
			say("%v", err)
		case !strings.Contains(text, b.text):
			say("%s has nothing like that", name)
		}
	}
	return problems
}

// checkShells runs what is shown behind "$ go test" in the blocks fenced with ```console, and compares the rest of the
// block with its output. In those fenced with ```console lost the package has its bug.
func checkShells(markdown string, run func(lost bool, words []string) (string, error)) (problems []string) {
	info, lines, first := "", []string(nil), 0
	for i, line := range strings.Split(markdown, "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case !isFence:
			lines = append(lines, line)
			continue
		case info == "":
			info, lines, first = fence, nil, i+2
			continue
		}
		block := info
		info = ""
		if block != "console" && block != "console lost" {
			continue
		}
		say := func(format string, args ...any) {
			problems = append(problems, fmt.Sprintf("%s:%d: %s", tutorial, first, fmt.Sprintf(format, args...)))
		}
		words, ok := strings.CutPrefix(lines[0], "$ go test ")
		if !ok {
			say("the block must begin with %q", "$ go test")
			continue
		}
		out, err := run(block == "console lost", strings.Fields(words))
		if err != nil {
			say("%v", err)
		} else if want := matches(out, lines[1:]); want != "" {
			say("there is no line %q where it should be in what is printed now:\n%s", want, out)
		}
	}
	return problems
}

// matches returns the first of the lines that is not in the text, in this order and without a gap, "" if there is
// none. A line "..." is for a gap, and "..." in a line for anything.
func matches(text string, lines []string) (missing string) {
	have := strings.Split(text, "\n")
	gap := false
	for _, want := range lines {
		if strings.TrimSpace(want) == "..." {
			gap = true
			continue
		}
		at := 0
		for gap && at < len(have) && !similar(have[at], want) {
			at++
		}
		if at == len(have) || !similar(have[at], want) {
			return want
		}
		have, gap = have[at+1:], false
	}
	return ""
}

// similar compares two lines but for the space at their ends.
func similar(line, want string) bool {
	parts := strings.Split(strings.TrimRight(want, " \t"), "...")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return regexp.MustCompile("^" + strings.Join(parts, ".*") + `[ \t]*$`).MatchString(line)
}

func TestTutorialCanFail(t *testing.T) {
	read := func(name string) (string, error) {
		if name != "p.go" {
			return "", os.ErrNotExist
		}
		return "package p\n\nfunc f() {\n\tg()\n}\n", nil
	}
	for _, c := range []struct{ name, markdown, want string }{
		{"good", "```go from p.go\n\tg()\n```\n\n```go fragment\nx := 1\n```\n", "[]"},
		{"not there", "```go from p.go\n\th()\n```\n", "p.go has nothing like that"},
		{"no file", "```go from q.go\n\th()\n```\n", "not exist"},
		{"no file named", "```go\n\th()\n```\n", "must have the info string"},
		{"no Go", "```go fragment\nx := := 1\n```\n", "not Go"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fmt.Sprint(checkQuotes(c.markdown, read)); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	run := func(lost bool, words []string) (string, error) {
		return fmt.Sprintf("--- %v\n    one (0.01s) here\n    two\nthree\n", lost), nil
	}
	for _, c := range []struct{ name, markdown, want string }{
		{"good", "```console\n$ go test x\n--- false\n    one (...s) here\n    two\n```\n", "[]"},
		{"lost", "```console lost\n$ go test x\n--- true\n```\n", "[]"},
		{"gap", "```console\n$ go test x\n...\nthree\n```\n", "[]"},
		{"another block", "```sh\nx\n```\n", "[]"},
		{"no command", "```console\nx\n```\n", "must begin"},
		{"no gap", "```console\n$ go test x\nthree\n```\n", `no line "three"`},
		{"order", "```console\n$ go test x\n...\nthree\n...\n    two\n```\n", `no line "    two"`},
		{"half a line", "```console\n$ go test x\n...\n    one\n```\n", `no line "    one"`},
		{"wrong end", "```console\n$ go test x\n...\n    one (...s) there\n```\n", "there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fmt.Sprint(checkShells(c.markdown, run)); !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
