package transport_test

import (
	"io"
	"testing"

	"github.com/seed-1e54c410/turnstile/transport"
)

// FuzzReader reads records and lines from a stream that comes in pieces, and compares them with what is
// found in all of it at once.
func FuzzReader(f *testing.F) {
	f.Add([]byte("X\r\r\nY"), "\r\n", 10, uint64(1))
	f.Add([]byte("a\rb\nc\r\n"), "", 3, uint64(0x1234))
	f.Add([]byte("aaab aab a"), "aab", -1, uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, sep string, limit int, pieceBits uint64) {
		if len(data) > 300 { // the model is slow, and all there is to find is in short ones
			return
		}
		bits := pieceBits
		in := &pieces{data: data, next: func() (int, error) {
			n := int(bits & 7)
			bits = bits>>3 | bits<<61
			switch n {
			case 0:
				return 1, nil
			case 7:
				if bits&1 == 0 { // not for ever
					return 1, errForNow
				}
			}
			return n, nil
		}}
		r := transport.NewReader(in, 1)
		m := &model{left: data}
		for range len(data) + 2 {
			for name, call := range map[string]struct {
				got  func(string, int) ([]byte, error)
				want func(string, int) (string, error)
			}{"line": {r.ReadLine, m.line}, "until": {r.ReadUntil, m.until}} {
				if name == "until" && sep == "" {
					continue
				}
				got, err := call.got(sep, limit)
				for err == errForNow {
					got, err = call.got(sep, limit)
				}
				want, wantErr := call.want(sep, limit)
				if string(got) != want || !same(err, wantErr) {
					t.Fatalf("%s: got %q, %v, want %q, %v; left %q", name, got, err, want, wantErr, m.left)
				}
				if err != nil { // step over what is in the way
					n, err := r.Consume(1)
					for err == errForNow {
						n, err = r.Consume(1)
					}
					if _, wantErr := m.exactly(1); n == 1 != (wantErr == nil) || n == 0 && err != io.EOF {
						t.Fatal(n, err, wantErr)
					}
				}
			}
		}
	})
}
