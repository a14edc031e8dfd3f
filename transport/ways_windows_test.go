package transport_test

import "os"

// TempDir is that of testing.T, which under Wine fails to remove what is in its folder: os.RemoveAll
// opens files in a way that Wine 8 does not know. A file that is still open stays.
func (w *world) TempDir() string {
	w.Helper()
	dir, err := os.MkdirTemp("", "turnstile")
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			_ = os.Remove(dir + "/" + f.Name())
		}
		_ = os.Remove(dir)
	})
	return dir
}
