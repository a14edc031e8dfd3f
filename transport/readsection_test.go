package transport_test

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// A section of a file is sent from where it stands to its end, and the offset of the file is left alone.
// (Seeds 2.7 writeFile with an offset.)
func TestSeedsReadFromSection(t *testing.T) {
	everyWay(t, func(w *world) {
		data := noise(2<<20 + 17)
		f := w.file(data)
		defer f.Close()
		for name, row := range map[string]struct {
			section func() io.Reader
			want    []byte
		}{
			"whole":          {func() io.Reader { return io.NewSectionReader(f, 0, int64(len(data))) }, data},
			"middle":         {func() io.Reader { return io.NewSectionReader(f, 1000, 1<<20) }, data[1000 : 1000+1<<20]},
			"beyond the end": {func() io.Reader { return io.NewSectionReader(f, 2<<20, 1<<40) }, data[2<<20:]},
			"all there is":   {func() io.Reader { return io.NewSectionReader(f, 5, 1<<63-1) }, data[5:]},
			"nothing":        {func() io.Reader { return io.NewSectionReader(f, 5, 0) }, nil},
			"read from":      {func() io.Reader { return moved(f, 100, 300<<10, 7) }, data[107 : 100+300<<10]},
			"limited":        {func() io.Reader { return io.LimitReader(moved(f, 100, 500, 7), 50) }, data[107:157]},
			"of memory":      {func() io.Reader { return io.NewSectionReader(bytes.NewReader(data), 3, 9) }, data[3:12]},
		} {
			a, b := w.pair()
			var got []byte
			reader := w.all(b, &got)
			r := row.section()
			n, err := io.Copy(a, r)
			if n != int64(len(row.want)) || err != nil {
				w.Errorf("%s: %d, %v; want %d", name, n, err, len(row.want))
			}
			if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				w.Errorf("%s: what is left is %d, %v", name, n, err)
			}
			a.Close()
			w.join(reader)
			b.Close()
			if !bytes.Equal(got, row.want) {
				w.Errorf("%s: the peer got %d bytes, want %d", name, len(got), len(row.want))
			}
			if at, err := f.Seek(0, io.SeekCurrent); at != 0 || err != nil {
				w.Errorf("%s: the file stands at %d, %v", name, at, err)
			}
		}
	})
}

// moved returns a section of which n bytes are read.
func moved(f *os.File, off, size, n int64) *io.SectionReader {
	s := io.NewSectionReader(f, off, size)
	_, _ = s.Seek(n, io.SeekStart) // cannot fail
	return s
}
