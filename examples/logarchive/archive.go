package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// archive writes lines to gzip files, one after the other, each of which is closed when it has
// max bytes.
type archive struct {
	dir   string
	max   int64
	begun func(name string) // is told of each file

	file *os.File // nil before the first line of a file
	gz   *gzip.Writer
	size int64 // of file

	number                int // of the last file
	lines, batches, files int
	bytes                 int64 // of all files
}

// write adds lines. When it returns they have been given to the operating system, with all that
// is needed to unpack them.
func (a *archive) write(lines []string) error {
	if a.file == nil {
		if err := a.begin(); err != nil {
			return err
		}
	}
	for _, line := range lines {
		if _, err := io.WriteString(a.gz, line+"\n"); err != nil {
			return err
		}
	}
	if err := a.gz.Flush(); err != nil {
		return err
	}
	a.lines += len(lines)
	a.batches++
	if a.size >= a.max {
		return a.close()
	}
	return nil
}

// begin opens the file with the first number that is free.
func (a *archive) begin() error {
	for {
		a.number++
		name := filepath.Join(a.dir, fmt.Sprintf("archive-%06d.gz", a.number))
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		a.file, a.size = file, 0
		a.gz = gzip.NewWriter(counter{file, &a.size})
		a.files++
		a.begun(name)
		return nil
	}
}

// close ends the file, if there is one. Then it is on the disk.
func (a *archive) close() error {
	if a.file == nil {
		return nil
	}
	err := errors.Join(a.gz.Close(), a.file.Sync(), a.file.Close())
	a.file = nil
	a.bytes += a.size
	return err
}

// counter is a writer that counts.
type counter struct {
	io.Writer
	n *int64
}

func (c counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	*c.n += int64(n)
	return n, err
}
