package proptest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// setFlag sets a flag of rapid until the test is over.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	was := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set(name, was) })
}

// mixed is a correct program over most of what the module has.
type mixed struct {
	p          *proptest.P
	l          lock.AsyncLock
	rw         lock.AsyncRWLock
	s          *xsync.Semaphore
	q          *queue.AsyncQueue[int]
	e          event.AsyncEvent
	f          *core.Future[int]
	ch         chan int
	inside     int
	writes     int
	puts, gets int
	spawned    int
	trace      strings.Builder
}

var mixedOps = []string{
	"lock", "lock", "read", "write", "sem", "put", "get", "put", "get", "send", "receive", "wait", "fire", "await", "complete",
	"sleep", "yield", "group", "gather", "timeout", "shield", "spawn", "blocking", "callback", "standard", "race", "idle",
}

func newMixed(p *proptest.P) *mixed {
	m := &mixed{p: p, s: xsync.NewSemaphore(2), q: queue.New[int](2), f: core.NewFuture[int](), ch: make(chan int, p.IntRange(0, 1, "buffer"))}
	for i, ops := range rapid.SliceOfN(rapid.SliceOfN(rapid.SampledFrom(mixedOps), 1, 4), 2, 5).Draw(p.T, "tasks") {
		p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
			for _, op := range ops {
				err := m.do(ctx, i, op)
				fmt.Fprintf(&m.trace, "%v %d %s %v\n", core.DispatcherOf(ctx).Now().Format(time.TimeOnly), i, op, err)
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
			}
			return nil
		})
	}
	p.Always("one is inside", func() bool { return m.inside >= 0 && m.inside <= 1 })
	p.Always("one writes alone", func() bool { return m.writes >= 0 && m.writes <= 1 })
	p.Always("no getter waits beside an item", func() bool { s := m.q.Stats(); return s.Len == 0 || s.Getters == 0 })
	p.Finally("all is free", func() bool { return !m.l.Locked() && m.s.Available() == 2 && m.inside == 0 })
	p.Finally("what was put was got or is there", func() bool { return m.puts == m.gets+m.q.Len() })
	p.Finally("all that were spawned have ended", func() bool { return m.spawned == 0 })
	return m
}

func (m *mixed) section(ctx context.Context) error {
	m.inside++
	defer func() { m.inside-- }()
	return core.Yield(ctx)
}

// do makes one operation. Each ends at some time, whatever the others do.
func (m *mixed) do(ctx context.Context, id int, op string) error {
	short, cancel := core.WithTimeout(ctx, time.Duration(1+id)*time.Second)
	defer cancel()
	switch op {
	case "lock":
		return m.l.Do(ctx, m.section)
	case "timeout":
		return m.l.Do(short, func(ctx context.Context) error {
			return errors.Join(m.section(ctx), core.Sleep(core.Shield(ctx), time.Second))
		})
	case "read", "write":
		if err := m.rw.Acquire(ctx); err != nil {
			return err
		}
		m.writes++
		if op == "read" {
			m.writes--
			m.rw.Downgrade()
			defer m.rw.RRelease()
			return core.Yield(ctx)
		}
		defer func() { m.writes--; m.rw.Release() }()
		return core.Yield(ctx)
	case "sem":
		n := 1 + id%2
		if err := m.s.AcquireN(ctx, n); err != nil {
			return err
		}
		defer m.s.ReleaseN(n)
		return core.Sleep(ctx, time.Second)
	case "put":
		err := m.q.Put(short, id)
		if err == nil {
			m.puts++
		}
		return err
	case "get":
		_, err := m.q.Get(short)
		if err == nil {
			m.gets++
		}
		return err
	case "send":
		return core.Send(short, m.ch, id)
	case "receive":
		_, _, err := core.Receive(short, m.ch)
		return err
	case "wait":
		return m.e.Wait(short)
	case "fire":
		m.e.Fire()
		m.e.Clear()
	case "await":
		_, err := m.f.Await(short)
		return err
	case "complete":
		m.f.TryComplete(id)
	case "sleep":
		return core.Sleep(ctx, time.Duration(id)*time.Second)
	case "yield":
		return core.Steps(ctx, 2)
	case "group":
		return core.WithGroup(ctx, func(ctx context.Context, g *core.Group) error {
			g.SetLimit(1)
			for range 2 {
				if err := g.Go(ctx, func(ctx context.Context) error { return m.l.Do(ctx, m.section) }); err != nil {
					return err
				}
			}
			return nil
		})
	case "gather":
		get := func(ctx context.Context) (int, error) { return id, core.Yield(ctx) }
		_, err := core.Gather(ctx, 2, get, get, get)
		return err
	case "shield":
		return core.Sleep(core.Shield(ctx), time.Second)
	case "spawn":
		m.spawned++
		core.Spawn(ctx, func(ctx context.Context) error {
			defer func() { m.spawned-- }()
			return m.l.Do(ctx, m.section)
		})
	case "blocking":
		_, err := core.Blocking(ctx, func(context.Context) (int, error) { return id, nil })
		return err
	case "callback":
		m.f.AddCallback(core.DispatcherOf(ctx), func(*core.Future[int]) { m.e.Fire(); m.e.Clear() })
	case "standard":
		std, cancel := context.WithCancelCause(short)
		core.Start(ctx, func(ctx context.Context) error {
			defer cancel(errTest)
			return core.Yield(ctx)
		})
		if err := m.e.Wait(std); err == nil || !errors.Is(err, context.Canceled) {
			return err
		}
	case "race":
		_, err := core.Race[core.Waitable](short, m.f, core.Start(short, core.Yield))
		return err
	case "idle":
		return core.Idle(short)
	}
	return ctx.Err()
}

var mixedOptions = []proptest.Option{proptest.Cancels(3), proptest.Panics(2), proptest.Timers(3)}

// A correct program raises no alarm.
func TestNoFalseAlarm(t *testing.T) {
	setFlag(t, "rapid.checks", fmt.Sprint(check.Many(5000, 100_000)))
	proptest.Check(t, func(p *proptest.P) { newMixed(p) }, mixedOptions...)
}

// traced is what two checks with one seed say: one of a program that is correct, with all that its tasks do, and the
// report of one that is not.
func traced(t *testing.T) string {
	t.Helper()
	setFlag(t, "rapid.seed", "20240607")
	setFlag(t, "rapid.checks", "300")
	var all strings.Builder
	r := check.Record("passing", func(r *check.Recorder) {
		proptest.Check(r, func(p *proptest.P) {
			m := newMixed(p)
			p.Finally("noted", func() bool { all.WriteString(m.trace.String()); return true })
		}, mixedOptions...)
	})
	if r.Failed() {
		t.Fatal(r.Output())
	}
	ops := 0
	r = check.Record("failing", func(r *check.Recorder) {
		proptest.Check(r, func(p *proptest.P) {
			m := newMixed(p)
			p.Finally("little happens", func() bool {
				ops += strings.Count(m.trace.String(), "\n")
				return strings.Count(m.trace.String(), "context ") < 2
			})
		}, mixedOptions...)
	})
	if !r.Failed() || ops < 1000 {
		t.Fatalf("%d operations:\n%s", ops, r.Output())
	}
	fmt.Fprintf(&all, "%d operations\n%s", ops, r.Output())
	return all.String()
}

// traceWanted is the environment variable that tells a process to print its trace, behind traceMark.
const traceWanted, traceMark = "TURNSTILE_TEST_TRACE", "the trace in base64: "

// The same seed gives the same trace, bit for bit: twice in one process, and in another one.
func TestSameSeed(t *testing.T) {
	first := traced(t)
	if os.Getenv(traceWanted) != "" {
		fmt.Println(traceMark + base64.StdEncoding.EncodeToString([]byte(first)))
		return
	}
	same(t, "the second time", first, traced(t))
	t.Setenv(traceWanted, "1")
	out, err := check.Self(t.Context(), "-test.run=^TestSameSeed$").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, text, _ := strings.Cut(string(out), traceMark)
	text, _, _ = strings.Cut(text, "\n")
	other, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	same(t, "in another process", first, string(other))
}

func same(t *testing.T, when, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			t.Fatalf("%s line %d of %d is\n%s\nand was\n%s", when, i, len(a), strings.Join(b[min(i, len(b)):min(i+3, len(b))], "\n"), strings.Join(a[i:min(i+3, len(a))], "\n"))
		}
	}
	t.Fatalf("%s there are %d lines, and were %d", when, len(b), len(a))
}
