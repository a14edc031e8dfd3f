package stream

import (
	"context"
	"fmt"
	"io"

	"github.com/seed-1e54c410/turnstile/core"
)

// chunkSize is how much is read at once unless somebody says otherwise.
const chunkSize = 32 << 10

// FromReader is a stream of what r gives, in chunks of at most size bytes, 32 KiB if size is 0, as
// they are read: it does not wait for a chunk to be full. A chunk belongs to whoever
// receives it. The stream ends well at io.EOF, and with any other error of r, behind the bytes that
// came with it. A reader that gives neither bytes nor an error for 100 times ends it with
// io.ErrNoProgress. FromReader panics if size is negative.
//
// r is read when the chunk before is dealt with, so an early stop leaves the rest in it. It
// stays the caller's, who may close it when the sink has returned. As a reader can be read only
// once, so can the stream be run.
//
// In a task, r is read by [core.Blocking], off the loop. A Read that has begun is waited for, also
// when the ctx of the sink ends; what ends it early is for the caller of the sink to do, such
// as to close r, or to give it a deadline.
func FromReader(r io.Reader, size int) Stream[[]byte] {
	if size < 0 {
		panic(fmt.Sprintf("stream: chunks of %d bytes", size))
	}
	need("FromReader", "reader", r != nil)
	if size == 0 {
		size = chunkSize
	}
	return &chunks{r, size}
}

type chunks struct {
	r    io.Reader
	size int
}

func (c *chunks) run(ctx context.Context, emit func([]byte) error) error {
	var buf []byte
	for {
		// Small chunks share an array, as long as much of it is left.
		if len(buf) < max(1, c.size/4) {
			buf = make([]byte, c.size)
		}
		n, end, err := read(ctx, c.r, buf)
		if err != nil {
			return err
		}
		if n > 0 {
			if err := emit(buf[:n:n]); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			buf = buf[n:]
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			return end
		}
	}
}

// read reads into p off the loop, until there is something, or the end that r has come
// to. Its error is why it could not read, or wait for it; p must not be touched then.
func read(ctx context.Context, r io.Reader, p []byte) (n int, end, err error) {
	type result struct {
		n   int
		end error
	}
	got, err := core.Blocking(ctx, func(context.Context) (result, error) {
		for range 100 {
			if n, err := r.Read(p); n != 0 || err != nil {
				return result{n, err}, nil
			}
		}
		return result{0, io.ErrNoProgress}, nil
	})
	return got.n, got.end, err
}
