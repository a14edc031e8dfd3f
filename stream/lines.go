package stream

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/seed-1e54c410/turnstile/core"
)

// MaxLine is the limit of [Lines] unless it is given one, in bytes.
const MaxLine = 1 << 20

// LongLineError is the error with which [Lines] ends at a line that is longer than its limit.
type LongLineError struct {
	Line  int // its number, from 1
	Limit int // in bytes
}

// Error names the line and the limit.
func (e *LongLineError) Error() string {
	return fmt.Sprintf("stream: line %d is longer than %d bytes", e.Line, e.Limit)
}

// Lines is a stream of the lines of what open returns, without their ends, \n or \r\n. The last
// one needs no end, but has at least one byte. A line of more than limit bytes, [MaxLine] if limit is
// 0, ends the stream with a *[LongLineError], as soon as it is known to be too long. Lines panics
// if limit is negative.
//
// Every run opens anew, and closes what it has opened before the sink returns, whatever the
// reason. An error of open, or of a Read, ends the stream, behind the lines before; the
// beginning of a line that an error cuts off is dropped. [ErrStop] of open makes an empty stream.
// An error of Close ends a stream that was read to its end, such as the exit code of a
// process, and is dropped otherwise.
//
// What is read ahead is less than twice the longest line, or 32 KiB if that is more, and is gone when a
// stage behind stops.
//
// In a task, all three calls are made by [core.Blocking], off the loop. Where one has begun it is
// waited for, also when the ctx of the sink ends; open gets that ctx, to bind what it opens to it.
// Only when a dispatcher that closes no longer waits for its tasks can Close come during a Read.
func Lines(open func(ctx context.Context) (io.ReadCloser, error), limit int) Stream[string] {
	if limit < 0 {
		panic(fmt.Sprintf("stream: lines of at most %d bytes", limit))
	}
	need("Lines", "function", open != nil)
	if limit == 0 {
		limit = MaxLine
	}
	return &lines{open, limit}
}

type lines struct {
	open  func(context.Context) (io.ReadCloser, error)
	limit int
}

func (l *lines) run(ctx context.Context, emit func(string) error) (err error) {
	r, err := openOff(ctx, l.open)
	if err != nil {
		return settled(err, true)
	}
	complete := false
	defer func() {
		if late := closeOff(ctx, r); complete {
			err = late
		}
	}()
	err = l.split(ctx, r, emit)
	complete = err == nil
	return err
}

// split emits the lines of r.
func (l *lines) split(ctx context.Context, r io.Reader, emit func(string) error) error {
	buf := make([]byte, 0, chunkSize)
	for line := 1; ; {
		seen := len(buf) // no line ends in there
		n, end, err := read(ctx, r, buf[len(buf):cap(buf)])
		if err != nil {
			return err
		}
		rest := buf[:len(buf)+n]
		for {
			i := bytes.IndexByte(rest[seen:], '\n')
			if i < 0 {
				break
			}
			text := withoutCR(rest[:seen+i])
			rest, seen = rest[seen+i+1:], 0
			if len(text) > l.limit {
				return &LongLineError{line, l.limit}
			}
			line++
			if err := emit(string(text)); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		switch text := withoutCR(rest); {
		case len(text) > l.limit:
			return &LongLineError{line, l.limit}
		case end == io.EOF && len(rest) > 0:
			if err := emit(string(text)); err != nil {
				return err
			}
			return ctx.Err()
		case end == io.EOF:
			return nil
		case end != nil:
			return end
		}
		if len(rest) == len(buf)+n {
			buf = rest // in its place: to move it with each Read would take the square of its length
		} else {
			buf = append(buf[:0], rest...)
		}
		if n := len(buf); n == cap(buf) {
			// By hand, because append adds a quarter and more. Nothing longer than a line of limit bytes
			// with its end is ever needed.
			buf = append(make([]byte, 0, n+min(n, l.limit-n+2)), buf...)
		}
	}
}

func withoutCR(line []byte) []byte { return bytes.TrimSuffix(line, []byte{'\r'}) }

// openOff calls open off the loop. What open returns when nobody waits for it any more is
// closed.
func openOff(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) (io.ReadCloser, error) {
	var mu sync.Mutex
	var opened io.ReadCloser
	gone := false
	r, err := core.Blocking(ctx, func(ctx context.Context) (io.ReadCloser, error) {
		r, err := open(ctx)
		if err != nil {
			return nil, err
		}
		if r == nil {
			panic("stream: the function of Lines has returned neither a reader nor an error")
		}
		mu.Lock()
		opened = r
		late := gone
		mu.Unlock()
		if late {
			return nil, r.Close()
		}
		return r, nil
	})
	if err == nil {
		return r, nil
	}
	mu.Lock()
	gone = true
	r = opened
	mu.Unlock()
	if r != nil { // in between the dispatcher has closed
		_ = r.Close()
	}
	return nil, err
}

// closeOff closes r off the loop, whatever becomes of ctx.
func closeOff(ctx context.Context, r io.Closer) error {
	var begun atomic.Bool
	closeOnce := func(context.Context) (struct{}, error) {
		if begun.Swap(true) {
			return struct{}{}, nil
		}
		return struct{}{}, r.Close()
	}
	_, err := core.Blocking(core.Shield(ctx), closeOnce)
	if !begun.Load() { // the dispatcher has closed
		_, err = closeOnce(ctx)
	}
	return err
}
