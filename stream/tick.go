package stream

import (
	"context"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// Tick is an endless stream with a value every d, counted from the beginning of the run: the time at
// which it was due, on the clock of the dispatcher in a task. Nothing is buffered: of those
// that come due while the stages behind are busy, only the latest is given, at once. Tick panics
// if d is not above 0.
func Tick(d time.Duration) Stream[time.Time] {
	if d <= 0 {
		panic("stream: Tick of " + d.String())
	}
	return ticks(d)
}

type ticks time.Duration

func (s ticks) run(ctx context.Context, emit func(time.Time) error) error {
	now, d := clock(ctx), time.Duration(s)
	for due := now().Add(d); ; due = due.Add(d) {
		late := now().Sub(due)
		if late < 0 {
			if err := core.Sleep(ctx, -late); err != nil {
				return err
			}
		} else {
			if err := ctx.Err(); err != nil {
				return err
			}
			due = due.Add(late / d * d)
		}
		if err := emit(due); err != nil {
			return err
		}
	}
}
