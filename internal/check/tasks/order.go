package tasks

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/seed-1e54c410/turnstile/core"
)

// Order counts by how many others the callers of a primitive are overtaken. They are tasks of one
// dispatcher, where one thing happens after the other, so that there is no doubt about who
// came first.
type Order struct {
	Overtaken int // calls that returned before one that had come earlier
	Waited    int // calls that had to wait, and were served
	Canceled  int // calls that gave up

	rnd     rand.PCG
	cancels []*context.CancelFunc // of calls that have begun and not returned
	turn    int
	arrived int
	last    int // the latest arrival of those that waited and were served
}

// Contend runs n tasks to their end, each with random numbers of its own.
func (o *Order) Contend(n int, body func(ctx context.Context, rnd *rand.Rand) error) error {
	return core.Run(context.Background(), func(ctx context.Context) error {
		return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			for i := range n {
				g.Go(ctx, func(ctx context.Context) error { return body(ctx, rand.New(rand.NewPCG(uint64(i), 3))) })
			}
			return nil
		})
	})
}

// Call makes a call that may wait, while so many wait already. Some calls are canceled.
func (o *Order) Call(ctx context.Context, waiting int, call func(ctx context.Context) error) error {
	ctx, cancel := core.WithCancel(ctx)
	defer cancel()
	if o.rnd.Uint64()%4 == 0 {
		mine := &cancel
		o.cancels = append(o.cancels, mine)
		defer func() {
			o.cancels = slices.DeleteFunc(o.cancels, func(c *context.CancelFunc) bool { return c == mine })
		}()
	}
	o.turn++
	o.arrived++
	me, turn := o.arrived, o.turn
	err := call(ctx)
	waited := o.turn != turn
	o.turn++
	switch {
	case err != nil:
		o.Canceled++
	case ctx.Err() != nil: // the cancel may have woken it before the grant, and so earlier than others
	case !waited && waiting > 0, waited && me < o.last:
		o.Overtaken++
	case waited:
		o.Waited++
		o.last = me
	}
	return err
}

// Turn has to be called behind every operation that lets others go. Now and then it cancels a call.
func (o *Order) Turn() {
	o.turn++
	if n := len(o.cancels); n > 0 && o.rnd.Uint64()%4 == 0 {
		i := int(o.rnd.Uint64() % uint64(n))
		(*o.cancels[i])()
		o.cancels[i] = o.cancels[n-1]
		o.cancels = o.cancels[:n-1]
	}
}

// Gate lets n tasks take part in turns: in each one a task waits, or lets go who waits, by open, as it must if
// all others wait. It returns an error if nobody was overtaken because hardly anybody waited or gave up.
func (o *Order) Gate(n, turns int, waiting func() int, wait func(ctx context.Context) error, open func()) error {
	left := n
	if err := o.Contend(n, func(ctx context.Context, rnd *rand.Rand) error {
		for range turns {
			switch what := rnd.IntN(32); {
			case what > 4 && waiting() < left-1:
				_ = o.Call(ctx, waiting(), wait)
				continue
			case what == 0 || waiting() == left-1 && what%2 == 0:
				open()
				o.turn++
			default: // who is canceled gives up, or is let go before it can
				for range 16 {
					o.Turn()
				}
			}
			if err := core.Yield(ctx); err != nil {
				return err
			}
		}
		for left--; waiting() == left && left > 0; o.Turn() { // nobody else is left to open it
			open()
		}
		return nil
	}); err != nil {
		return err
	}
	return o.Verdict(n * turns)
}

// Verdict returns an error if anybody was overtaken in so many calls, or if they show little.
func (o *Order) Verdict(calls int) error {
	if o.Overtaken != 0 {
		return fmt.Errorf("%d overtakings; %d calls waited and %d were canceled", o.Overtaken, o.Waited, o.Canceled)
	}
	if o.Waited < calls/5 || o.Canceled < calls/100 {
		return fmt.Errorf("of %d calls %d waited and %d were canceled: that shows little", calls, o.Waited, o.Canceled)
	}
	return nil
}
