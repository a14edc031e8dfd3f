//go:build browser

package proptest_test

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// shown is what a page has become in a browser, behind a step that the address names: the page with more
// in front of its end, and what the browser has said about it.
func shown(t *testing.T, page, step, more string) (dom string) {
	t.Helper()
	browser := os.Getenv("TURNSTILE_BROWSER")
	if browser == "" {
		browser = "chromium"
	}
	dir, err := os.MkdirTemp("", "browser")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "page.html")
	if err := os.WriteFile(file, []byte(strings.Replace(page, "</body>", more+"</body>", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := url.URL{Scheme: "file", Path: filepath.ToSlash(file), Fragment: step}
	cmd := exec.Command(browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--window-size=1280,900", "--dump-dom", address.String())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", browser, err, errs.String())
	}
	for line := range strings.Lines(errs.String()) {
		if strings.Contains(line, "CONSOLE") {
			t.Errorf("the console says: %s", line)
		}
	}
	return out.String()
}

// panel returns the text of the panel of the selected step.
func panel(t *testing.T, dom string) string {
	t.Helper()
	m := regexp.MustCompile(`(?s)<section[^>]*id="panel"[^>]*>(.*?)</section>`).FindStringSubmatch(dom)
	if m == nil {
		t.Fatalf("no panel in\n%s", dom)
	}
	return regexp.MustCompile(`(<[^>]*>)+`).ReplaceAllString(m[1], "|")
}

func wantIn(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestBrowserDeadlock(t *testing.T) {
	page, _ := written(t, "TestTables", twoLocks)
	dom := shown(t, page, "", "")
	wantIn(t, panel(t, dom), "|Step 3: w1|", "where it fails", "|w0|waits in lock.AsyncLock.Do",
		"held by w1 since step 1", "|holds table b since step 1")
	if n := strings.Count(dom, `class="arrow circle"`); n != 2 {
		t.Errorf("%d arrows in the circle", n)
	}
	if n := strings.Count(dom, `class="column`); n != 4 {
		t.Errorf("%d columns", n)
	}
}

// Steps are selected by the address, by the keyboard and by the mouse.
func TestBrowserSelect(t *testing.T) {
	page, _ := written(t, "TestPool", lostSlot, proptest.Replay("d1@1 c2@3"))
	dom := shown(t, page, "1", "")
	wantIn(t, panel(t, dom), "|Step 1: guest 1|", "runs before guest 0, against the FIFO")
	wantIn(t, dom, `class="deviation"`, `class="cross"`, `class="clock"`, `class="end"`)
	press := func(keys string) string {
		return `<script>for (const key of '` + keys + `'.split(' ')) dispatchEvent(new KeyboardEvent('keydown', {key: key}));</script>`
	}
	wantIn(t, panel(t, shown(t, page, "", press("ArrowLeft ArrowLeft"))), "|Step 6: boss|")
	wantIn(t, panel(t, shown(t, page, "", press("Home ArrowLeft ArrowRight ArrowRight ArrowRight"))), "|Step 3: guest 1|", "before it: guest 1 is canceled")
	mouse := func(event string) string {
		return `<script>document.querySelector('rect[data-step="4"]').dispatchEvent(new MouseEvent('` + event + `'));</script>`
	}
	wantIn(t, panel(t, shown(t, page, "", mouse("mouseenter"))), "|Step 4: boss.1|", "at 1s")
	wantIn(t, panel(t, shown(t, page, "", mouse("mouseenter")+mouse("mouseleave"))), "|Step 8: boss|")
	wantIn(t, panel(t, shown(t, page, "", mouse("click")+mouse("mouseleave"))), "|Step 4: boss.1|")
}

func TestBrowserEscapes(t *testing.T) {
	page, _ := written(t, "Test/"+evil, evilNames)
	dom := shown(t, page, "", "")
	if strings.Contains(dom, "<img") || strings.Contains(dom, "<title>harmed") {
		t.Errorf("a name is part of the page:\n%s", dom)
	}
	wantIn(t, panel(t, dom), "&lt;/script&gt;&lt;img src=x")
}
