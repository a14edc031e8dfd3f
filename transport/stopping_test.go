package transport_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

type stoppingKey struct{}

// What Stopping returns has the values, the deadline and the end of the ctx that it was given.
func TestStoppingIsBelowItsCtx(t *testing.T) {
	everyWay(t, func(w *world) {
		oops := errors.New("oops")
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			read := func(ctx context.Context) error {
				_, err := c.With(ctx).Read(make([]byte, 1))
				return err
			}
			timed, cancel := core.WithTimeout(context.WithValue(ctx, stoppingKey{}, "v"), time.Millisecond)
			defer cancel()
			below := transport.Stopping(timed)
			if v := below.Value(stoppingKey{}); v != "v" {
				w.Errorf("value %v", v)
			}
			if d, ok := below.Deadline(); !ok || func() time.Time { d, _ := timed.Deadline(); return d }() != d {
				w.Errorf("deadline %v, %v", d, ok)
			}
			if err := read(below); !errors.Is(err, context.DeadlineExceeded) {
				w.Errorf("behind the timeout: %v", err)
			}
			canceled, cancel2 := context.WithCancelCause(ctx)
			below = transport.Stopping(canceled)
			if err := below.Err(); err != nil {
				w.Error(err)
			}
			cancel2(oops)
			if err := read(below); !errors.Is(err, context.Canceled) || context.Cause(below) != oops {
				w.Errorf("behind the cancel: %v, %v", err, context.Cause(below))
			}
			// One task of a group fails, and ends the other one.
			err := core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
				g.Go(ctx, func(ctx context.Context) error { return read(transport.Stopping(ctx)) })
				g.Go(ctx, func(context.Context) error { return oops })
				return nil
			})
			if !errors.Is(err, oops) {
				w.Errorf("the group has ended with %v", err)
			}
			_, err = c.Write([]byte("x"))
			return err
		}, transport.ServeConfig{OnError: noErrors(w.T)})
		c := s.dial()
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			w.Error(err)
		}
		s.stop()
		s.end(nil)
	})
}

// The stop of the server ends all of them, however they were derived, those made afterwards too; and the end of the
// handler those that are left.
func TestStoppingEndsWithTheStop(t *testing.T) {
	everyWay(t, func(w *world) {
		late := make(chan context.Context, 1)
		begun := core.NewFuture[struct{}]()
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			own := transport.Stopping(ctx)
			if transport.Stopping(ctx) != own {
				w.Error("two for one handler")
			}
			derived, cancel := core.WithTimeout(ctx, time.Hour)
			defer cancel()
			std, cancel2 := context.WithCancel(ctx)
			defer cancel2()
			var tasks []*core.Task
			for _, below := range []context.Context{
				own, transport.Stopping(derived), transport.Stopping(std), transport.Stopping(context.WithValue(ctx, stoppingKey{}, 1)),
			} {
				tasks = append(tasks, core.Start(ctx, func(context.Context) error {
					_, err := c.With(below).Read(make([]byte, 1))
					if !errors.Is(err, context.Canceled) {
						return fmt.Errorf("the read has ended with %w", err)
					}
					return nil
				}))
			}
			ended := core.Start(core.Detach(ctx), func(ctx context.Context) error {
				_, _, err := core.Receive(transport.Stopping(ctx), make(chan int))
				if !errors.Is(err, context.Canceled) {
					w.Errorf("a detached task: %v", err)
				}
				return nil
			})
			w.until(func() bool { r, _ := c.Waiting(); return r == len(tasks) })
			begun.TryComplete(struct{}{})
			for _, t := range append(tasks, ended) {
				if err := t.Wait(ctx); err != nil {
					w.Error(err)
				}
			}
			if err := ctx.Err(); err != nil {
				w.Errorf("the ctx of the handler: %v", err)
			}
			if err := transport.Stopping(derived).Err(); err != context.Canceled {
				w.Errorf("made behind the stop: %v", err)
			}
			late <- ctx
			return nil
		}, transport.ServeConfig{Grace: -1, OnError: noErrors(w.T)})
		c := s.dial()
		defer c.Close()
		if _, err := begun.Await(w.ctx); err != nil {
			w.Fatal(err)
		}
		s.stop()
		s.end(nil)
		if err := transport.Stopping(<-late).Err(); err == nil {
			w.Error("made behind the handler, and does not end")
		}
	})
}

// A handler that asks for each of its requests keeps nothing for those that are over, and nothing is left behind it.
func TestStoppingKeepsNothing(t *testing.T) {
	everyWay(t, func(w *world) {
		seen := make(chan context.Context, 1)
		s := w.serve(func(ctx context.Context, c *transport.Conn) error {
			for range 1000 {
				request, cancel := core.WithCancel(ctx)
				transport.Stopping(request)
				transport.Stopping(ctx)
				cancel()
			}
			if n := transport.StoppingKept(ctx); n > 20 {
				w.Errorf("%d are kept", n)
			}
			open, cancel := core.WithCancel(core.Detach(ctx))
			defer cancel()
			seen <- transport.Stopping(open)
			_, err := c.Write([]byte("x"))
			return err
		}, transport.ServeConfig{OnError: noErrors(w.T)})
		c := s.dial()
		defer c.Close()
		if _, err := c.Read(make([]byte, 1)); err != nil {
			w.Error(err)
		}
		w.isEnd(c)
		if n := transport.StoppingKept(<-seen); n != 0 {
			w.Errorf("%d are kept behind the handler", n)
		}
		s.stop()
		s.end(nil)
	})
}

// The tasks of ServePackets outlive a message, and what was made for one does not.
func TestStoppingOfAMessage(t *testing.T) {
	everyWay(t, func(w *world) {
		var last context.Context
		s, ask := w.servePackets(func(ctx context.Context, p *transport.Packet) error {
			if last != nil && last.Err() == nil {
				w.Error("the one of the last message goes on")
			}
			last = transport.Stopping(context.WithValue(ctx, stoppingKey{}, 1))
			if last.Err() != nil {
				w.Error("over at once")
			}
			if own := transport.Stopping(ctx); own.Err() != nil {
				w.Error("the own one is over at once")
			}
			_, err := p.Reply(p.Data)
			return err
		}, transport.PacketsConfig{OnError: noPacketErrors(w.T)})
		for range 3 {
			ask("x")
		}
		s.stop()
		s.end(nil)
	})
}
