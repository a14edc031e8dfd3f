package proptest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// Tasks that meet at a Go channel do so without a goroutine, in order of arrival, and lose nothing under
// cancels.
func TestChannels(t *testing.T) {
	waited := 0
	passes(t, func(p *proptest.P) {
		ch := make(chan int, p.IntRange(0, 2, "buffer"))
		sent, got := map[int]bool{}, map[int]bool{}
		n := p.IntRange(1, 4, "pairs")
		var tasks []*core.Task
		for i := range n {
			tasks = append(tasks, p.Go(fmt.Sprint("s", i), func(ctx context.Context) error {
				for k := range 2 {
					if err := core.Send(ctx, ch, 10*i+k); err != nil {
						return err
					}
					sent[10*i+k] = true
				}
				return nil
			}), p.Go(fmt.Sprint("r", i), func(ctx context.Context) error {
				for range 2 {
					v, ok, err := core.Receive(ctx, ch)
					if err != nil {
						return err
					}
					if got[v] || !ok {
						return fmt.Errorf("got %d twice, or from nowhere: %t", v, ok)
					}
					got[v] = true
				}
				return nil
			}))
		}
		core.Start(p.Context(), func(ctx context.Context) error { // a cancel may leave one without a partner
			if err := core.Steps(ctx, 30); err != nil {
				return err
			}
			for _, task := range tasks {
				if task.Cancel() {
					waited++
				}
			}
			return nil
		})
		p.Finally("what was sent was got or is there", func() bool {
			for len(ch) > 0 {
				got[<-ch] = true
			}
			for v := range sent {
				if !got[v] {
					return false
				}
			}
			return len(sent) == len(got)
		})
	}, proptest.Cancels(2), proptest.Panics(1))
	if waited == 0 {
		t.Error("nobody was left without a partner")
	}
}

// Those that wait at a channel are served in order of arrival, and nobody overtakes them.
func TestChannelOrder(t *testing.T) {
	for _, buffer := range []int{0, 1} {
		passes(t, func(p *proptest.P) {
			ch := make(chan int, buffer)
			var came, went []int
			for i := range 4 {
				p.Go(fmt.Sprint("r", i), func(ctx context.Context) error {
					came = append(came, i)
					v, _, err := core.Receive(ctx, ch)
					if v != len(went) {
						return fmt.Errorf("got %d as number %d: %v", v, len(went), err)
					}
					went = append(went, i)
					return err
				})
			}
			p.Go("s", func(ctx context.Context) error {
				for i := range 4 {
					if err := core.Send(ctx, ch, i); err != nil {
						return err
					}
				}
				return nil
			})
			p.Finally("in order", func() bool { return slices.Equal(came, went) })
		}, proptest.Deviations(0))
	}
}

// A value that is there belongs to the one that waits, not to a newcomer that is faster.
func TestChannelNewcomer(t *testing.T) {
	passes(t, func(p *proptest.P) {
		ch := make(chan int, 1)
		p.Go("r", func(ctx context.Context) error {
			if v, _, err := core.Receive(ctx, ch); v != 1 {
				return fmt.Errorf("the first got %d: %w", v, err)
			}
			return nil
		})
		p.Go("s", func(ctx context.Context) error {
			ch <- 1
			core.Start(ctx, func(ctx context.Context) error { return core.Send(ctx, ch, 2) })
			if v, _, err := core.Receive(ctx, ch); v != 2 {
				return fmt.Errorf("the newcomer got %d: %w", v, err)
			}
			return nil
		})
	}, proptest.Deviations(0))
}

// What happens at a channel without core.Send and Receive is seen behind the step: a send into its buffer, and its
// end. A send on a channel that is closed panics in the task that sends.
func TestChannelClosed(t *testing.T) {
	passes(t, func(p *proptest.P) {
		ch, full := make(chan int, 1), make(chan int)
		p.Go("r", func(ctx context.Context) error {
			v, ok, err := core.Receive(ctx, ch)
			if v != 7 || !ok || err != nil {
				return fmt.Errorf("got %d, %t, %w", v, ok, err)
			}
			v, ok, err = core.Receive(ctx, ch)
			if v != 0 || ok || err != nil {
				return fmt.Errorf("at the end: %d, %t, %w", v, ok, err)
			}
			return nil
		})
		p.Go("s", func(ctx context.Context) (err error) {
			defer func() {
				if s := fmt.Sprint(recover()); !strings.Contains(s, "closed channel") {
					err = fmt.Errorf("Send panicked with %s", s)
				}
			}()
			return core.Send(ctx, full, 1)
		})
		p.Go("c", func(ctx context.Context) error {
			ch <- 7
			err := core.Steps(ctx, 3)
			close(ch)
			close(full)
			return err
		})
	})
	wantFound(t, "deadlock", does(func(ctx context.Context, _ *proptest.P) error {
		_, _, err := core.Receive[int](ctx, nil)
		return err
	}))
}
