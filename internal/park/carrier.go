package park

import "context"

// Carrier is a ctx that knows for the code of which task it was made, so that a wait with it need not ask the
// table. Package core's are.
type Carrier interface {
	// Carrier returns that task if the caller runs in it, else nil. The ctx is quiet if it has not ended, tells the task of
	// its end by itself, without Arm, and runs no code of others when it is asked; and the Err of the
	// task is nil.
	Carrier() (task Host, quiet bool)
}

func carried(ctx context.Context) (task Host, quiet bool) {
	if c, ok := ctx.(Carrier); ok {
		return c.Carrier()
	}
	return nil, false
}
