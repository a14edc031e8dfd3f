package stream_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
)

// script is a reader that gives these pieces, and then the error, or with the last one.
type script struct {
	pieces []string
	end    error
	with   bool
	reads  int
}

func (s *script) Read(p []byte) (int, error) {
	s.reads++
	if len(s.pieces) == 0 {
		return 0, s.end
	}
	n := copy(p, s.pieces[0])
	if s.pieces[0] = s.pieces[0][n:]; s.pieces[0] == "" {
		s.pieces = s.pieces[1:]
	}
	if s.with && len(s.pieces) == 0 {
		return n, s.end
	}
	return n, nil
}

func texts(ctx context.Context, s stream.Stream[[]byte]) (texts []string, err error) {
	chunks, err := stream.ReadAll(ctx, s) // all of them are kept
	for _, c := range chunks {
		texts = append(texts, string(c))
	}
	return texts, err
}

func TestFromReader(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, with := range []bool{false, true} {
			for _, end := range []error{io.EOF, errBoom, stream.ErrStop} {
				r := &script{pieces: []string{"ab", "", "c", "", "", "defghijkl"}, end: end, with: with}
				got, err := texts(ctx, stream.FromReader(r, 4))
				if end == io.EOF {
					end = nil
				}
				if err != end {
					t.Errorf("it ends with %v, want %v", err, end)
				}
				if strings.Join(got, "") != "abcdefghijkl" || got[0] != "ab" || slices.ContainsFunc(got, func(s string) bool { return len(s) > 4 || s == "" }) {
					t.Errorf("got %q", got)
				}
			}
		}
		r := &script{pieces: []string{"a", "b"}, end: io.EOF}
		if v, ok, err := stream.First(ctx, stream.FromReader(r, 0)); string(v) != "a" || !ok || err != nil || r.reads != 1 {
			t.Errorf("First() = %q, %t, %v after %d reads", v, ok, err, r.reads)
		}
		if n, err := stream.Count(ctx, stream.FromReader(readerFunc(func([]byte) (int, error) { return 0, nil }), 0)); n != 0 || err != io.ErrNoProgress {
			t.Errorf("of a reader that does nothing: %d, %v", n, err)
		}
	})
	wantPanic(t, "stream: chunks of -1 bytes", func() { stream.FromReader(nil, -1) })
}

// Chunks belong to who receives them, who may append to them.
func TestFromReaderChunksAreApart(t *testing.T) {
	var got []string
	var kept [][]byte
	err := stream.ForEach(t.Context(), stream.FromReader(iotest.OneByteReader(strings.NewReader("abc")), 100), func(_ context.Context, chunk []byte) error {
		kept = append(kept, append(chunk, '!'))
		return nil
	})
	for _, k := range kept {
		got = append(got, string(k))
	}
	if equal(t, got, "a!", "b!", "c!"); err != nil {
		t.Fatal(err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// The chunks are what the reader gives, and keep their content, however large they are.
func TestFromReaderProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 60, 200).Draw(t, "text")
		size := rapid.IntRange(0, 20).Draw(t, "size")
		var r io.Reader = strings.NewReader(text)
		switch rapid.IntRange(0, 3).Draw(t, "reader") {
		case 1:
			r = iotest.OneByteReader(r)
		case 2:
			r = iotest.HalfReader(r)
		case 3:
			r = iotest.DataErrReader(r)
		}
		got, err := texts(t.Context(), stream.FromReader(r, size))
		if strings.Join(got, "") != text || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	})
}

// In a task a Read is off the loop: others go on. It is waited for when the ctx ends, and what it
// gives then goes its way.
func TestFromReaderOffTheLoop(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		pr, pw := io.Pipe()
		limited, cancel := core.WithTimeout(ctx, ms)
		defer cancel()
		writer := core.Start(ctx, func(ctx context.Context) error { // on the same loop, in a task
			if err := core.Sleep(ctx, 5*ms); err != nil {
				return err
			}
			_, err := core.Blocking(ctx, func(context.Context) (int, error) { return pw.Write([]byte("late")) })
			return err
		})
		got, err := texts(limited, stream.FromReader(pr, 0))
		if equal(t, got, "late"); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if err := writer.Wait(ctx); err != nil {
			t.Error(err)
		}
		if got, err := texts(limited, stream.FromReader(pr, 0)); got != nil || err != context.DeadlineExceeded {
			t.Errorf("with a done ctx: %q, %v", got, err)
		}
		// A panic of the reader leaves the sink, as does one of a stage.
		panics := stream.FromReader(readerFunc(func([]byte) (int, error) { panic("in Read") }), 0)
		p := caught(func() { _, _ = stream.Count(ctx, panics) })
		if pe, ok := p.(*core.PanicError); ok {
			p = pe.Value
		}
		if p != "in Read" {
			t.Errorf("panic(%v)", p)
		}
	})
}

type limitedWriter struct {
	strings.Builder
	writes, room int
	err          error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	w.writes++
	n := min(len(p), w.room)
	w.room -= n
	_, _ = w.Builder.Write(p[:n])
	if n < len(p) {
		return n, w.err
	}
	return n, nil
}

func TestToWriter(t *testing.T) {
	type text string
	everywhere(t, func(t *testing.T, ctx context.Context) {
		fails := errors.New("disk full")
		for _, c := range []struct {
			room   int
			err    error
			want   error
			text   string
			writes int
		}{
			{100, nil, errBoom, "abcdef", 3}, // that of the stream
			{5, fails, fails, "abcde", 3},
			{3, fails, fails, "abc", 2},
			{1, nil, io.ErrShortWrite, "a", 1},
			{1, stream.ErrStop, stream.ErrStop, "a", 1},
		} {
			for _, run := range []func(w io.Writer) (int64, error){
				func(w io.Writer) (int64, error) { return stream.ToWriter(ctx, wordsThenBoom[string](), w) },
				func(w io.Writer) (int64, error) { return stream.ToWriter(ctx, wordsThenBoom[[]byte](), w) },
				func(w io.Writer) (int64, error) { return stream.ToWriter(ctx, wordsThenBoom[text](), w) },
			} {
				w := &limitedWriter{room: c.room, err: c.err}
				n, err := run(w)
				if n != int64(len(c.text)) || err != c.want || w.String() != c.text || w.writes != c.writes {
					t.Errorf("%+v: %d, %v, wrote %q in %d", c, n, err, w.String(), w.writes)
				}
			}
		}
		done, cancel := context.WithCancel(ctx)
		cancel()
		src := letters(t, "ab|")
		w := &limitedWriter{room: 9}
		if n, err := stream.ToWriter(done, src, w); n != 0 || err != context.Canceled || w.writes != 0 || src.Len() != 2 {
			t.Errorf("with a done ctx: %d, %v", n, err)
		}
		if n, err := stream.ToWriter(ctx, src, w); n != 2 || err != nil {
			t.Errorf("ToWriter() = %d, %v", n, err)
		}
	})
}

func wordsThenBoom[T ~string | ~[]byte]() stream.Stream[T] {
	return stream.Generate(func(_ context.Context, emit func(T) error) error {
		for _, w := range []string{"ab", "cd", "ef"} {
			if err := emit(T(w)); err != nil {
				return err
			}
		}
		return errBoom
	})
}
