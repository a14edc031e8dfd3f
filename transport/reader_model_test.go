package transport_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/transport"
)

// errForNow is an error after which a stream goes on.
var errForNow = errors.New("for now")

// pieces is a stream that comes in pieces, with errors between them that pass.
type pieces struct {
	data  []byte
	next  func() (n int, err error) // what comes next: up to n bytes, and an error with them
	given int
}

func (p *pieces) Read(b []byte) (int, error) {
	n, err := p.next()
	n = copy(b[:min(n, len(b))], p.data[p.given:])
	p.given += n
	if err == io.EOF && p.given < len(p.data) {
		err = nil // b was too small for the last piece
	}
	if p.given == len(p.data) && err == nil && n == 0 {
		err = io.EOF
	}
	return n, err
}

// drawn returns data in pieces that rapid draws.
func drawn(t *rapid.T, data []byte) *pieces {
	sizes := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 20).Draw(t, "sizes of the pieces")
	i, empty := 0, 0
	p := &pieces{data: data}
	p.next = func() (int, error) {
		n := sizes[i%len(sizes)]
		i++
		switch {
		case n == 9:
			empty = 0
			if len(data)-p.given <= 8 {
				return 8, io.EOF
			}
			return 8, nil
		case n == 0 && empty < 5:
			empty++
			return 0, nil
		case n < 3 && empty < 5:
			empty++
			return n, errForNow
		}
		empty = 0
		return n + 1, nil
	}
	return p
}

// text draws bytes in which the separators of the tests are frequent.
func text(t *rapid.T, name string, most int) []byte {
	return rapid.SliceOfN(rapid.SampledFrom([]byte("ab\r\n")), 0, most).Draw(t, name)
}

// model is what a Reader does when all there will ever be is there.
type model struct{ left []byte }

func (m *model) take(n int) string {
	s := string(m.left[:n])
	m.left = m.left[n:]
	return s
}

func (m *model) short(n int) error {
	if n == 0 {
		return io.EOF
	}
	return &transport.IncompleteError{N: n}
}

func (m *model) exactly(n int) (string, error) {
	if n > len(m.left) {
		return "", m.short(len(m.left))
	}
	return m.take(n), nil
}

// end finds where a line ends that may be limit bytes long, and where the next one begins.
func end(left []byte, sep string, limit int) (stop, next int, err error) {
	i := bytes.Index(left, []byte(sep))
	if sep == "" {
		i = bytes.IndexByte(left, '\n')
		stop, next = i, i+1
		if i > 0 && left[i-1] == '\r' {
			stop--
		}
	} else {
		stop, next = i, i+len(sep)
	}
	if i >= 0 {
		if limit >= 0 && stop > limit {
			return 0, 0, transport.ErrLimit
		}
		return stop, next, nil
	}
	// It is too long, unless its last bytes may be a part of what ends it.
	if limit >= 0 {
		rest := len(left)
		for k := len(left); k >= 0 && k > len(left)-max(len(sep), 2); k-- {
			if sep != "" && strings.HasPrefix(sep, string(left[k:])) || sep == "" && string(left[k:]) == "\r" {
				rest = k
			}
		}
		if rest > limit {
			return 0, 0, transport.ErrLimit
		}
	}
	return 0, 0, io.EOF
}

func (m *model) line(sep string, limit int) (string, error) {
	stop, next, err := end(m.left, sep, limit)
	switch err {
	case nil:
		return m.take(next)[:stop], nil
	case io.EOF:
		return string(m.left), m.short(len(m.left))
	}
	return "", err
}

func (m *model) until(sep string, limit int) (string, error) {
	if limit >= 0 && limit < len(sep) {
		return "", transport.ErrLimit
	}
	most := -1
	if limit >= 0 {
		most = limit - len(sep)
	}
	_, next, err := end(m.left, sep, most)
	switch err {
	case nil:
		return m.take(next), nil
	case io.EOF:
		return string(m.left), m.short(len(m.left))
	}
	return "", err
}

func (m *model) all(limit int) (string, error) {
	if limit >= 0 && len(m.left) > limit {
		return "", transport.ErrLimit
	}
	return m.take(len(m.left)), nil
}

// message takes frames: a byte that says how many follow.
func (m *model) message(limit int) (string, error) {
	if len(m.left) == 0 {
		if limit == 0 {
			return "", transport.ErrLimit
		}
		return "", io.EOF
	}
	n := 1 + int(m.left[0])%7
	switch {
	case len(m.left) >= n:
		return m.take(n), nil
	case limit >= 0 && len(m.left) >= limit:
		return "", transport.ErrLimit
	}
	return "", m.short(len(m.left))
}

// frame is what ReadMessage asks, for model.message.
func frame(got *string) func([]byte) (int, bool) {
	return func(data []byte) (int, bool) {
		if len(data) == 0 || len(data) < 1+int(data[0])%7 {
			return 0, false
		}
		n := 1 + int(data[0])%7
		*got = string(data[:n])
		return n, true
	}
}

func same(a, b error) bool {
	var x, y *transport.IncompleteError
	if errors.As(a, &x) && errors.As(b, &y) {
		return *x == *y && errors.Is(a, io.ErrUnexpectedEOF)
	}
	return a == b
}

// Whatever the pieces are in which a stream comes, and whatever fails between them, each call does what
// it would do if all had been there, and one that fails takes nothing.
func TestReaderModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := text(t, "data", 60)
		m := &model{left: data}
		r := transport.NewReader(drawn(t, data), rapid.IntRange(1, 40).Draw(t, "size"))
		for range rapid.IntRange(1, 12).Draw(t, "calls") {
			limit := rapid.IntRange(-1, 30).Draw(t, "limit")
			sep := rapid.SampledFrom([]string{"\r\n", "\n", "\r\n\r\n", "aab", "aa", "ababb", "b"}).Draw(t, "separator")
			n := rapid.IntRange(0, 50).Draw(t, "n")
			var got, want string
			var wantErr error
			call := func() error { return nil }
			what := rapid.SampledFrom([]string{"exactly", "until", "line", "any line", "all", "message", "peek", "consume", "byte"}).Draw(t, "call")
			switch what {
			case "exactly":
				p := make([]byte, n)
				call = func() error {
					err := r.ReadExactly(p)
					if got = string(p); err != nil {
						got = ""
					}
					return err
				}
				want, wantErr = m.exactly(n)
			case "until":
				call = func() error { b, err := r.ReadUntil(sep, limit); got = string(b); return err }
				want, wantErr = m.until(sep, limit)
			case "line":
				call = func() error { b, err := r.ReadLine(sep, limit); got = string(b); return err }
				want, wantErr = m.line(sep, limit)
			case "any line":
				call = func() error { b, err := r.ReadLine("", limit); got = string(b); return err }
				want, wantErr = m.line("", limit)
			case "all":
				call = func() error { b, err := r.ReadAll(limit); got = string(b); return err }
				want, wantErr = m.all(limit)
			case "message":
				call = func() error { got = ""; return r.ReadMessage(limit, frame(&got)) }
				left := len(m.left)
				want, wantErr = m.message(limit)
				// The limit is met before the frame is complete, or not, by the pieces it comes in.
				if k := len(want); left > 0 && limit >= 0 && k > limit {
					call, want, wantErr = func() error { n, err := r.Consume(k); k -= n; return err }, "", nil
				}
			case "peek":
				call = func() error { b, err := r.Peek(n); got = string(b); return err }
				if n > len(m.left) {
					wantErr = m.short(len(m.left))
				}
				want = string(m.left[:min(n, len(m.left))])
			case "consume":
				done := 0
				call = func() error {
					k, err := r.Consume(n - done)
					done += k
					if got = fmt.Sprint(done); err != nil && err != errForNow {
						err = io.EOF // of how many is what is left of it
					}
					return err
				}
				if n > len(m.left) {
					wantErr = io.EOF
				}
				want = fmt.Sprint(len(m.take(min(n, len(m.left)))))
			case "byte":
				call = func() error {
					b, err := r.ReadByte()
					if got = ""; err == nil {
						got = string(rune(b))
					}
					return err
				}
				if want, wantErr = m.exactly(1); wantErr != nil {
					wantErr = io.EOF
				}
			}
			err := call()
			for err == errForNow {
				err = call()
			}
			if got != want || !same(err, wantErr) {
				t.Fatalf("%s(%q, n %d, limit %d): got %q, %v, want %q, %v; left %q", what, sep, n, limit, got, err, want, wantErr, m.left)
			}
		}
		var rest bytes.Buffer
		for {
			_, err := r.WriteTo(&rest)
			if err == nil {
				break
			}
			if err != errForNow {
				t.Fatal(err)
			}
		}
		if rest.String() != string(m.left) {
			t.Fatalf("left %q, want %q", rest.String(), m.left)
		}
		if !r.AtEOF() || r.Buffered() != 0 {
			t.Fatal("not at the end")
		}
	})
}

// What a call with a limit reads before it gives up is what it needs to be certain: any shorter beginning
// can still be completed.
func TestReaderLimitComesAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sep := rapid.SampledFrom([]string{"", "\n", "\r\n", "aab", "aba"}).Draw(t, "separator")
		limit := rapid.IntRange(0, 6).Draw(t, "limit")
		until := sep != "" && rapid.Bool().Draw(t, "until")
		data := text(t, "data", 12)
		call := func(data []byte) (int, error) {
			one := &pieces{data: data, next: func() (int, error) { return 1, nil }}
			r := transport.NewReader(one, 0)
			var err error
			if until {
				_, err = r.ReadUntil(sep, limit)
			} else {
				_, err = r.ReadLine(sep, limit)
			}
			return one.given, err
		}
		given, err := call(data)
		if err != transport.ErrLimit || given == 0 {
			return
		}
		before := data[:given-1]
		if !completes(before, func(data []byte) bool { _, err := call(data); return err == nil }, 5) {
			t.Fatalf("sep %q, limit %d: %q cannot be completed, but %d bytes of %q were read", sep, limit, before, given, data)
		}
	})
}

// completes reports whether up to n bytes behind data make ok true.
func completes(data []byte, ok func([]byte) bool, n int) bool {
	if ok(data) {
		return true
	}
	if n == 0 {
		return false
	}
	for _, b := range []byte("ab\r\n") {
		if completes(append(bytes.Clone(data), b), ok, n-1) {
			return true
		}
	}
	return false
}
