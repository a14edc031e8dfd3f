//go:build unix && !solaris

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("PIPELINE_DIR"); dir != "" { // see TestInterrupt
		ctx := interruptible()
		fmt.Println("begun")
		os.Exit(run(ctx, []string{dir}, os.Stdout, os.Stderr))
	}
	check.Main(m)
}

// tree makes a directory with files of known content.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// execute runs the program inside the test.
func execute(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

var small = map[string]string{
	"a.go":         "package a\n\nvar x, y = x, x // x in a comment does not count\n",
	"b/b.go":       "package b\n\nvar x = \"x\"\n",
	"b/empty.go":   "",
	"b/text.txt":   "x x x x",
	"c/quote\n.go": "package c\n",
	"c/broken.go":  "func ( { x \"unterminated\n y",
}

func TestCounts(t *testing.T) {
	code, out, errs := execute(t.Context(), "-check", "-clients", "4", "-top", "3", tree(t, small))
	if code != exitOK || errs != "" {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	for _, want := range []string{
		"        5  x\n        2  y\n        1  a\n5 files",
		"check: identical to a sequential count: 5 files",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

// TestSizes sees that neither the number of clients and workers nor that of files changes the result.
func TestSizes(t *testing.T) {
	files := make(map[string]string)
	for i := range 300 {
		files[fmt.Sprintf("d%d/f%d.go", i%7, i)] = strings.Repeat(fmt.Sprintf("package p; var v%d = w\n", i%11), i*10)
	}
	dir := tree(t, files)
	for _, args := range [][]string{
		{"-clients", "1", "-workers", "1"},
		{"-clients", "100", "-workers", "1"},
		{"-clients", "7", "-workers", "9"},
	} {
		if code, out, errs := execute(t.Context(), append(args, "-check", dir)...); code != exitOK || !strings.Contains(out, "identical") {
			t.Errorf("%q: code %d\n%s%s", args, code, out, errs)
		}
	}
}

func TestCheckSeesDifference(t *testing.T) {
	dir := tree(t, small)
	good := total{files: 5, counts: counts{}}
	if err := walk(os.DirFS(dir), func(name string) error {
		src, err := os.ReadFile(filepath.Join(dir, name))
		good.bytes += len(src)
		good.counts.add(count(src))
		return err
	}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	if !same(t, dir, good) {
		t.Error("the right result is not identical")
	}
	good.counts["x"]++
	if same(t, dir, good) {
		t.Error("one identifier more is identical")
	}
	good.counts["x"]--
	good.files--
	if same(t, dir, good) {
		t.Error("one file less is identical")
	}
}

func same(t *testing.T, dir string, got total) bool {
	return compare(t.Context(), os.DirFS(dir), got, io.Discard)
}

func TestUnreadable(t *testing.T) {
	dir := tree(t, small)
	gone := filepath.Join(dir, "b", "gone.go")
	if err := os.Symlink("nowhere", gone); err != nil {
		t.Fatal(err)
	}
	code, out, errs := execute(t.Context(), "-check", dir)
	if code != exitFailed {
		t.Errorf("code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(errs, "gone.go") || !strings.Contains(errs, "files or directories that could not be read: 1") {
		t.Errorf("stderr says %q", errs)
	}
	if !strings.Contains(out, "identical to a sequential count: 5 files") {
		t.Errorf("the rest did not go on:\n%s", out)
	}
}

func TestMissingDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	code, _, errs := execute(t.Context(), dir)
	if code != exitFailed || !strings.Contains(errs, dir) {
		t.Errorf("code %d, stderr %q", code, errs)
	}
}

// TestLinks: a directory that is a link is walked as any other, what blocks is left
// out, and a link that leads out of the tree cannot be read by anybody.
func TestLinks(t *testing.T) {
	dir := tree(t, small)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo.go"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "out.go")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	code, out, errs := execute(t.Context(), "-check", link)
	if code != exitFailed || !strings.Contains(errs, "out.go") {
		t.Errorf("code %d, stderr %q", code, errs)
	}
	if !strings.Contains(out, "identical to a sequential count: 5 files") {
		t.Errorf("output:\n%s", out)
	}
}

// TestNoFiles: nothing counted is nothing checked.
func TestNoFiles(t *testing.T) {
	if code, out, _ := execute(t.Context(), "-check", t.TempDir()); code != exitFailed || !strings.Contains(out, "no Go files") {
		t.Errorf("code %d\n%s", code, out)
	}
}

// TestPartFails: the first part that fails ends all others, and the program says why.
func TestPartFails(t *testing.T) {
	if os.Getenv("PIPELINE_FEW") == "" {
		cmd := check.Self(t.Context(), "-test.run", "^TestPartFails$")
		cmd.Env = append(os.Environ(), "PIPELINE_FEW=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	dir := tree(t, small)
	// So few descriptors that not all clients get theirs.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 60
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	code, _, errs := execute(t.Context(), "-clients", "100", dir)
	if code != exitFailed || !strings.Contains(errs, "too many open files") {
		t.Errorf("code %d, stderr %q", code, errs)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{"-clients", "0"}, {"-top", "x"}, {"-nonsense"}, {"a", "b"}} {
		if code, _, errs := execute(t.Context(), args...); code != exitUsage || !strings.Contains(errs, "usage: pipeline") {
			t.Errorf("%q: code %d, stderr %q", args, code, errs)
		}
	}
	if code, _, _ := execute(t.Context(), "-h"); code != exitOK {
		t.Errorf("-h: code %d", code)
	}
}

// TestCanceled cancels the program at many moments; TestMain sees that nothing is left.
func TestCanceled(t *testing.T) {
	dir := tree(t, small)
	for i := range 40 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*50*time.Microsecond)
		code, out, errs := execute(ctx, dir)
		if code != exitInterrupted && code != exitOK && !strings.Contains(errs, "context") {
			t.Errorf("code %d\n%s%s", code, out, errs)
		}
		cancel()
	}
}

// TestInterrupt sends the program a real signal, as Ctrl-C does.
func TestInterrupt(t *testing.T) {
	cmd := check.Self(t.Context())
	cmd.Env = append(os.Environ(), "PIPELINE_DIR="+goroot(t))
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	if line, err := r.ReadString('\n'); line != "begun\n" {
		t.Errorf("%q, %v", line, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // the exit code says more
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("code %d, want %d", code, exitInterrupted)
	}
	if !strings.Contains(string(out), "interrupted; this is what was counted by then:") {
		t.Errorf("output:\n%s", out)
	}
}

func goroot(t *testing.T) string {
	cfg, err := parse(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.dir
}
