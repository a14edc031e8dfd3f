package stream

import (
	"context"
	"io"

	"github.com/seed-1e54c410/turnstile/core"
)

// ToWriter runs s and writes its values to w, one Write for each, and returns how many bytes were
// written. It returns nil at the end of the stream, else its error, the first of w, which
// is io.ErrShortWrite if w has none of its own, or ctx.Err() if ctx ends first or is done at the
// call. w stays the caller's, who may flush and close it when ToWriter has returned.
//
// In a task, w is written to by [core.Blocking], off the loop, which costs a goroutine each
// time: join many small values before, with [Batch] and [Map]. A Write that has begun is
// waited for, also when ctx ends.
func ToWriter[T ~string | ~[]byte](ctx context.Context, s Stream[T], w io.Writer) (int64, error) {
	needStream("ToWriter", s)
	need("ToWriter", "writer", w != nil)
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var written int64
	err := s.run(ctx, func(v T) error { // an error of w is no order to stop, even if it is ErrStop
		n, failed, err := write(ctx, w, []byte(v))
		if written += int64(n); err != nil {
			return err
		}
		return failed
	})
	return written, err
}

// write is for Write what read is for Read.
func write(ctx context.Context, w io.Writer, p []byte) (n int, failed, err error) {
	type result struct {
		n      int
		failed error
	}
	done, err := core.Blocking(ctx, func(context.Context) (result, error) {
		n, err := w.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return result{n, err}, nil
	})
	return done.n, done.failed, err
}
