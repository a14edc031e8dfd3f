package stream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/stream"
)

// opening is what Lines opens, and knows what has become of it.
type opening struct {
	io.Reader
	closeErr       error
	opened, closed atomic.Int32
}

func (o *opening) open(context.Context) (io.ReadCloser, error) {
	o.opened.Add(1)
	return o, nil
}

func (o *opening) Close() error {
	o.closed.Add(1)
	return o.closeErr
}

func (o *opening) wantClosed(t *testing.T) {
	t.Helper()
	if opened, closed := o.opened.Load(), o.closed.Load(); opened != 1 || closed != 1 {
		t.Errorf("opened %d times, closed %d times", opened, closed)
	}
}

func TestLines(t *testing.T) {
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			text  string
			limit int
			want  []string
			err   string
		}{
			{"", 0, nil, ""},
			{"a\nbc\n", 0, []string{"a", "bc"}, ""},
			{"a\nbc", 0, []string{"a", "bc"}, ""},
			{"\n\r\n\na", 0, []string{"", "", "", "a"}, ""},
			{"a\r\nb\rc\r", 0, []string{"a", "b\rc"}, ""},
			{"abc\nabc\r\nabc", 3, []string{"abc", "abc", "abc"}, ""},
			{"abc\r", 3, []string{"abc"}, ""},
			{"abc\r\r\n", 3, nil, "stream: line 1 is longer than 3 bytes"},
			{"a\nabcd\nb\n", 3, []string{"a"}, "stream: line 2 is longer than 3 bytes"},
			{"a\n\nabcd", 3, []string{"a", ""}, "stream: line 3 is longer than 3 bytes"},
		} {
			for _, r := range []io.Reader{strings.NewReader(c.text), iotest.OneByteReader(strings.NewReader(c.text))} {
				o := &opening{Reader: r}
				got, err := stream.ReadAll(ctx, stream.Lines(o.open, c.limit))
				if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) || fmt.Sprint(err) != c.err && (err != nil || c.err != "") {
					t.Errorf("%q up to %d: %q, %v", c.text, c.limit, got, err)
				}
				o.wantClosed(t)
			}
		}
	})
	wantPanic(t, "stream: lines of at most -1 bytes", func() { stream.Lines(nil, -1) })
}

// A line that is too long is known to be so at once, without its end.
func TestLinesTooLongAtOnce(t *testing.T) {
	r := &script{pieces: []string{strings.Repeat("x", 12)}, end: errBoom}
	_, err := stream.ReadAll(t.Context(), stream.Lines((&opening{Reader: r}).open, 11))
	if e, ok := errors.AsType[*stream.LongLineError](err); !ok || *e != (stream.LongLineError{Line: 1, Limit: 11}) || r.reads != 1 {
		t.Errorf("%v after %d reads", err, r.reads)
	}
	// Without a limit of its own it is a megabyte; with a huge one memory goes by the line.
	for limit, want := range map[int]int{0: stream.MaxLine, math.MaxInt: 3 * stream.MaxLine} {
		for extra := range 2 {
			line := strings.Repeat("x", min(want, 3*stream.MaxLine-1)+extra)
			got, err := stream.ReadAll(t.Context(), stream.Lines((&opening{Reader: strings.NewReader(line)}).open, limit))
			if tooLong := len(line) > want; tooLong != (err != nil) || !tooLong && got[0] != line {
				t.Errorf("limit %d: %d lines, %v", limit, len(got), err)
			}
		}
	}
}

// Lines gives what bufio.Scanner gives, however the text comes.
// How far ahead of the stages behind the reader is goes by the longest line, and not by the limit.
func TestLinesReadAhead(t *testing.T) {
	const longest = 33_000 // more than one chunk
	r := strings.NewReader(strings.Repeat("x", longest) + "\n" + strings.Repeat("x\n", 100_000))
	left, ahead := r.Len(), 0
	if err := stream.ForEach(t.Context(), stream.Lines((&opening{Reader: r}).open, 0), func(_ context.Context, line string) error {
		left -= len(line) + 1
		ahead = max(ahead, left-r.Len())
		return nil
	}); err != nil || left != 0 || ahead >= 2*longest {
		t.Errorf("it ends with %v, %d bytes left, after reading up to %d ahead", err, left, ahead)
	}
}

// A long line that comes in small pieces: with time that goes by the square of its length this is the better
// part of a minute.
func TestLinesInPieces(t *testing.T) {
	line := strings.Repeat("x", check.Mass(stream.MaxLine))
	r := iotest.OneByteReader(strings.NewReader("a\n" + line + "\nb"))
	got, err := stream.ReadAll(t.Context(), stream.Lines((&opening{Reader: r}).open, 0))
	if !slices.Equal(got, []string{"a", line, "b"}) || err != nil {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

func TestLinesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom([]rune("ab\n\r")), 0, 80, -1).Draw(t, "text")
		pieces := rapid.SliceOfN(rapid.IntRange(1, 9), 1, 5).Draw(t, "pieces")
		with := rapid.Bool().Draw(t, "end comes with the last piece")
		n := rapid.IntRange(0, 30).Draw(t, "take")
		var want []string
		for sc := bufio.NewScanner(strings.NewReader(text)); sc.Scan(); {
			want = append(want, sc.Text())
		}
		r := &script{end: io.EOF, with: with}
		for i, rest := 0, text; rest != ""; i++ {
			k := min(pieces[i%len(pieces)], len(rest))
			r.pieces, rest = append(r.pieces, rest[:k]), rest[k:]
		}
		got, err := stream.ReadAll(t.Context(), stream.Take(stream.Lines((&opening{Reader: r}).open, 0), n))
		if want := want[:min(n, len(want))]; fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) || err != nil {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	})
}

// However it ends, what was opened is closed, once, before the sink returns; and the first
// error counts.
func TestLinesCloses(t *testing.T) {
	text := func(end error, closeErr error) *opening {
		return &opening{Reader: &script{pieces: []string{"a\nb\nc"}, end: end}, closeErr: closeErr}
	}
	stop := func(err error) func(context.Context, string) error {
		return func(_ context.Context, v string) error {
			if v == "b" {
				return err
			}
			return nil
		}
	}
	late := errors.New("close")
	everywhere(t, func(t *testing.T, ctx context.Context) {
		for _, c := range []struct {
			name string
			o    *opening
			fn   func(context.Context, string) error
			want error
		}{
			{"end", text(io.EOF, nil), stop(nil), nil},
			{"error of Read", text(errBoom, late), stop(nil), errBoom},
			{"error of Close", text(io.EOF, late), stop(nil), late},
			{"stop", text(io.EOF, late), stop(stream.ErrStop), nil},
			{"error of the sink", text(io.EOF, late), stop(errBoom), errBoom},
		} {
			if err := stream.ForEach(ctx, stream.Lines(c.o.open, 0), c.fn); err != c.want {
				t.Errorf("%s: %v", c.name, err)
			}
			c.o.wantClosed(t)
		}
		// The beginning of a line that an error cuts off is no line.
		got, err := stream.ReadAll(ctx, stream.Lines(text(errBoom, nil).open, 0))
		if equal(t, got, "a", "b"); err != errBoom {
			t.Error(err)
		}
		// Nothing was opened.
		for _, c := range []struct{ of, want error }{{errBoom, errBoom}, {stream.ErrStop, nil}} {
			fails := func(context.Context) (io.ReadCloser, error) { return nil, c.of }
			if n, err := stream.Count(ctx, stream.Lines(fails, 0)); n != 0 || err != c.want {
				t.Errorf("open fails with %v: %d, %v", c.of, n, err)
			}
		}
		// A panic of the sink, and a Goexit.
		o := text(io.EOF, nil)
		wantPanic(t, "sink", func() {
			_ = stream.ForEach(ctx, stream.Lines(o.open, 0), func(context.Context, string) error { panic("sink") })
		})
		o.wantClosed(t)
		o = text(io.EOF, nil)
		exits := core.Start(ctx, func(ctx context.Context) error {
			return stream.ForEach(ctx, stream.Lines(o.open, 0), func(context.Context, string) error { runtime.Goexit(); return nil })
		})
		if err := exits.Wait(ctx); err != core.ErrGoexit {
			t.Error(err)
		}
		o.wantClosed(t)
		// A cancel between two lines, and during open.
		o = text(io.EOF, late)
		limited, cancel := core.WithCancel(ctx)
		got = nil
		err = stream.ForEach(limited, stream.Lines(o.open, 0), func(_ context.Context, v string) error {
			got = append(got, v)
			cancel()
			return nil
		})
		if equal(t, got, "a"); err != context.Canceled {
			t.Error(err)
		}
		o.wantClosed(t)
		o = text(io.EOF, late)
		limited, cancel = core.WithTimeout(ctx, ms)
		defer cancel()
		slow := func(ctx context.Context) (io.ReadCloser, error) {
			<-ctx.Done()
			return o.open(ctx)
		}
		if n, err := stream.Count(limited, stream.Lines(slow, 0)); n != 0 || err != context.DeadlineExceeded {
			t.Errorf("a cancel during open: %d, %v", n, err)
		}
		o.wantClosed(t)
		if n, err := stream.Count(limited, stream.Lines(func(context.Context) (io.ReadCloser, error) { panic("opened") }, 0)); n != 0 || err != context.DeadlineExceeded {
			t.Errorf("a done ctx: %d, %v", n, err)
		}
	})
}

// Real files, each run anew, in a task and on a goroutine.
func TestLinesOfFiles(t *testing.T) {
	const name = "lines_test.go"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	s := stream.Lines(func(context.Context) (io.ReadCloser, error) { return os.Open(name) }, 0)
	run := func(ctx context.Context) error {
		got, err := stream.ReadAll(ctx, s)
		if err == nil && !slices.Equal(got, lines) {
			err = fmt.Errorf("got %d lines, not the %d of the file", len(got), len(lines))
		}
		return err
	}
	if err := errors.Join(run(t.Context()), core.Run(t.Context(), run)); err != nil {
		t.Fatal(err)
	}
}

// A dispatcher that closes does not wait for ever: what is opened, or read, then is closed all
// the same, once.
func TestLinesOnDispatcherThatCloses(t *testing.T) {
	for _, where := range []string{"open", "read", "close"} {
		synctest.Test(t, func(t *testing.T) {
			d, err := dispatch.New(dispatch.Config{CloseTimeout: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			running := make(chan error)
			go func() { running <- d.Run(context.Background()) }()
			release := make(chan struct{})
			o := &opening{Reader: readerFunc(func([]byte) (int, error) {
				if where == "read" {
					<-release
				}
				return 0, io.EOF
			})}
			open := func(ctx context.Context) (io.ReadCloser, error) {
				if where == "open" {
					<-release
				}
				r, err := o.open(ctx)
				if where == "close" {
					r = slowCloser{r, release}
				}
				return r, err
			}
			sink := core.Start(core.On(t.Context(), d), func(ctx context.Context) error {
				_, err := stream.Count(ctx, stream.Lines(open, 0))
				return err
			})
			synctest.Wait()
			if err := d.Close(); err != nil {
				t.Errorf("%s: Close() = %v", where, err)
			}
			if err := sink.Err(); !errors.Is(err, dispatch.ErrClosed) {
				t.Errorf("%s: %v", where, err)
			}
			<-running
			close(release)
			synctest.Wait()
			o.wantClosed(t)
		})
	}
}

type slowCloser struct {
	io.ReadCloser
	release chan struct{}
}

func (c slowCloser) Close() error {
	<-c.release
	return c.ReadCloser.Close()
}

// A function that has nothing to read and no error panics with that, and not with what the close of nothing says.
func TestLinesOfNoReader(t *testing.T) {
	lines := stream.Lines(func(context.Context) (io.ReadCloser, error) { return nil, nil }, 0)
	want := "stream: the function of Lines has returned neither a reader nor an error"
	everywhere(t, func(t *testing.T, ctx context.Context) {
		if p := caught(func() { _, _ = stream.ReadAll(ctx, lines) }); !strings.Contains(fmt.Sprint(p), want) {
			t.Errorf("it panics with %v", p)
		}
	})
}
