package core_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
)

// onEither runs a test in a task, on a goroutine, and in a task with another ctx.
func onEither(t *testing.T, test func(t *testing.T, ctx context.Context)) {
	t.Run("task", func(t *testing.T) { run(t, test) })
	t.Run("goroutine", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { test(t, t.Context()) })
	})
	t.Run("task with a standard ctx", func(t *testing.T) {
		run(t, func(t *testing.T, ctx context.Context) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			test(t, ctx)
		})
	})
}

func TestChannels(t *testing.T) {
	onEither(t, func(t *testing.T, ctx context.Context) {
		buffered := make(chan int, 1)
		wantErr(t, "Send", core.Send(ctx, buffered, 1), nil)
		if v, ok, err := core.Receive(ctx, buffered); v != 1 || !ok || err != nil {
			t.Errorf("Receive() = %d, %t, %v", v, ok, err)
		}
		ch := make(chan int)
		go func() { ch <- 2; _ = core.Sleep(context.Background(), time.Minute); ch <- 3 + <-ch; close(ch) }()
		for _, want := range []int{2, 14, 0} {
			if want == 14 {
				wantErr(t, "Send", core.Send(ctx, ch, 11), nil)
			}
			if v, ok, err := core.Receive(ctx, ch); v != want || ok != (want != 0) || err != nil {
				t.Errorf("Receive() = %d, %t, %v, want %d", v, ok, err, want)
			}
		}
		// Done at the call loses, even where there is something.
		buffered <- 5
		done, cancel := core.WithCancel(ctx)
		cancel()
		if v, ok, err := core.Receive(done, buffered); v != 0 || ok || err != context.Canceled || len(buffered) != 1 {
			t.Errorf("Receive() = %d, %t, %v with a done ctx", v, ok, err)
		}
		<-buffered
		if err := core.Send(done, buffered, 1); err != context.Canceled || len(buffered) != 0 {
			t.Errorf("Send() = %v with a done ctx", err)
		}
		// Nothing comes, and a nil channel is for ever.
		for name, ch := range map[string]chan int{"nil": nil, "unused": make(chan int)} {
			for _, timeout := range []func(context.Context, time.Duration) (context.Context, context.CancelFunc){
				core.WithTimeout, context.WithTimeout,
			} {
				short, cancel := timeout(ctx, time.Hour)
				_, _, err := core.Receive(short, ch)
				wantErr(t, "Receive "+name, err, context.DeadlineExceeded)
				cancel()
				short, cancel = timeout(ctx, time.Hour)
				wantErr(t, "Send "+name, core.Send(short, ch, 1), context.DeadlineExceeded)
				cancel()
			}
		}
	})
}

// While a task waits for a channel the loop goes on.
func TestChannelsDoNotStopTheLoop(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		ch := make(chan int)
		receiver := core.Async(ctx, func(ctx context.Context) (int, error) {
			v, _, err := core.Receive(ctx, ch)
			return v, err
		})
		wantErr(t, "Sleep", core.Sleep(ctx, time.Second), nil)
		// The sender is a task of the same loop.
		wantErr(t, "Send", core.Send(ctx, ch, 4), nil)
		if v, err := receiver.Await(ctx); v != 4 || err != nil {
			t.Errorf("%d, %v", v, err)
		}
		d := core.DispatcherOf(ctx)
		done := core.NewFuture[int]()
		d.CallSoon(func() {
			buffered := make(chan int, 1)
			wantErr(t, "Send without a wait", core.Send(ctx, buffered, 1), nil)
			_, _, err := core.Receive(ctx, buffered)
			wantErr(t, "Receive without a wait", err, nil)
			for _, fn := range []func(){
				func() { _, _, _ = core.Receive(ctx, ch) },
				func() { _ = core.Send(ctx, ch, 1) },
			} {
				if p := panics(fn); p != "core: wait inside a dispatcher callback" {
					t.Errorf("panic %v", p)
				}
			}
			done.Complete(1)
		})
		_, err := done.Await(ctx)
		wantErr(t, "Await", err, nil)
	})
}

// Under cancels at any moment, from tasks and goroutines: each value that was sent by the word
// of Send is received exactly once, by the word of Receive, and no other.
func TestChannelsUnderCancel(t *testing.T) {
	d, stop := looping(t, dispatch.Config{})
	ch := make(chan int)
	var sent, received [4][]int
	var all []*core.Task
	var left atomic.Int32
	items := check.Times(300, 10000)
	ctxOf := func(i int) context.Context {
		if i%2 == 0 {
			return core.On(context.Background(), d)
		}
		return context.Background()
	}
	try := func(ctx context.Context, i int, fn func(ctx context.Context) error) error {
		ctx, cancel := core.WithCancel(ctx)
		defer cancel()
		if i%3 == 0 {
			go cancel()
		}
		return fn(ctx)
	}
	for p := range sent {
		left.Add(1)
		all = append(all, core.Start(ctxOf(p), func(ctx context.Context) error {
			defer left.Add(-1)
			for i := range items {
				v := p*items + i
				if try(ctx, i, func(ctx context.Context) error { return core.Send(ctx, ch, v) }) == nil {
					sent[p] = append(sent[p], v)
				}
			}
			return nil
		}))
	}
	for p := range received {
		all = append(all, core.Start(ctxOf(p), func(ctx context.Context) error {
			for i := 0; ; i++ {
				var v int
				var ok bool
				if err := try(ctx, i, func(ctx context.Context) (err error) {
					v, ok, err = core.Receive(ctx, ch)
					return err
				}); err != nil {
					continue
				}
				if !ok {
					return nil
				}
				received[p] = append(received[p], v)
			}
		}))
	}
	for _, task := range all[:len(sent)] {
		<-task.Done()
	}
	close(ch)
	for _, task := range all {
		<-task.Done()
		wantErr(t, "task", task.Err(), nil)
	}
	seen := map[int]int{}
	for p := range sent {
		for _, v := range sent[p] {
			seen[v]++
		}
		for _, v := range received[p] {
			seen[v]--
		}
	}
	total := 0
	for v, n := range seen {
		total++
		if n != 0 {
			t.Errorf("%d was sent %d times more than received", v, n)
			break
		}
	}
	if total < items {
		t.Errorf("only %d values", total)
	}
	wantErr(t, "Close", stop(), nil)
}

// A dispatcher that closes ends the waits, and none of their goroutines stays.
func TestChannelsAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := looping(t, dispatch.Config{CloseTimeout: time.Second})
		ch := make(chan int)
		var tr trace
		ctx := core.On(t.Context(), d)
		core.Start(ctx, func(ctx context.Context) error {
			_, _, err := core.Receive(ctx, ch)
			tr.add("%v", err)
			return err
		})
		stubborn := core.Start(ctx, func(context.Context) error {
			_, _, err := core.Receive(context.Background(), ch)
			tr.add("%v", err)
			return err
		})
		synctest.Wait()
		var wg sync.WaitGroup
		wg.Go(func() { wantErr(t, "Close", stop(), nil) })
		synctest.Wait()
		tr.want(t, "context canceled")
		wg.Wait()
		tr.want(t, dispatch.ErrClosed.Error())
		wantErr(t, "stubborn", stubborn.Err(), dispatch.ErrClosed)
	})
}

// A ctx whose own methods panic leaves no goroutine behind.
func TestChannelsWithPanickingContext(t *testing.T) {
	run(t, func(t *testing.T, ctx context.Context) {
		ch := make(chan int)
		looks := 0
		bad := looked{context.Background(), func() error {
			if looks++; looks > 1 {
				panic(errBoom)
			}
			return nil
		}}
		if p := panics(func() { _, _, _ = core.Receive(bad, ch) }); p != errBoom {
			t.Errorf("panic %v", p)
		}
		synctest.Wait()
		select {
		case ch <- 1:
			t.Error("somebody still receives")
		default:
		}
	})
}
