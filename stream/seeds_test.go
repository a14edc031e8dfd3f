package stream_test

import (
	"context"
	"io"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/stream"
)

// What FutureStream of asyncdispatch does, and where this one differs on purpose.

// Readers that wait get values in the order in which they came: there the last got the first.
func TestSeedReadersAreFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stream.FutureStream[int]
		var c calls
		for _, name := range []string{"a", "b", "c"} {
			c.read(t.Context(), &s, name)
		}
		write(t, &s, 1)
		equal(t, c.ended(), "a 1")
		write(t, &s, 2)
		equal(t, c.ended(), "b 2")
		// And all of them learn the end: there only the last did.
		s.Complete()
		equal(t, c.ended(), "c EOF")
	})
}

// A failure comes behind the values and takes none: there every Read after it lost one.
func TestSeedFailureKeepsValues(t *testing.T) {
	var s stream.FutureStream[int]
	write(t, &s, 1, 2).Fail(errBoom)
	if s.Len() != 2 || s.Finished() || !s.Failed() {
		t.Fatalf("Len() = %d, Finished() = %t, Failed() = %t", s.Len(), s.Finished(), s.Failed())
	}
	read(t, &s, 1, nil)
	read(t, &s, 2, nil)
	read(t, &s, 0, errBoom)
	if s.Len() != 0 || !s.Finished() {
		t.Fatalf("Len() = %d, Finished() = %t", s.Len(), s.Finished())
	}
}

// An end while reads are in flight loses nothing that was written before (Nim's issues 8994 and
// 9024).
func TestSeedEndWithReadsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stream.FutureStream[int]
		var c calls
		c.read(t.Context(), &s, "a")
		c.read(t.Context(), &s, "b")
		write(t, &s, 1, 2, 3).Complete()
		equal(t, c.ended(), "a 1", "b 2")
		got, err := stream.ReadAll(t.Context(), &s)
		if equal(t, got, 3); err != nil {
			t.Fatal(err)
		}
	})
}

// Its readAll joins text to the end, and fails with the error of the stream; here what came before
// the error is there, too.
func TestSeedReadAll(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"abc|", "abc|"}, {"ab#", "ab#"}, {"|", "|"}, {"#", "#"}} {
		got, err := stream.ReadAllString(t.Context(), letters(t, c.in))
		if got+ending(err) != c.want {
			t.Errorf("%s: %q, %v", c.in, got, err)
		}
	}
}

// Misuse: writing after the end is an error there, too. A second end was an assertion or went
// unnoticed; here it is refused and changes nothing.
func TestSeedMisuse(t *testing.T) {
	ctx := context.Background()
	for name, end := range map[string]func(s *stream.FutureStream[int]) (bool, error){
		"Complete": func(s *stream.FutureStream[int]) (bool, error) { return s.Complete(), io.EOF },
		"Fail":     func(s *stream.FutureStream[int]) (bool, error) { return s.Fail(errBoom), errBoom },
	} {
		for _, buffer := range []int{0, 2, stream.Rendezvous} {
			s := stream.New[int](buffer)
			ok, want := end(s)
			if !ok || s.Complete() || s.Fail(io.ErrClosedPipe) {
				t.Errorf("%s: the first end counts, and no other", name)
			}
			if err := s.Write(ctx, 1); err != stream.ErrEnded || s.Len() != 0 {
				t.Errorf("%s: Write() = %v, Len() = %d", name, err, s.Len())
			}
			for range 2 {
				read(t, s, 0, want)
			}
			if s.Failed() != (want == errBoom) || !s.Finished() {
				t.Errorf("%s: Failed() = %t, Finished() = %t", name, s.Failed(), s.Finished())
			}
		}
	}
}
