package transport_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// readerOf returns a Reader to which s comes byte by byte.
func readerOf(s string) *transport.Reader {
	return transport.NewReader(iotest.OneByteReader(strings.NewReader(s)), 16)
}

func wantBytes(t *testing.T, got []byte, err error, want string, wantErr error) {
	t.Helper()
	if string(got) != want || !same(err, wantErr) {
		t.Fatalf("got %q, %v, want %q, %v", got, err, want, wantErr)
	}
}

// Seed (2.7, BUG): the match state of readUntil was reset without another look at the byte, so
// that the separator was not found behind a \r.
func TestSeedsReadUntilRestartsItsMatch(t *testing.T) {
	for _, c := range []struct{ in, sep, want string }{
		{"X\r\r\nY", "\r\n", "X\r\r\n"},
		{"\r\r\r\n", "\r\n", "\r\r\r\n"},
		{"aaab.", "aab", "aaab"},
		{"ababac", "abac", "ababac"},
		{"a\r\n\r\r\n\r\n", "\r\n\r\n", "a\r\n\r\r\n\r\n"},
	} {
		got, err := readerOf(c.in).ReadUntil(c.sep, -1)
		wantBytes(t, got, err, c.want, nil)
	}
}

// Seed (2.7, BUG): readLine kept its match state over bytes that did not match, so that "a\rb\n" was a line,
// without its b.
func TestSeedsReadLineNeedsTheWholeSeparator(t *testing.T) {
	r := readerOf("a\rb\n\r\nc\r\n\r\n")
	for _, want := range []string{"a\rb\n", "c", ""} {
		got, err := r.ReadLine("\r\n", 100)
		wantBytes(t, got, err, want, nil)
	}
	if _, err := r.ReadLine("\r\n", 100); err != io.EOF {
		t.Fatal(err)
	}
	r = readerOf("a\rb\nc\r\n\r\r\n")
	for _, want := range []string{"a\rb", "c", "\r"} {
		got, err := r.ReadLine("", 100)
		wantBytes(t, got, err, want, nil)
	}
	r = readerOf("a\rb\nc\r\n")
	for _, want := range []string{"a\rb", "c\r"} {
		got, err := r.ReadLine("\n", 100)
		wantBytes(t, got, err, want, nil)
	}
}

// Seed (2.7): readExactly(0) ends at once, an early end of the stream is an error that is Incomplete.
func TestSeedsReadExactly(t *testing.T) {
	r := transport.NewReader(iotest.ErrReader(errForNow), 0)
	if err := r.ReadExactly(nil); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 16} { // of the buffer: the bytes fit into it, and do not
		r = transport.NewReader(strings.NewReader(strings.Repeat("x", 40)), size)
		p := make([]byte, 30)
		if err := r.ReadExactly(p); err != nil || string(p) != strings.Repeat("x", 30) {
			t.Fatal(err, p)
		}
		err := r.ReadExactly(p)
		var short *transport.IncompleteError
		if !errors.As(err, &short) || short.N != 10 || !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if r.AtEOF() || r.Buffered() != 10 {
			t.Fatal(r.AtEOF(), r.Buffered())
		}
		if err := r.ReadExactly(p[:10]); err != nil || !r.AtEOF() {
			t.Fatal(err)
		}
		if err := r.ReadExactly(p); err != io.EOF {
			t.Fatal(err)
		}
	}
}

// Seed (2.7): readUntil has the separator, readLine has not; a limit of 0 is met at once, an
// empty separator is a mistake of the program.
func TestSeedsReadUntilLimits(t *testing.T) {
	r := readerOf("abc;def;")
	for _, limit := range []int{0, 1, 3} {
		if _, err := r.ReadUntil(";", limit); err != transport.ErrLimit {
			t.Fatalf("limit %d: %v", limit, err)
		}
	}
	got, err := r.ReadUntil(";", 4)
	wantBytes(t, got, err, "abc;", nil)
	if _, err := r.ReadLine(";", 2); err != transport.ErrLimit {
		t.Fatal(err)
	}
	got, err = r.ReadLine(";", 3)
	wantBytes(t, got, err, "def", nil)
	defer func() {
		if p := recover(); p != "transport: empty separator" {
			t.Fatal(p)
		}
	}()
	_, _ = r.ReadUntil("", 1)
}

// Seed (2.7): readLine at the end of the stream has the part that came; here it is told from a line.
func TestSeedsReadLineAtTheEnd(t *testing.T) {
	for _, sep := range []string{"", "\n", "\r\n"} {
		r := readerOf("part\r")
		for range 2 {
			got, err := r.ReadLine(sep, 100)
			wantBytes(t, got, err, "part\r", &transport.IncompleteError{N: 5})
		}
		if n, err := r.Consume(5); n != 5 || err != nil {
			t.Fatal(n, err)
		}
		if got, err := r.ReadLine(sep, 100); len(got) != 0 || err != io.EOF {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// Seed (2.7): readOnce has what is there, at least a byte; read all that comes; read(n) up to n; consume
// counts; at the end atEof.
func TestSeedsReadVerbs(t *testing.T) {
	r := transport.NewReader(strings.NewReader("0123456789abcdefghijklmno"), 16)
	got, err := r.ReadOnce(4)
	wantBytes(t, got, err, "0123", nil)
	got, err = r.ReadOnce(-1)
	wantBytes(t, got, err, "456789abcdef", nil)
	if _, err := r.ReadOnce(0); err != transport.ErrLimit {
		t.Fatal(err)
	}
	if n, err := r.Consume(2); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	some, err := io.ReadAll(io.LimitReader(r, 3))
	wantBytes(t, some, err, "ijk", nil)
	if _, err := r.ReadAll(3); err != transport.ErrLimit {
		t.Fatal(err)
	}
	all, err := r.ReadAll(4)
	wantBytes(t, all, err, "lmno", nil)
	if !r.AtEOF() {
		t.Fatal("not at the end")
	}
	if _, err := r.ReadOnce(1); err != io.EOF {
		t.Fatal(err)
	}
	r = readerOf("abc")
	if n, err := r.Consume(-1); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	r = readerOf("abc")
	if n, err := r.Consume(5); n != 3 || !same(err, &transport.IncompleteError{N: 3}) {
		t.Fatal(n, err)
	}
}

// Seed (2.7): the predicate of readMessage says how much it has used up and whether it is done,
// and sees nothing at the end.
func TestSeedsReadMessage(t *testing.T) {
	r := readerOf("aaabbb")
	var seen []string
	n := 0
	err := r.ReadMessage(10, func(data []byte) (int, bool) {
		seen = append(seen, string(data))
		if len(data) == 0 {
			return 0, true
		}
		n += len(data)
		return len(data), n == 4
	})
	if err != nil || strings.Join(seen, ",") != "a,a,a,b" {
		t.Fatal(err, seen)
	}
	seen = nil
	pairs := func(data []byte) (int, bool) { // two at a time, until the end
		seen = append(seen, string(data))
		return len(data) &^ 1, len(data) == 0
	}
	if err := r.ReadMessage(10, pairs); err != nil || strings.Join(seen, ",") != "b,bb," {
		t.Fatal(err, seen)
	}
	r = readerOf("abc")
	err = r.ReadMessage(-1, func(data []byte) (int, bool) { return len(data) &^ 1, false })
	if !same(err, &transport.IncompleteError{N: 3}) || r.Buffered() != 1 {
		t.Fatal(err, r.Buffered())
	}
	r = readerOf("abc")
	if err := r.ReadMessage(2, func([]byte) (int, bool) { return 0, false }); err != transport.ErrLimit || r.Buffered() != 2 {
		t.Fatal(err, r.Buffered())
	}
	r = readerOf("")
	if err := r.ReadMessage(2, func([]byte) (int, bool) { return 0, false }); err != io.EOF {
		t.Fatal(err)
	}
}

// Seed (2.7): the cancel of a read leaves what is buffered; so does a deadline. The call is made again.
func TestSeedsReaderCanceled(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		ctx, cancel := core.WithCancel(w.ctx)
		r := transport.NewReader(b.With(ctx), 16)
		if _, err := a.Write([]byte("half of a ")); err != nil {
			w.Fatal(err)
		}
		reader := w.start(func(context.Context) error {
			_, err := r.ReadLine("\r\n", 100)
			return err
		})
		w.readWaits(b, 1)
		cancel()
		if err := reader.Wait(w.ctx); !errors.Is(err, context.Canceled) {
			w.Fatal(err)
		}
		if r.Buffered() != 10 {
			w.Fatal(r.Buffered())
		}

		r = transport.NewReader(io.MultiReader(strings.NewReader("half of a "), b), 16)
		if err := b.SetReadDeadline(w.d.Now().Add(time.Millisecond)); err != nil {
			w.Fatal(err)
		}
		p := make([]byte, 23)
		if err := r.ReadExactly(p); !errors.Is(err, os.ErrDeadlineExceeded) || r.Buffered() != 10 {
			w.Fatal(err, r.Buffered())
		}
		if err := b.SetReadDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if _, err := a.Write([]byte("line\r\nand more")); err != nil {
			w.Fatal(err)
		}
		if err := r.ReadExactly(p); err != nil || string(p) != "half of a line\r\nand mor" {
			w.Fatal(err, string(p))
		}
	})
}

// A second call while one waits is refused: it would find the buffer in the hands of the first.
func TestReaderRefusesASecondCall(t *testing.T) {
	err := core.Run(t.Context(), func(ctx context.Context) error {
		r, w := io.Pipe()
		defer w.Close()
		ask, answer := transport.NewReader(taskReader{ctx, r}, 0), make([]byte, 1)
		first := core.Start(ctx, func(context.Context) error { return ask.ReadExactly(answer) })
		func() {
			defer func() {
				if p := recover(); p != "transport: second call of a Reader while one waits" {
					t.Error(p)
				}
			}()
			_, _ = ask.ReadLine("", 1)
		}()
		go w.Write([]byte("x"))
		return first.Wait(ctx)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// taskReader reads off the loop.
type taskReader struct {
	ctx context.Context
	r   io.Reader
}

func (r taskReader) Read(p []byte) (int, error) {
	return core.Blocking(r.ctx, func(context.Context) (int, error) { return r.r.Read(p) })
}

func TestReaderIsAnIOReader(t *testing.T) {
	text := []byte(strings.Repeat("some text\n", 1000))
	for _, size := range []int{16, 100, 1 << 20} {
		if err := iotest.TestReader(transport.NewReader(bytes.NewReader(text), size), text); err != nil {
			t.Error(err)
		}
		if err := iotest.TestReader(transport.NewReader(iotest.DataErrReader(bytes.NewReader(text)), size), text); err != nil {
			t.Error(err)
		}
	}
}

// WriteTo loses nothing when the writer fails.
func TestReaderWriteToFails(t *testing.T) {
	r := transport.NewReader(strings.NewReader("0123456789"), 0)
	n, err := r.WriteTo(&failing{left: 4})
	if n != 4 || err != errForNow {
		t.Fatal(n, err)
	}
	var rest bytes.Buffer
	if n, err := r.WriteTo(&rest); n != 6 || err != nil || rest.String() != "456789" {
		t.Fatal(n, err, rest.String())
	}
}

// failing is a writer with little room.
type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n < len(p) {
		return n, errForNow
	}
	return n, nil
}

// An error that comes with bytes is told behind them, once.
func TestReaderErrorBehindBytes(t *testing.T) {
	for _, size := range []int{1, 100} { // Read goes past the buffer, or through it
		errs := []error{errForNow, nil}
		in := &pieces{data: []byte("abcd")}
		in.next = func() (int, error) {
			if len(errs) == 0 {
				return 0, io.EOF
			}
			err := errs[0]
			errs = errs[1:]
			return 2, err
		}
		r := transport.NewReader(in, size)
		p := make([]byte, 20)
		n, err := r.Read(p)
		wantBytes(t, p[:n], err, "ab", nil)
		if n, err := r.Read(p); n != 0 || err != errForNow {
			t.Fatal(n, err)
		}
		got, err := r.Peek(10)
		wantBytes(t, got, err, "cd", &transport.IncompleteError{N: 2})
	}
}

func TestReaderNoProgress(t *testing.T) {
	r := transport.NewReader(&pieces{data: []byte("x"), next: func() (int, error) { return 0, nil }}, 0)
	if _, err := r.ReadByte(); err != io.ErrNoProgress {
		t.Fatal(err)
	}
}

// A buffer that has grown is not kept for ever.
func TestReaderGivesBackItsBuffer(t *testing.T) {
	r := transport.NewReader(io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)+"\n"),
		strings.NewReader("y\n")), 0)
	if _, err := r.ReadLine("", -1); err != nil || r.Cap() < 1<<20 {
		t.Fatal(err, r.Cap())
	}
	if _, err := r.ReadLine("", -1); err != nil || r.Cap() > 4096 {
		t.Fatal(err, r.Cap())
	}
}

// endless is a stream without an end.
type endless struct{ text string }

func (e endless) Read(p []byte) (int, error) {
	for n := 0; ; {
		k := copy(p[n:], e.text)
		if n += k; k < len(e.text) {
			return n, nil
		}
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	r := transport.NewReader(endless{"a line of text\r\n"}, 0)
	p, big := make([]byte, 100), make([]byte, 10000)
	_, _ = r.Peek(1)
	for name, fn := range map[string]func() error{
		"ReadExactly":            func() error { return r.ReadExactly(p) },
		"ReadExactly, large":     func() error { return r.ReadExactly(big) },
		"ReadLine":               func() error { _, err := r.ReadLine("\r\n", 100); return err },
		"ReadLine of any kind":   func() error { _, err := r.ReadLine("", 100); return err },
		"ReadUntil":              func() error { _, err := r.ReadUntil("text\r\na line", 100); return err },
		"ReadOnce":               func() error { _, err := r.ReadOnce(10); return err },
		"ReadByte":               func() error { _, err := r.ReadByte(); return err },
		"Peek":                   func() error { _, err := r.Peek(50); return err },
		"Read":                   func() error { _, err := r.Read(p); return err },
		"Consume":                func() error { _, err := r.Consume(5000); return err },
		"ReadMessage and its fn": func() error { return r.ReadMessage(100, func([]byte) (int, bool) { return 1, true }) },
	} {
		var err error
		n := testing.AllocsPerRun(1000, func() {
			if err == nil {
				err = fn()
			}
		})
		if n != 0 || err != nil {
			t.Errorf("%s: %v allocations, %v", name, n, err)
		}
	}
}

func BenchmarkReadLine(b *testing.B) {
	line := "some header: with its value\r\n"
	b.Run("impl=turnstile", func(b *testing.B) {
		r := transport.NewReader(endless{line}, 4096)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.ReadLine("", 1000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("impl=bufio", func(b *testing.B) {
		r := bufio.NewReaderSize(endless{line}, 4096)
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := r.ReadLine(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
