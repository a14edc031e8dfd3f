package stream_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/stream"
)

func equal[T comparable](t *testing.T, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// write writes values for which there is room.
func write(t *testing.T, s *stream.FutureStream[int], values ...int) *stream.FutureStream[int] {
	t.Helper()
	for _, v := range values {
		if err := s.Write(context.Background(), v); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func read(t *testing.T, s *stream.FutureStream[int], want int, wantErr error) {
	t.Helper()
	if v, err := s.Read(context.Background()); v != want || err != wantErr {
		t.Fatalf("Read() = %d, %v, want %d, %v", v, err, want, wantErr)
	}
}

// calls collects what calls return that are started one after the other.
type calls struct {
	mu  sync.Mutex
	got []string
}

func (c *calls) start(name string, call func() (int, error)) {
	go func() {
		s := name + " " + result(call())
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, s)
	}()
	synctest.Wait()
}

func (c *calls) write(ctx context.Context, s *stream.FutureStream[int], v int) {
	c.start(fmt.Sprint("write", v), func() (int, error) { return v, s.Write(ctx, v) })
}

func (c *calls) read(ctx context.Context, s *stream.FutureStream[int], name string) {
	c.start(name, func() (int, error) { return s.Read(ctx) })
}

// ended returns what has been returned since the last time, sorted.
func (c *calls) ended() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.got
	c.got = nil
	slices.Sort(got)
	return got
}

func TestZeroValue(t *testing.T) {
	var s stream.FutureStream[int]
	for v := range 1000 {
		write(t, &s, v)
	}
	if s.Len() != 1000 || s.Finished() || s.Failed() {
		t.Fatalf("Len() = %d, Finished() = %t, Failed() = %t", s.Len(), s.Finished(), s.Failed())
	}
	for v := range 1000 {
		read(t, &s, v, nil)
	}
}

func TestNewRefusesNegativeBuffer(t *testing.T) {
	defer func() {
		if p := recover(); p != "stream: buffer of -2" {
			t.Fatalf("panic(%v)", p)
		}
	}()
	stream.New[int](-2)
}

func TestComplete(t *testing.T) {
	var s stream.FutureStream[int]
	write(t, &s, 1, 2)
	if !s.Complete() || s.Complete() || s.Fail(errBoom) {
		t.Fatal("the first one ends the stream")
	}
	if s.Finished() {
		t.Fatal("finished with values left")
	}
	if err := s.Write(t.Context(), 3); err != stream.ErrEnded {
		t.Fatalf("Write() = %v", err)
	}
	read(t, &s, 1, nil)
	read(t, &s, 2, nil)
	for range 3 {
		read(t, &s, 0, io.EOF)
	}
	if !s.Finished() || s.Failed() {
		t.Fatalf("Finished() = %t, Failed() = %t", s.Finished(), s.Failed())
	}
}

func TestFail(t *testing.T) {
	var s stream.FutureStream[int]
	write(t, &s, 1, 2)
	if !s.Fail(errBoom) || s.Fail(io.EOF) || s.Complete() {
		t.Fatal("the first one ends the stream")
	}
	if !s.Failed() || s.Finished() {
		t.Fatalf("Failed() = %t, Finished() = %t", s.Failed(), s.Finished())
	}
	if err := s.Write(t.Context(), 3); err != stream.ErrEnded {
		t.Fatalf("Write() = %v", err)
	}
	read(t, &s, 1, nil)
	read(t, &s, 2, nil)
	for range 3 {
		read(t, &s, 0, errBoom)
	}
	if !s.Finished() {
		t.Fatal("not finished")
	}
}

// A failure never looks like a regular end.
func TestFailWithEOF(t *testing.T) {
	var s stream.FutureStream[int]
	s.Fail(io.EOF)
	read(t, &s, 0, io.ErrUnexpectedEOF)
	defer func() {
		if p := recover(); p != "stream: a stream cannot fail with a nil error" {
			t.Fatalf("panic(%v)", p)
		}
	}()
	new(stream.FutureStream[int]).Fail(nil)
}

func TestEndWakesAll(t *testing.T) {
	for name, end := range map[string]func(*stream.FutureStream[int]) string{
		"complete": func(s *stream.FutureStream[int]) string { s.Complete(); return "EOF" },
		"fail":     func(s *stream.FutureStream[int]) string { s.Fail(errBoom); return "boom" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx := t.Context()
				var c calls
				var s stream.FutureStream[int]
				for _, name := range []string{"a", "b", "c"} {
					c.read(ctx, &s, name)
				}
				text := end(&s)
				equal(t, c.ended(), "a "+text, "b "+text, "c "+text)

				for _, buffer := range []int{1, stream.Rendezvous} {
					s := stream.New[int](buffer)
					if buffer > 0 {
						write(t, s, 0)
					}
					c.write(ctx, s, 1)
					c.write(ctx, s, 2)
					text := end(s)
					const failed = "stream: write after the end"
					equal(t, c.ended(), "write1 "+failed, "write2 "+failed)
					got, err := stream.ReadAll(ctx, s)
					if buffer > 0 {
						equal(t, got, 0)
					} else {
						equal(t, got)
					}
					if text == "EOF" && err != nil || text == "boom" && err != errBoom {
						t.Fatalf("ReadAll() = %v", err)
					}
				}
			})
		})
	}
}

func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		s := write(t, stream.New[int](2), 1, 2)
		c.write(t.Context(), s, 3)
		c.write(t.Context(), s, 4)
		equal(t, c.ended())
		if got, want := s.Stats(), (stream.Stats{Len: 2, Writers: 2}); got != want || s.Len() != 2 {
			t.Fatalf("Stats() = %+v, want %+v", got, want)
		}
		read(t, s, 1, nil)
		equal(t, c.ended(), "write3 3")
		read(t, s, 2, nil)
		equal(t, c.ended(), "write4 4")
		read(t, s, 3, nil)
		read(t, s, 4, nil)
	})
}

func TestRendezvous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c calls
		ctx := t.Context()
		gone, cancel := context.WithCancel(ctx)
		s := stream.New[int](stream.Rendezvous)
		c.write(ctx, s, 1)
		c.write(gone, s, 2)
		c.write(ctx, s, 3)
		if got, want := s.Stats(), (stream.Stats{Writers: 3}); got != want {
			t.Fatalf("Stats() = %+v, want %+v", got, want)
		}
		cancel()
		equal(t, c.ended(), "write2 context canceled")
		read(t, s, 1, nil)
		equal(t, c.ended(), "write1 1")
		read(t, s, 3, nil)
		equal(t, c.ended(), "write3 3")

		gone, cancel = context.WithCancel(ctx)
		c.read(gone, s, "a")
		c.read(ctx, s, "b")
		cancel()
		equal(t, c.ended(), "a context canceled")
		write(t, s, 4) // waits for nothing
		equal(t, c.ended(), "b 4")
		if got := s.Stats(); got != (stream.Stats{}) {
			t.Fatalf("Stats() = %+v", got)
		}
	})
}

func TestDoneContextLoses(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := write(t, stream.New[int](2), 1)
	if err := s.Write(ctx, 2); err != context.Canceled {
		t.Fatalf("Write() = %v", err)
	}
	if v, err := s.Read(ctx); v != 0 || err != context.Canceled {
		t.Fatalf("Read() = %d, %v", v, err)
	}
	if s.Len() != 1 {
		t.Fatalf("Len() = %d", s.Len())
	}
	s.Complete()
	if err := s.Write(ctx, 2); err != context.Canceled {
		t.Fatalf("after the end: Write() = %v", err)
	}
}

// What was given first counts: a call that is canceled after that succeeds.
func TestGrantThenCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // the select of the waiter is fair to both channels
			ctx, cancel := context.WithCancel(t.Context())
			s := stream.New[int](1)
			var c calls
			c.read(ctx, s, "a")
			write(t, s, 1)
			cancel()
			equal(t, c.ended(), "a 1")

			ctx, cancel = context.WithCancel(t.Context())
			write(t, s, 2)
			c.write(ctx, s, 3)
			read(t, s, 2, nil)
			cancel()
			equal(t, c.ended(), "write3 3")
			read(t, s, 3, nil)
		}
	})
}

func TestFutureStreamAll(t *testing.T) {
	ctx := t.Context()
	s := write(t, stream.New[int](0), 1, 2, 3)
	var got []int
	for v, err := range s.All(ctx) {
		if got = append(got, v); err != nil || v == 2 {
			break
		}
	}
	equal(t, got, 1, 2)
	write(t, s, 4).Fail(errBoom)
	var errs []error
	for v, err := range s.All(ctx) {
		got, errs = append(got, v), append(errs, err)
	}
	equal(t, got, 1, 2, 3, 4, 0)
	equal(t, errs, nil, nil, errBoom)

	s = write(t, stream.New[int](0), 1)
	s.Complete()
	for v, err := range s.All(ctx) {
		if v != 1 || err != nil {
			t.Fatal(v, err)
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s = write(t, stream.New[int](0), 1, 2)
	errs = nil
	for _, err := range s.All(ctx) {
		errs = append(errs, err)
		cancel()
	}
	equal(t, errs, nil, context.Canceled)
	read(t, s, 2, nil)
}

func TestNoAllocations(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := stream.New[int](4)
	if n := testing.AllocsPerRun(1000, func() {
		_ = s.Write(ctx, 1)
		_, _ = s.Read(ctx)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
