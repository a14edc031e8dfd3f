package core

import "context"

// Gather calls all functions, each as a task, at most limit at a time, any number for limit ≤
// 0, and returns their values in the order of the arguments. It returns when all have ended:
// the first error cancels the rest, with that error as the cause, and is returned then, without
// values; of a panic it is a *[PanicError]. Functions that have not begun by then do not run.
//
// If ctx ends, the functions are canceled and waited for. If it is done at the call, none is
// called, and Gather returns ctx.Err(). It is a [WithGroup], whose documentation says the rest.
func Gather[T any](ctx context.Context, limit int, fns ...func(ctx context.Context) (T, error)) ([]T, error) {
	vals := make([]T, len(fns))
	err := WithGroup(ctx, func(ctx context.Context, g *Group) error {
		if len(fns) == 0 {
			return ctx.Err()
		}
		g.SetLimit(limit)
		for i, fn := range fns {
			if fn == nil {
				panic("core: Gather of a nil function")
			}
			err := g.Go(ctx, func(ctx context.Context) error {
				if err := ctx.Err(); err != nil {
					return err // it was accepted, but has not begun
				}
				v, err := fn(ctx)
				if err == nil {
					vals[i] = v
				}
				return err
			})
			if err != nil {
				return nil // the group has it
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return vals, nil
}
