package stream

import "context"

// CombineLatest is a stream of what fn makes of the latest value of a and the latest one of b: for
// each value of either, once both have given one. None is left out: while the stages behind are
// busy, a and b wait. An error of fn ends the stream, behind the values before; [ErrStop]
// ends it without an error. fn may wait, with the ctx it is given.
//
// The stream ends when both have ended, or one of them without a value, or with the first error
// of one, behind the values that came before it. Each of them runs on a task of its own and holds
// one value until it is wanted. If the stages behind stop the stream, these are dropped.
func CombineLatest[A, B, C any](a Stream[A], b Stream[B], fn func(ctx context.Context, a A, b B) (C, error)) Stream[C] {
	needStream("CombineLatest", a)
	needStream("CombineLatest", b)
	need("CombineLatest", "function", fn != nil)
	return &combined[A, B, C]{a, b, fn}
}

type combined[A, B, C any] struct {
	a  Stream[A]
	b  Stream[B]
	fn func(context.Context, A, B) (C, error)
}

// change sets one of the latest values, or says that there will be no more of them.
type change[A, B any] struct {
	a       A
	b       B
	ofB     bool
	nothing bool // no value, the end
}

func (c *combined[A, B, C]) run(ctx context.Context, emit func(C) error) error {
	type news = change[A, B]
	p := &pipe[news]{open: 2}
	stopped := false
	t := team{ctx: ctx}
	err := t.run(
		func(ctx context.Context) error {
			var now news
			var hasA, hasB bool
			for {
				n, err := p.get(ctx)
				switch {
				case err == errEnd:
					return nil
				case err != nil:
					return err
				case n.nothing && (n.ofB && !hasB || !n.ofB && !hasA):
					stopped = true // nothing can come, and the other may go on for ever
					return ErrStop
				case n.nothing:
					continue
				case n.ofB:
					now.b, hasB = n.b, true
				default:
					now.a, hasA = n.a, true
				}
				if !hasA || !hasB {
					continue
				}
				v, err := c.fn(ctx, now.a, now.b)
				if err != nil {
					stopped = err == ErrStop
					return err
				}
				if err := emit(v); err != nil {
					return err
				}
			}
		},
		func(ctx context.Context) error {
			return changes(ctx, p, c.a, func(v A) news { return news{a: v} }, news{nothing: true})
		},
		func(ctx context.Context) error {
			return changes(ctx, p, c.b, func(v B) news { return news{b: v, ofB: true} }, news{ofB: true, nothing: true})
		})
	return settled(err, stopped)
}

// changes is the work of the task of one side. A side that ends well says so in its place.
func changes[T, N any](ctx context.Context, p *pipe[N], src Stream[T], wrap func(T) N, over N) error {
	return drive(ctx, ending[T, N]{src, wrap, over}, func(n N) error { return p.put(ctx, n) }, p.finish)
}

// ending is a stream of wrapped values with another one at its end.
type ending[T, N any] struct {
	src  Stream[T]
	wrap func(T) N
	over N
}

func (e ending[T, N]) run(ctx context.Context, emit func(N) error) error {
	err := e.src.run(ctx, func(v T) error { return emit(e.wrap(v)) })
	if err == nil {
		err = emit(e.over)
	}
	return err
}
