//go:build unix

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) {
	if args := os.Getenv("LOGARCHIVE_ARGS"); args != "" { // see TestInterrupt
		os.Exit(run(interruptible(), strings.Fields(args), os.Stdout, os.Stderr))
	}
	check.Main(m)
}

// execute runs the program inside the test.
func execute(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// add appends to a file, as a program does that logs.
func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// archives returns the content of all archives of a directory, one after the other. The last may be under
// way: then it is what can be read of it so far.
func archives(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "archive-*.gz")) // sorted
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i, name := range names {
		text, err := unpack(name)
		if err != nil && !(i == len(names)-1 && errors.Is(err, io.ErrUnexpectedEOF)) {
			t.Errorf("%s: %v", name, err)
		}
		all.WriteString(text)
	}
	return all.String()
}

// complete returns the content of all archives, all of which have ended.
func complete(t *testing.T, dir string) string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "archive-*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := unpack(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	return archives(t, dir)
}

func unpack(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(r)
	return string(text), err
}

// noise is lines that gzip cannot make much shorter.
func noise(lines int) string {
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "%x\n", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	return text.String()
}

func TestOnce(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	text := noise(1000)
	add(t, log, text)
	const size = 8000
	code, out, errs := execute(t.Context(), "-once", "-batch", "30", "-size", fmt.Sprint(size), "-out", dir, log)
	if code != 0 || errs != "" {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	if got := complete(t, dir); got != text {
		t.Errorf("the archives have %d bytes, other ones than the %d of the file", len(got), len(text))
	}
	names, _ := filepath.Glob(filepath.Join(dir, "archive-*.gz"))
	var want strings.Builder
	sum := int64(0)
	for i, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		// A file ends with the batch that makes it large enough; a line has 65 bytes.
		if n := info.Size(); i < len(names)-1 && n < size || n > size+30*65+100 {
			t.Errorf("%s has %d bytes", name, n)
		}
		sum += info.Size()
		fmt.Fprintln(&want, "writing", name)
	}
	if len(names) < 4 {
		t.Errorf("only %d archives", len(names))
	}
	fmt.Fprintf(&want, "1000 lines in 34 batches, %d files with %d bytes\n", len(names), sum)
	if out != want.String() {
		t.Errorf("output\n%swant\n%s", out, want.String())
	}
}

// TestSecondRun: nothing is overwritten.
func TestSecondRun(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	add(t, log, "one\ntwo") // the last line needs no end
	for range 2 {
		if code, _, errs := execute(t.Context(), "-once", "-out", dir, log); code != 0 {
			t.Errorf("code %d, stderr %q", code, errs)
		}
	}
	if got := complete(t, dir); got != "one\ntwo\none\ntwo\n" {
		t.Errorf("archived %q", got)
	}
}

func TestSeveral(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.log"), filepath.Join(dir, "b.log")
	add(t, a, strings.Repeat("x\n", 500))
	add(t, b, strings.Repeat("y\n", 500))
	if code, _, errs := execute(t.Context(), "-once", "-out", dir, a, b); code != 0 {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	if got := complete(t, dir); got != strings.Repeat("a.log: x\n", 500)+strings.Repeat("b.log: y\n", 500) {
		t.Errorf("archived other lines, or in another order:\n%s", got)
	}
}

// TestNothing makes no archive without a line.
func TestNothing(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	add(t, log, "")
	code, out, errs := execute(t.Context(), "-once", "-out", dir, log)
	if code != 0 || out != "0 lines in 0 batches, 0 files with 0 bytes\n" || errs != "" {
		t.Errorf("code %d, %q, %q", code, out, errs)
	}
}

// TestFailures: what came before an error is archived.
func TestFailures(t *testing.T) {
	dir := t.TempDir()
	log, long := filepath.Join(dir, "log"), filepath.Join(dir, "long")
	add(t, log, "one\n")
	add(t, long, "two\n"+strings.Repeat("x", 2<<20))
	for _, c := range []struct{ file, out, stderr, archived string }{
		{filepath.Join(dir, "missing"), t.TempDir(), "missing", ""},
		{log, filepath.Join(dir, "missing"), "missing", ""},
		{long, t.TempDir(), "line 2 is longer", "two\n"},
	} {
		code, _, errs := execute(t.Context(), "-once", "-out", c.out, c.file)
		if code != 1 || !strings.Contains(errs, c.stderr) {
			t.Errorf("%s: code %d, stderr %q", c.file, code, errs)
		}
		if got := complete(t, c.out); got != c.archived {
			t.Errorf("%s: archived %q", c.file, got)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"-batch", "0", "x"}, {"-size", "x", "x"}, {"-poll", "0", "x"}, {"-nonsense"}} {
		if code, _, errs := execute(t.Context(), args...); code != 2 || !strings.Contains(errs, "Usage of logarchive") {
			t.Errorf("%q: code %d, stderr %q", args, code, errs)
		}
	}
	if code, _, _ := execute(t.Context(), "-h"); code != 0 {
		t.Errorf("-h: code %d", code)
	}
}

// TestInterrupt sends the program a real signal, as Ctrl-C does.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	add(t, log, "one\n")
	cmd := check.Self(t.Context())
	cmd.Env = append(os.Environ(), "LOGARCHIVE_ARGS=-delay 1ms -out "+dir+" "+log)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	if line, err := r.ReadString('\n'); !strings.HasPrefix(line, "writing ") {
		t.Errorf("%q, %v", line, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if !strings.HasPrefix(string(out), "1 lines in 1 batches, 1 files") {
		t.Errorf("output %q", out)
	}
	if got := complete(t, dir); got != "one\n" {
		t.Errorf("archived %q", got)
	}
}
