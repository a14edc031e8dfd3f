package laws

import (
	"context"
	"errors"
	"io"

	"github.com/seed-1e54c410/turnstile/proptest"
)

// Streamer is what [Stream] needs of a stream with writers, readers and an end.
type Streamer interface {
	// Write waits for room, or returns an error, and does not write, when ctx ends or the stream has ended.
	Write(ctx context.Context, v int) error
	// Read waits for a value, or returns an error, and takes none, when ctx ends; at the end of the stream io.EOF or
	// the error of Fail.
	Read(ctx context.Context) (int, error)
	// Complete ends the stream, and reports whether it was the first to do so.
	Complete() bool
	// Fail ends the stream with err, and reports whether it was the first to do so.
	Fail(err error) bool
}

// Stream puts streams to these laws, each made by mk with a buffer for so many values, or without one if that is
// negative, where a Write waits for a Read: what was written is read, once and in strict order of arrival; nobody waits
// to read while there is a value, nor to write while there is room; the end comes once, is the same for all who
// read, io.EOF or the error of the one call that has ended it, and comes behind what was written before; then nobody can
// write, and nobody waits; a wait ends with its ctx, and leaves the stream as if it had never been; a done ctx
// neither writes nor reads.
func Stream(t proptest.TB, mk func(buffer int) Streamer, opts ...Option) {
	t.Helper()
	c := configOf(t, mk(1), opts)
	proptest.Check(t, func(p *proptest.P) {
		buffer := p.IntRange(0, 2, "buffer: 0 is none")
		s := mk(1)
		switch buffer {
		case 0:
			s = mk(-1)
		case 2:
			s = mk(2)
		}
		r := newItems(p, c, buffer)
		r.put, r.get = s.Write, s.Read
		if s, ok := s.(interface{ Len() int }); ok {
			r.length = s.Len
		}
		failed := errors.New("the stream has failed")
		var end func()
		when := none
		how := p.IntRange(0, 2, "end: 0 none, 1 Complete, 2 Fail")
		if how > 0 {
			when = p.IntRange(yield, twoTicks, "pause before the end")
			want := io.EOF
			if how == 2 {
				want = failed
			}
			r.ended = func(err error) bool { return errors.Is(err, want) }
			end = func() {
				first := false
				if how == 1 {
					first = s.Complete()
				} else {
					first = s.Fail(failed)
				}
				if again := s.Complete() || s.Fail(failed); !first || again {
					p.Fatalf("the end: it comes once, and the first call says %t, another one %t", first, again)
				}
			}
		}
		writers := scripts(p, "writers", 1, 3, 3, 0, 0, c.modes...)
		readers := scripts(p, "readers", 1, 2, 3, 0, 0, c.modes...)
		r.judge(writers, readers, end, when)
	}, c.check...)
}
