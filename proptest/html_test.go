package proptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// written runs a check that is to fail, and returns the page and its path.
func written(t *testing.T, name string, prop func(p *proptest.P), opts ...proptest.Option) (page, file string) {
	t.Helper()
	dir := folder(t)
	r := check.Record(name, func(r *check.Recorder) { proptest.Check(r, prop, opts...) })
	m := regexp.MustCompile(`\npage: +(.*)\n`).FindStringSubmatch(r.Output())
	if m == nil {
		t.Fatalf("no path of a page:\n%s", r.Output())
	}
	file = m[1]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 || files[0] != file {
		t.Errorf("the folder has %q, not only %q", files, file)
	}
	return string(text), file
}

// dataOf returns what the script of a page knows.
func dataOf(t *testing.T, page string) (d struct {
	Tasks, Things []string
	Circle        []int
	Steps         []struct {
		Step, Actor  int
		Passed       string
		Before       []string
		Tasks        []struct{ State, Text string }
		Holds, Edges []map[string]any
	}
},
) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^const data = (.*);$`).FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no data in the page:\n%s", page)
	}
	if err := json.Unmarshal([]byte(m[1]), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPage(t *testing.T) {
	page, file := written(t, "TestTables", twoLocks)
	if base := filepath.Base(file); base != "proptest-proptest-TestTables.html" {
		t.Errorf("the file is %s", base)
	}
	d := dataOf(t, page)
	if len(d.Tasks) != 2 || len(d.Steps) != 4 || len(d.Circle) != 3 {
		t.Fatalf("the data are %+v", d)
	}
	last := d.Steps[3]
	if len(last.Holds) != 2 || len(last.Edges) != 2 || last.Tasks[0].State != "waits" || last.Actor != 1 {
		t.Errorf("the last step is %+v", last)
	}
	if !strings.Contains(last.Tasks[0].Text, "for table b, held by w1 since step 1") {
		t.Errorf("the first task %s", last.Tasks[0].Text)
	}
	for _, want := range []string{"<title>TestTables: ", "a circle of waits: w0 -&gt; w1 -&gt; w0", "go test -run &#39;^TestTables$&#39;"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not in the page", want)
		}
	}
}

func TestPageOfPlan(t *testing.T) {
	page, _ := written(t, "TestPool/one slot", lostSlot, proptest.Replay("d1@1 c2@3"))
	d := dataOf(t, page)
	if d.Steps[1].Passed != "guest 0" {
		t.Errorf("step 1 has passed %q", d.Steps[1].Passed)
	}
	if b := d.Steps[3].Before; len(b) != 1 || b[0] != "guest 1 is canceled" {
		t.Errorf("before step 3: %q", b)
	}
	if !strings.Contains(page, "deviations from FIFO: step 1 ran guest 1 before guest 0") {
		t.Error("the page does not tell of the deviation")
	}
}

// A second failure of a test replaces the page of the first.
func TestPageAgain(t *testing.T) {
	_, first := written(t, "TestTables", twoLocks)
	dir := os.Getenv("TURNSTILE_REPORTS")
	check.Record("TestTables", func(r *check.Recorder) { proptest.Check(r, twoLocks) })
	if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) != 1 || files[0] != first {
		t.Errorf("the folder has %q, not only %q", files, first)
	}
}

// evil does harm where it is not escaped: in a text, in an attribute, and in a script.
const evil = `</script><img src=x onerror="document.title='harmed'">'];document.title='harmed';//<!--`

// evilNames has it everywhere where the code under test gives names.
func evilNames(p *proptest.P) {
	var l lock.AsyncLock
	p.Name(&l, evil)
	for range 2 {
		p.Go(evil, func(ctx context.Context) error {
			done := p.Op(ctx, evil, evil)
			if err := l.Acquire(ctx); err != nil {
				return err
			}
			if err := core.Yield(ctx); err != nil {
				return err
			}
			done(evil)
			return errors.New(evil)
		})
	}
	p.Always(evil, func() bool { return true })
}

func TestPageEscapes(t *testing.T) {
	page, _ := written(t, "Test/"+evil, evilNames)
	if strings.Contains(page, "<img") || strings.Count(page, "<script") != 1 || strings.Count(page, "</script") != 1 || strings.Contains(page, "<!--") {
		t.Errorf("a name is part of the page:\n%s", page)
	}
	if d := dataOf(t, page); d.Tasks[0] != evil || d.Things[0] != evil {
		t.Errorf("the names have become %q and %q", d.Tasks[0], d.Things[0])
	}
}

// Nothing in the page comes from elsewhere.
func TestPageAlone(t *testing.T) {
	page, _ := written(t, "TestTables", twoLocks)
	page = strings.ReplaceAll(page, "'http://www.w3.org/2000/svg'", "")
	for _, never := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "fetch(", "innerHTML"} {
		if strings.Contains(page, never) {
			t.Errorf("%q is in the page", never)
		}
	}
}

func TestPageFolder(t *testing.T) {
	dir := folder(t)
	if runtime.GOOS != "windows" { // where it has no meaning
		_, file := written(t, "TestTables", twoLocks)
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("the page: %v, %v", info, err)
		}
	}
	for value, want := range map[string]string{
		"off":                       "",
		filepath.Join(dir, "later"): "page:    " + filepath.Join(dir, "later", "proptest-proptest-TestTables.html"),
	} {
		t.Setenv("TURNSTILE_REPORTS", value)
		r := check.Record("TestTables", func(r *check.Recorder) { proptest.Check(r, twoLocks) })
		if want == "" && strings.Contains(r.Output(), "page:") || !strings.Contains(r.Output(), want) {
			t.Errorf("%s: no %q:\n%s", value, want, r.Output())
		}
	}
	_ = os.Remove(filepath.Join(dir, "later", "proptest-proptest-TestTables.html"))

	// A file is in the way of the folder.
	blocked := filepath.Join(dir, "blocked")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TURNSTILE_REPORTS", blocked)
	r := check.Record("TestTables", func(r *check.Recorder) { proptest.Check(r, twoLocks) })
	if !strings.Contains(r.Output(), "page:    none: ") || !strings.Contains(r.Output(), "a circle of waits") {
		t.Errorf("the report is\n%s", r.Output())
	}
}
