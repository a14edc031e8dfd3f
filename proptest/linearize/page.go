package linearize

import (
	"os"
	"path/filepath"
	"regexp"

	"github.com/anishathalye/porcupine"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// reportsFolder is the environment variable that says where pages go, here as in package proptest.
const reportsFolder = "TURNSTILE_REPORTS"

// report writes the page of a history and logs where it is.
func report[S any](t proptest.TB, model Model[S], history []proptest.Operation) {
	t.Helper()
	dir := os.Getenv(reportsFolder)
	switch dir {
	case "off":
		return
	case "":
		dir = os.TempDir()
	}
	path, err := page(dir, t.Name(), model, history)
	if err != nil {
		t.Logf("linearize: no page of the history: %v", err)
		return
	}
	t.Logf("linearize: the history, and how far the model can follow: %s", path)
}

// notInNames is what the name of a file should not have.
var notInNames = regexp.MustCompile(`[^A-Za-z0-9_]+`)

// page writes the page of a history. The next one of the same test takes its place.
func page[S any](dir, test string, model Model[S], history []proptest.Operation) (path string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	base := "linearize-" + notInNames.ReplaceAllString(test, "-")
	// Written under a name that nobody can have prepared, and renamed.
	f, err := os.CreateTemp(dir, base+"-*.html")
	if err != nil {
		return "", err
	}
	var g guard
	pm := model.porcupine(&g)
	pm.Partition = model.parts
	_, info := porcupine.CheckOperationsVerbose(pm, operations(history), 0)
	g.release()
	err = porcupine.Visualize(pm, info, f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	path = filepath.Join(dir, base+".html")
	if os.Rename(f.Name(), path) != nil {
		return f.Name(), nil // that of another user is in the way
	}
	return path, nil
}
