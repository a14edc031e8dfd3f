package stream

import "context"

// Generate is a stream of the values that fn hands to emit, and ends when fn returns: well for
// nil and [ErrStop], otherwise with the error. fn is called anew in every run, so
// what it declares belongs to that run, and what it defers is done before the sink returns. It may
// wait, with the ctx it is given.
//
// emit returns when the stages behind have dealt with the value. An error of it says that
// no more values are wanted, or that ctx has ended; fn should clean up and return it. Whatever it
// does instead, later values are dropped and that error counts. emit must be called by fn on
// the goroutine or task that has called it: emit panics after the end of fn, during another call, and
// after a panic of the stages behind that fn has recovered from.
func Generate[T any](fn func(ctx context.Context, emit func(T) error) error) Stream[T] {
	need("Generate", "function", fn != nil)
	return generated[T](fn)
}

type generated[T any] func(ctx context.Context, emit func(T) error) error

func (g generated[T]) run(ctx context.Context, emit func(T) error) error {
	var refused error
	open := true // for another value
	defer func() { open = false }()
	err := g(ctx, func(v T) error {
		if !open {
			panic("stream: emit of Generate called again before its return, or after the end")
		}
		if refused != nil {
			return refused
		}
		open = false
		if refused = emit(v); refused == nil {
			refused = ctx.Err()
		}
		open = true
		return refused
	})
	if !open {
		panic("stream: the function of Generate recovered from a panic of emit")
	}
	if refused != nil {
		return refused
	}
	return settled(err, true)
}
