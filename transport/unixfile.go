package transport

import (
	"io/fs"
	"os"
	"strings"
	"sync"
)

// socketFile is the file that a Unix socket has made by binding itself to a name. The zero value is none.
type socketFile struct {
	name string
	info fs.FileInfo // as it was made

	mu    sync.Mutex // guards what follows
	stays bool
	gone  bool // remove has been called
}

// made notes that a socket has just been bound to name.
func (f *socketFile) made(name string) {
	if name == "" || abstractNames && strings.HasPrefix(name, "@") {
		return
	}
	if info, err := os.Lstat(name); err == nil {
		f.name, f.info = name, info
	}
}

func (f *socketFile) keep(stays bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stays = stays
}

// remove removes the file when it is called for the first time, if it is not to stay. What somebody has
// put in its place since, another server of the same name perhaps, is left alone.
func (f *socketFile) remove() {
	f.mu.Lock()
	defer f.mu.Unlock()
	again := f.gone
	f.gone = true
	if again || f.stays || f.name == "" {
		return
	}
	info, err := os.Lstat(f.name)
	// The time tells it from a file that has been given the number of ours.
	if err == nil && os.SameFile(info, f.info) && info.ModTime().Equal(f.info.ModTime()) {
		_ = os.Remove(f.name)
	}
}
