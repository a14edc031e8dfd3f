package stream

import (
	"context"
	"runtime/debug"

	"github.com/seed-1e54c410/turnstile/core"
)

// Open runs s on a task of its own, which writes the values to the FutureStream that Open
// returns, and ends that as s ends: with Complete, or with Fail and the error. It is for
// values that are taken one by one, or by several readers.
//
// The caller owns the task. It runs until s has ended, and waits while the buffer, of a
// size as for [New], is full. It ends early if ctx ends, if it is canceled, or, at the next
// value, if somebody else has ended the FutureStream; in this last case its error is nil,
// otherwise that of s, or *core.CanceledError. A panic of a stage is the *core.PanicError
// of both.
//
// Open returns when the task has begun. On a dispatcher that closes none begins, and both
// have failed with dispatch.ErrClosed.
func Open[T any](ctx context.Context, s Stream[T], buffer int) (*FutureStream[T], *core.Task) {
	needStream("Open", s)
	out := New[T](buffer)
	t, err := launch(ctx, func(ctx context.Context) error { return pour(ctx, s, out) })
	if err != nil {
		out.Fail(err)
	}
	return out, t
}

// pour writes the values of s to out, and ends it.
func pour[T any](ctx context.Context, s Stream[T], out *FutureStream[T]) (err error) {
	returned := false
	defer func() {
		switch {
		case returned && err == nil:
			out.Complete()
		case returned:
			out.Fail(err)
		default:
			p := recover()
			if p == nil {
				out.Fail(core.ErrGoexit)
				return
			}
			pe, ok := p.(*core.PanicError)
			if !ok {
				pe = &core.PanicError{Value: p, Stack: debug.Stack()}
			}
			out.Fail(pe)
			panic(p)
		}
	}()
	ended := false
	if err = ctx.Err(); err == nil {
		err = s.run(ctx, func(v T) error {
			err := out.Write(ctx, v)
			ended = err == ErrEnded
			return err
		})
	}
	if ended && err == ErrEnded {
		err = nil
	}
	returned = true
	return err
}
