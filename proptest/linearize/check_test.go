package linearize_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/proptest/linearize"
	"github.com/seed-1e54c410/turnstile/queue"
)

func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.checks": "5000", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	check.Main(m)
}

var pathOfPage = regexp.MustCompile(`linearize: the history, and how far the model can follow: (\S+)`)

// lineOfPage finds which line of the page an operation is in.
var lineOfPage = regexp.MustCompile(`"ClientId":\d+`)

// refuted runs a check that is to fail, and returns the smallest history that fails, and its page.
func refuted[S any](t *testing.T, model linearize.Model[S], prop func(p *proptest.P), opts ...proptest.Option) (history []proptest.Operation, page string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TURNSTILE_REPORTS", dir)
	r := check.Record(t.Name(), func(r *check.Recorder) {
		linearize.Check(r, model, func(p *proptest.P) {
			prop(p)
			p.Finally("the test has the history", func() bool {
				history = p.History()
				return true
			})
		}, opts...)
	})
	path := pathOfPage.FindStringSubmatch(r.Output())
	if !r.Failed() || path == nil || !strings.Contains(r.Output(), `"the history linearizes"`) {
		t.Fatalf("failed: %v, page: %q, output:\n%s", r.Failed(), path, r.Output())
	}
	if want := filepath.Join(dir, "linearize-"+t.Name()+".html"); path[1] != want {
		t.Errorf("the page is %s, want %s", path[1], want)
	}
	text, err := os.ReadFile(path[1])
	if err != nil {
		t.Fatal(err)
	}
	tasks, lines := map[string]bool{}, map[string]bool{}
	for _, op := range history {
		tasks[op.Task] = true
	}
	for _, line := range lineOfPage.FindAllString(string(text), -1) {
		lines[line] = true
	}
	if len(lines) != len(tasks) {
		t.Errorf("the page has lines %v for the tasks %v", lines, tasks)
	}
	return history, string(text)
}

// cell is the model of a register.
var cell = linearize.Model[int]{
	Step: func(state int, op proptest.Operation) (int, bool) {
		switch {
		case op.Name == "Read":
			return state, op.Pending || op.Results[1] != nil || op.Results[0] == state
		case op.Pending || op.Results[0] == nil:
			return op.Args[0].(int), true
		default: // a write that was canceled
			return state, true
		}
	},
}

// register is what is put to that model.
type register interface {
	Write(ctx context.Context, v int) error
	Read(ctx context.Context) (int, error)
}

// useRegister has tasks write numbers and read.
func useRegister(p *proptest.P, r register) {
	for i := range p.IntRange(2, 4, "tasks") {
		ops := p.IntRange(1, 3, "operations")
		first := p.IntRange(0, 1, "writes first")
		p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
			for k := range ops {
				if (first+k)%2 == 0 {
					end := p.Op(ctx, "Read")
					v, err := r.Read(ctx)
					end(v, err)
					if err != nil {
						return err
					}
					continue
				}
				v := 10*i + k + 1
				end := p.Op(ctx, "Write", v)
				err := r.Write(ctx, v)
				end(err)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// mirrored is a register in two copies, which are written one after the other; readers take turns. So who reads
// the old value may come after one who has read the new one.
type mirrored struct {
	copies [2]int
	reads  int
}

func (m *mirrored) Write(ctx context.Context, v int) error {
	m.copies[0] = v
	if err := core.Yield(ctx); err != nil {
		return err
	}
	m.copies[1] = v
	return nil
}

func (m *mirrored) Read(context.Context) (int, error) {
	m.reads++
	return m.copies[m.reads%2], nil
}

func TestBrokenRegister(t *testing.T) {
	history, page := refuted(t, cell, func(p *proptest.P) { useRegister(p, &mirrored{}) })
	if len(history) > 6 {
		t.Errorf("not shrunk: %v", history)
	}
	for _, want := range []string{"Write(", "Read() = ", "<html"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

// locked is a register whose writes are one, for those who come later.
type locked struct {
	lock lock.AsyncLock
	v    int
}

func (l *locked) Write(ctx context.Context, v int) error {
	return l.lock.Do(ctx, func(context.Context) error {
		l.v = v
		return nil
	})
}

func (l *locked) Read(ctx context.Context) (v int, err error) {
	err = l.lock.Do(ctx, func(ctx context.Context) error {
		_ = core.Yield(ctx)
		v = l.v
		return nil
	})
	return v, err
}

func TestRegister(t *testing.T) {
	linearize.Check(t, cell, func(p *proptest.P) { useRegister(p, &locked{}) })
}

// The search has a goroutine of its own, which must be over when a bubble or a watch for leaks looks.
func TestModes(t *testing.T) {
	check.Cases(t, 1000)
	for name, opts := range map[string][]proptest.Option{
		"Bubble":     {proptest.Bubble(), proptest.Cancels(1)},
		"Goroutines": {proptest.Goroutines(), proptest.Cancels(1)},
		"PCT":        {proptest.PCT(3), proptest.Cancels(1)},
		"Exhaustive": {proptest.Exhaustive(1), proptest.MaxSchedules(5000)},
		"Leaks":      {proptest.Leaks()},
	} {
		t.Run(name, func(t *testing.T) {
			linearize.Check(t, cell, func(p *proptest.P) { useRegister(p, &locked{}) }, opts...)
		})
	}
}

// line is the model of a queue without bound. A Get that waits for ever does nothing.
var line = linearize.Model[[]int]{
	Step: func(state []int, op proptest.Operation) ([]int, bool) {
		if op.Name == "Put" {
			if !op.Pending && op.Results[0] != nil {
				return state, true
			}
			return append(state[:len(state):len(state)], op.Args[0].(int)), true
		}
		switch {
		case !op.Pending && op.Results[1] != nil:
			return state, op.Name == "Get" || len(state) == 0
		case len(state) == 0:
			return state, false
		default:
			return state[1:], op.Pending || op.Results[0] == state[0]
		}
	},
}

type queuer interface {
	Put(ctx context.Context, v int) error
	Get(ctx context.Context) (int, error)
	TryGet() (int, error)
}

// useQueue has tasks put and get, and one that gets what is left when the others have ended. Time is virtual.
func useQueue(p *proptest.P, q queuer) {
	n := p.IntRange(1, 3, "items")
	p.Go("putter", func(ctx context.Context) error {
		for v := range n {
			end := p.Op(ctx, "Put", v)
			err := q.Put(ctx, v)
			end(err)
			if err != nil {
				return err
			}
			if err := core.Yield(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	for i := range p.IntRange(1, 3, "getters") {
		p.Go(fmt.Sprint("getter", i), func(ctx context.Context) error {
			ctx, cancel := core.WithTimeout(ctx, time.Second)
			defer cancel()
			end := p.Op(ctx, "Get")
			v, err := q.Get(ctx)
			end(v, err)
			if errors.Is(err, context.DeadlineExceeded) {
				return nil
			}
			return err
		})
	}
	p.Go("last", func(ctx context.Context) error {
		if err := core.Sleep(ctx, time.Minute); err != nil {
			return err
		}
		for {
			end := p.Op(ctx, "TryGet")
			v, err := q.TryGet()
			end(v, err)
			if err != nil {
				return nil
			}
		}
	})
}

// dropping is a queue that hands items over, and whose getter, if it was canceled after that, drops the item.
type dropping struct {
	items   []int
	waiters []*core.Future[int]
}

var errEmpty = errors.New("empty")

func (q *dropping) Put(_ context.Context, v int) error {
	for len(q.waiters) > 0 {
		w := q.waiters[0]
		q.waiters = q.waiters[1:]
		if w.TryComplete(v) {
			return nil
		}
	}
	q.items = append(q.items, v)
	return nil
}

func (q *dropping) Get(ctx context.Context) (int, error) {
	if v, err := q.TryGet(); err == nil {
		return v, nil
	}
	w := core.NewFuture[int]()
	q.waiters = append(q.waiters, w)
	v, err := w.AwaitOrCancel(ctx)
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return v, err
}

func (q *dropping) TryGet() (int, error) {
	if len(q.items) == 0 {
		return 0, errEmpty
	}
	v := q.items[0]
	q.items = q.items[1:]
	return v, nil
}

func TestBrokenQueue(t *testing.T) {
	history, _ := refuted(t, line, func(p *proptest.P) { useQueue(p, &dropping{}) }, proptest.Cancels(3))
	if len(history) > 6 {
		t.Errorf("not shrunk: %v", history)
	}
}

func TestQueue(t *testing.T) {
	linearize.Check(t, line, func(p *proptest.P) { useQueue(p, queue.New[int](0)) }, proptest.Cancels(3))
}

// A task that dies leaves an operation that may have taken effect, or not.
func TestPanics(t *testing.T) {
	pending := 0
	linearize.Check(t, line, func(p *proptest.P) {
		useQueue(p, queue.New[int](0))
		p.Finally("the test counts", func() bool {
			for _, op := range p.History() {
				if op.Pending {
					pending++
				}
			}
			return true
		})
	}, proptest.Panics(2), proptest.Cancels(1))
	if pending == 0 {
		t.Error("no case had a pending operation")
	}
}

// A panic of the model comes to the caller, though Porcupine calls it on another goroutine.
func TestModelPanics(t *testing.T) {
	t.Setenv("TURNSTILE_REPORTS", "off")
	model := cell
	model.Step = func(int, proptest.Operation) (int, bool) { panic("a mistake in the model") }
	r := check.Record(t.Name(), func(r *check.Recorder) {
		linearize.Check(r, model, func(p *proptest.P) { useRegister(p, &locked{}) })
	})
	if !r.Failed() || !strings.Contains(r.Output(), "a mistake in the model") {
		t.Errorf("failed: %v, output:\n%s", r.Failed(), r.Output())
	}
}

// A case that fails for another reason has no page.
func TestOtherFailure(t *testing.T) {
	t.Setenv("TURNSTILE_REPORTS", t.TempDir())
	r := check.Record(t.Name(), func(r *check.Recorder) {
		linearize.Check(r, cell, func(p *proptest.P) {
			useRegister(p, &locked{})
			p.Finally("all is well", func() bool { return false })
		})
	})
	if !r.Failed() || pathOfPage.MatchString(r.Output()) {
		t.Errorf("failed: %v, output:\n%s", r.Failed(), r.Output())
	}
}

// Who wants no page has none, and one that cannot be written is no reason to fail otherwise.
func TestNoPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{"off": "", file: "linearize: no page of the history: "} {
		t.Setenv("TURNSTILE_REPORTS", dir)
		r := check.Record(t.Name(), func(r *check.Recorder) {
			linearize.Check(r, cell, func(p *proptest.P) { useRegister(p, &mirrored{}) })
		})
		if !r.Failed() || !strings.Contains(r.Output(), want) || pathOfPage.MatchString(r.Output()) {
			t.Errorf("%s: failed: %v, output:\n%s", dir, r.Failed(), r.Output())
		}
	}
}

func TestNoStep(t *testing.T) {
	for name, fn := range map[string]func(){
		"Check":      func() { linearize.Check(t, linearize.Model[int]{}, func(*proptest.P) {}) },
		"Linearizes": func() { linearize.Linearizes(linearize.Model[int]{}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v != "linearize: model without Step" {
					t.Errorf("panicked with %v", v)
				}
			}()
			fn()
		})
	}
}
