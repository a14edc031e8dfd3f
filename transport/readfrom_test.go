package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// noise returns n bytes that look like nothing else.
func noise(n int) []byte {
	p := make([]byte, n)
	rnd := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	return p
}

// file returns a file with the bytes p, at its beginning.
func (w *world) file(p []byte) *os.File {
	w.Helper()
	name := filepath.Join(w.TempDir(), "f")
	if err := os.WriteFile(name, p, 0o600); err != nil {
		w.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		w.Fatal(err)
	}
	return f
}

// all starts a task that reads all there is until the end of c.
func (w *world) all(c io.Reader, got *[]byte) *core.Task {
	return w.start(func(context.Context) (err error) { *got, err = io.ReadAll(c); return err })
}

// Files are sent from where they stand, and stand behind what was sent. (Seeds 2.7 writeFile.)
func TestSeedsReadFromFile(t *testing.T) {
	everyWay(t, func(w *world) {
		data := noise(3<<20 + 17)
		for name, send := range map[string]struct {
			send func(c *transport.Conn, f *os.File) (int64, error)
			n    int
		}{
			"ReadFrom": {func(c *transport.Conn, f *os.File) (int64, error) { return c.ReadFrom(f) }, len(data) - 5},
			"io.Copy":  {func(c *transport.Conn, f *os.File) (int64, error) { return io.Copy(c, f) }, len(data) - 5},
			"io.CopyN": {func(c *transport.Conn, f *os.File) (int64, error) { return io.CopyN(c, f, 1<<20) }, 1 << 20},
			"limited": {func(c *transport.Conn, f *os.File) (int64, error) {
				l := &io.LimitedReader{R: f, N: 1 << 30}
				n, err := c.ReadFrom(l)
				if l.N != 1<<30-n {
					w.Errorf("%d bytes left of the limit, want %d", l.N, 1<<30-n)
				}
				return n, err
			}, len(data) - 5},
			"nothing": {func(c *transport.Conn, f *os.File) (int64, error) { return c.ReadFrom(&io.LimitedReader{R: f}) }, 0},
		} {
			a, b := w.pair()
			f := w.file(data)
			if _, err := f.Seek(5, io.SeekStart); err != nil {
				w.Fatal(err)
			}
			var got []byte
			reader := w.all(b, &got)
			n, err := send.send(a, f)
			if n != int64(send.n) || err != nil {
				w.Errorf("%s: %d, %v, want %d", name, n, err, send.n)
			}
			if at, err := f.Seek(0, io.SeekCurrent); at != int64(5+send.n) || err != nil {
				w.Errorf("%s: the file stands at %d, %v", name, at, err)
			}
			f.Close()
			a.Close()
			w.join(reader)
			if !bytes.Equal(got, data[5:5+send.n]) {
				w.Errorf("%s: the peer got %d bytes, not what was sent", name, len(got))
			}
			b.Close()
		}
	})
}

// What is no file is copied, and its error comes back as it is.
func TestReadFromReader(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		var got []byte
		reader := w.all(b, &got)
		if n, err := a.ReadFrom(strings.NewReader("plain ")); n != 6 || err != nil {
			w.Errorf("ReadFrom = %d, %v", n, err)
		}
		r, wr, err := os.Pipe()
		if err != nil {
			w.Fatal(err)
		}
		if _, err := wr.WriteString("pipe"); err != nil {
			w.Fatal(err)
		}
		wr.Close()
		if n, err := a.ReadFrom(r); n != 4 || err != nil {
			w.Errorf("ReadFrom = %d, %v", n, err)
		}
		r.Close()
		oops := errors.New("oops")
		if n, err := a.ReadFrom(io.MultiReader(strings.NewReader("!"), broken{oops})); n != 1 || err != oops {
			w.Errorf("ReadFrom = %d, %v", n, err)
		}
		a.Close()
		w.join(reader)
		if string(got) != "plain pipe!" {
			w.Errorf("the peer got %q", got)
		}
		_, err = a.ReadFrom(w.file([]byte("x")))
		if !errors.Is(err, net.ErrClosed) {
			w.Error(err)
		}
		_, err = a.ReadFrom(strings.NewReader("x"))
		w.isOpError(err, "write", net.ErrClosed)
	})
}

type broken struct{ error }

func (b broken) Read([]byte) (int, error) { return 0, b.error }

// A file that is being sent stands in line with the writers, and they with it. It ends with the
// task, the deadline and Close, and tells how much was sent.
func TestReadFromWaits(t *testing.T) {
	everyWay(t, func(w *world) {
		data := noise(12 << 20)
		for _, end := range []func(c *transport.Conn){
			func(c *transport.Conn) { _ = c.SetWriteDeadline(time.Now()) },
			func(c *transport.Conn) { c.Close() },
			nil,
		} {
			if end == nil && !sendsFiles {
				continue // pieces are written, and others may come between
			}
			a, b := w.pair()
			f := w.file(data)
			var n int64
			sender := w.start(func(context.Context) (err error) { n, err = a.ReadFrom(f); return err })
			w.writeWaits(a, 1)
			behind := w.start(func(context.Context) error { _, err := a.Write([]byte("behind")); return err })
			w.writeWaits(a, 2)
			want := data
			var got []byte
			if end == nil {
				reader := w.all(b, &got)
				w.join(sender, behind)
				want = append(data[:len(data):len(data)], "behind"...)
				a.Close()
				w.join(reader)
			} else {
				end(a)
				if err := sender.Wait(w.ctx); err == nil || n == 0 || n == int64(len(data)) {
					w.Errorf("%d bytes, %v", n, err)
				}
				if err := behind.Wait(w.ctx); err == nil {
					w.Error("the other has written")
				}
				want = data[:n]
				a.Close()
				w.join(w.all(b, &got))
			}
			if !bytes.Equal(got, want) {
				w.Errorf("the peer got %d bytes, want %d", len(got), len(want))
			}
			f.Close()
			b.Close()
		}
	})
}

// filtered is a reader that happens to have all methods of a file.
type filtered struct{ *os.File }

func (f filtered) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

func (f filtered) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	copy(p, bytes.ToUpper(p[:n]))
	return n, err
}

// What embeds a file is read by its own methods. (Its WriteTo, which io.Copy would ask, is that of the file.)
func TestReadFromFiltered(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		f := filtered{w.file([]byte("hello"))}
		defer f.Close()
		a, b := w.pair()
		defer b.Close()
		var got []byte
		reader := w.all(b, &got)
		for _, r := range []io.Reader{io.LimitReader(f, 2), io.NewSectionReader(f, 1, 3)} {
			if _, err := a.ReadFrom(r); err != nil {
				w.Error(err)
			}
		}
		a.Close()
		w.join(reader)
		if string(got) != "HEELL" {
			w.Errorf("the peer got %q", got)
		}
	})
}
