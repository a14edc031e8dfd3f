package proptest_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/queue"
)

// reported is the report of a check that is to fail, with letters in place of the numbers of lines.
func reported(t *testing.T, name string, prop func(p *proptest.P), opts ...proptest.Option) string {
	t.Helper()
	t.Setenv("TURNSTILE_REPORTS", "off")
	r := check.Record(name, func(r *check.Recorder) { proptest.Check(r, prop, opts...) })
	_, out, ok := strings.Cut(r.Output(), "\n\n")
	if !ok || !strings.HasPrefix(out, name+": ") {
		t.Fatalf("no report:\n%s", r.Output())
	}
	return regexp.MustCompile(`(_test\.go):\d+`).ReplaceAllString(strings.TrimSpace(out), "$1:L") + "\n"
}

// golden compares a report.
func golden(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimPrefix(want, "\n"); got != want {
		t.Errorf("the report is\n%s\nnot\n%s", got, want)
	}
}

// twoLocks has tasks that take two locks in different order.
func twoLocks(p *proptest.P) {
	var a, b lock.AsyncLock
	p.Name(&b, "table b")
	for i := range p.IntRange(2, 4, "tasks") {
		p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
			first, second := &a, &b
			if i == 1 {
				first, second = second, first
			}
			return first.Do(ctx, func(ctx context.Context) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				return second.Do(ctx, core.Yield)
			})
		})
	}
}

func TestReportOfDeadlock(t *testing.T) {
	golden(t, reported(t, "TestTables", twoLocks), `
TestTables: deadlock: every task waits, and nothing can happen any more (after step 3)

deviations from FIFO: none

schedule:
          0  w0    begins; takes AsyncLock 1 (report_test.go:L); yields (report_test.go:L)
          1  w1    begins; takes table b (report_test.go:L); yields (report_test.go:L)
          2  w0    goes on; waits in lock.AsyncLock.Do (report_test.go:L) for table b
          3  w1    goes on; waits in lock.AsyncLock.Do (report_test.go:L) for AsyncLock 1

lanes:
               0
               |
  a w0         #=#.
  b w1         =#=#
  AsyncLock 1  aaaa
  table b       bbb
  # runs  * runs before its turn  = is ready  . waits  letters: who holds it (+: several)

in the end:
  w0 waits in lock.AsyncLock.Do (report_test.go:L) for table b, held by w1 since step 1 (report_test.go:L)
  w1 waits in lock.AsyncLock.Do (report_test.go:L) for AsyncLock 1, held by w0 since step 0 (report_test.go:L)
  a circle of waits: w0 -> w1 -> w0

replay:  go test -run '^TestTables$' github.com/seed-1e54c410/turnstile/proptest
         with the -rapid.seed or -rapid.failfile that rapid tells: no case is stored in testdata/rapid
option:  proptest.Replay("") makes every case take this schedule
`)
}

// slots is a pool that loses a slot: it hands one to the first that waits, who may have given up.
type slots struct {
	free    int
	waiting []*core.Future[int]
}

func (s *slots) get(ctx context.Context) error {
	if s.free > 0 {
		s.free--
		return nil
	}
	f := core.NewFuture[int]()
	s.waiting = append(s.waiting, f)
	_, err := f.Await(ctx)
	return err
}

func (s *slots) put() {
	if len(s.waiting) == 0 {
		s.free++
		return
	}
	s.waiting[0].Complete(1)
	s.waiting = s.waiting[1:]
}

// lostSlot has a task that starts others, which use the pool, and looks at what becomes of them.
func lostSlot(p *proptest.P) {
	s := &slots{free: 1}
	use := func(ctx context.Context) (int, error) {
		done := p.Op(ctx, "get")
		if err := s.get(ctx); err != nil {
			return 0, err
		}
		done("ok")
		defer s.put()
		return 1, core.Sleep(ctx, 1_000_000_000)
	}
	p.Go("boss", func(ctx context.Context) error {
		f := core.Async(ctx, use)
		task := core.Start(ctx, func(ctx context.Context) error {
			_, err := use(ctx)
			return err
		})
		if _, err := f.Await(ctx); err != nil {
			return err
		}
		return task.Wait(ctx)
	})
	for i := range 2 {
		p.Go(fmt.Sprint("guest ", i), func(ctx context.Context) error {
			_, err := use(ctx)
			return err
		})
	}
}

func TestReportOfNestedTasks(t *testing.T) {
	golden(t, reported(t, "TestPool/one slot", lostSlot, proptest.Replay("d1@1 c2@3")), `
TestPool/one slot: deadlock: every task waits, and nothing can happen any more (after step 8)

deviations from FIFO: step 1 ran guest 1 before guest 0
cancels: guest 1 before step 3

schedule:
          0  boss     begins; starts boss.1 (report_test.go:L)
             boss.1   calls get() (report_test.go:L); is back from get() = ok; sleeps (report_test.go:L)
             boss     starts boss.2 (report_test.go:L)
             boss.2   calls get() (report_test.go:L);
                      waits in core.Future.Await (report_test.go:L) for Future 1
             boss     waits in core.Future.Await (report_test.go:L) for the end of boss.1
*         1  guest 1  (before guest 0) begins; calls get() (report_test.go:L);
                      waits in core.Future.Await (report_test.go:L) for Future 2
          2  guest 0  begins; calls get() (report_test.go:L);
                      waits in core.Future.Await (report_test.go:L) for Future 3
          -- guest 1 is canceled --
          3  guest 1  goes on (it was canceled); ends with the error: context canceled
          -- the clock goes on to 1s --
          4  boss.1   goes on; ends
          5  boss.2   goes on (woken by boss.1 in step 4); is back from get() = ok; sleeps (report_test.go:L)
          6  boss     goes on (woken by boss.1 in step 4);
                      waits in core.Task.Wait (report_test.go:L) for the end of boss.2
          -- the clock goes on to 2s --
          7  boss.2   goes on; ends
          8  boss     goes on (woken by boss.2 in step 7); ends

lanes:
             0    5
             |    |
  a boss     #...==#=#
  b guest 0  ==#......
  c guest 1  =*=#
                ^
  d boss.1   #...#
  e boss.2   #...=#.#
  # runs  * runs before its turn  = is ready  . waits  ^ canceled before this step

in the end:
  guest 0 waits in core.Future.Await (report_test.go:L) for Future 3, and nobody is left who could wake it
  get() of guest 1 is pending since step 1
  get() of guest 0 is pending since step 2

replay:  go test -run '^TestPool$/^one slot$' github.com/seed-1e54c410/turnstile/proptest
         with the -rapid.seed or -rapid.failfile that rapid tells: no case is stored in testdata/rapid
option:  proptest.Replay("d1@1 c2@3") makes every case take this schedule
`)
}

// The lines are those of the code under test.
func TestReportPlaces(t *testing.T) {
	_, _, line, _ := runtime.Caller(0)
	t.Setenv("TURNSTILE_REPORTS", "off")
	out := found(t, func(p *proptest.P) {
		var e event.AsyncEvent
		p.Go("w", e.Wait)
		p.Go("v", func(ctx context.Context) error {
			return e.Wait(ctx) // here
		})
	})
	if want := fmt.Sprintf("v waits in event.AsyncEvent.Wait (report_test.go:%d) for AsyncEvent 1", line+6); !strings.Contains(out, want) {
		t.Errorf("%q is not in\n%s", want, out)
	}
}

// poolOfTwo is a struct whose fields are named after it.
type poolOfTwo struct {
	n     int
	inner struct{ slots queue.AsyncQueue[int] }
}

// A name is one line, whatever it is.
func TestReportOddName(t *testing.T) {
	got := reported(t, "TestOddName", func(p *proptest.P) {
		p.Go("a\nb", func(ctx context.Context) error { return new(event.AsyncEvent).Wait(ctx) })
		p.Go("\x1b[31m", func(ctx context.Context) error { return new(event.AsyncEvent).Wait(ctx) })
	})
	if strings.Contains(got, "\nb") || strings.Contains(got, "\x1b") {
		t.Errorf("a name is not on one line, or colors it:\n%s", got)
	}
}

func TestReportNames(t *testing.T) {
	h := poolOfTwo{n: 1}
	var free [2]queue.AsyncQueue[int]
	got := reported(t, "TestNames", func(p *proptest.P) {
		p.Name(&h, "<pool>")
		p.Go("a", func(ctx context.Context) error {
			_, err := h.inner.slots.Get(ctx)
			return err
		})
		for i := range 3 {
			p.Go(fmt.Sprint("b", i), func(ctx context.Context) error {
				_, err := free[i%2].Get(ctx)
				return err
			})
		}
	})
	for _, want := range []string{
		"a waits in queue.AsyncQueue.Get (report_test.go:L) for <pool>.inner.slots, and nobody is left who could wake it",
		"b0 waits in queue.AsyncQueue.Get (report_test.go:L) for AsyncQueue 1, and",
		"b1 waits in queue.AsyncQueue.Get (report_test.go:L) for AsyncQueue 2, and",
		"b2 waits in queue.AsyncQueue.Get (report_test.go:L) for AsyncQueue 1, and",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// A putter and a getter of one queue wait for the same thing.
func TestReportBothEnds(t *testing.T) {
	got := reported(t, "TestEnds", func(p *proptest.P) {
		full, empty := queue.New[int](1), queue.New[int](1)
		for _, step := range []struct {
			name string
			fn   func(ctx context.Context) error
		}{
			{"getter", func(ctx context.Context) error { _, err := full.Get(ctx); return err }},
			{"putter", func(ctx context.Context) error {
				return errors.Join(full.Put(ctx, 1), full.Put(ctx, 2), full.Put(ctx, 3))
			}},
			{"reader", func(ctx context.Context) error { _, err := empty.Get(ctx); return err }},
		} {
			p.Go(step.name, step.fn)
		}
	})
	for _, want := range []string{
		"getter  begins; waits in queue.AsyncQueue.Get (report_test.go:L) for AsyncQueue 1\n",
		"putter waits in queue.AsyncQueue.Put (report_test.go:L) for AsyncQueue 1",
		"reader waits in queue.AsyncQueue.Get (report_test.go:L) for AsyncQueue 2",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

func TestReportPanic(t *testing.T) {
	got := reported(t, "TestPanics", func(p *proptest.P) {
		var l lock.AsyncLock
		p.Go("w", func(ctx context.Context) error {
			return l.Do(ctx, func(ctx context.Context) error {
				if err := core.Yield(ctx); err != nil {
					return err
				}
				l.Release()
				return nil
			})
		})
	})
	for _, want := range []string{
		"w     goes on; gives back AsyncLock 1 (report_test.go:L);",
		"panics: lock: release of unlocked AsyncLock\n",
		"stack of w:\n  lock.AsyncLock.Do\n  proptest_test.TestReportPanic.func1.1 (report_test.go:L)\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// Tasks that the code under test starts itself are shown with how they have ended.
func TestReportOutcomes(t *testing.T) {
	got := reported(t, "TestOutcomes", func(p *proptest.P) {
		p.Go("w", func(ctx context.Context) error {
			task := core.Start(ctx, func(context.Context) error { return errors.New("no luck") })
			f := core.Async(ctx, func(context.Context) (int, error) { return 0, errors.New("no value") })
			_, err := f.Await(ctx)
			return errors.Join(task.Wait(ctx), err)
		})
	})
	for _, want := range []string{
		"w.1   ends with the error: no luck\n", "w.2   ends with the error: no value\n",
		"w     ends with the error: no luck ...\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// A long case is cut, and steps in which nothing happens are drawn together.
func TestReportLong(t *testing.T) {
	got := reported(t, "TestLong", func(p *proptest.P) {
		var l lock.AsyncLock
		p.Go("w", func(ctx context.Context) error {
			for {
				if err := l.Do(ctx, core.Yield); err != nil {
					return err
				}
				for range 5 {
					if err := core.Yield(ctx); err != nil {
						return err
					}
				}
			}
		})
	}, proptest.Steps(1000))
	if n := strings.Count(got, "\n"); n > 110 {
		t.Errorf("the report has %d lines", n)
	}
	for _, want := range []string{
		"livelock", " lines ...\n", "w only gives others a turn, or let time pass\n",
		"\n  a w          " + strings.Repeat("#", 100) + "\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// What the code under test says is shown on one line, without what a terminal obeys.
func TestReportPlain(t *testing.T) {
	got := reported(t, "TestPlain", func(p *proptest.P) {
		var e event.AsyncEvent
		p.Name(&e, "red\x1b[31m")
		p.Go("w", func(ctx context.Context) error { return e.Wait(ctx) })
		p.Go("v", func(ctx context.Context) error {
			p.Op(ctx, "say", "one\ntwo")(strings.Repeat("long ", 100))
			return nil
		})
	})
	if strings.Contains(got, "\x1b") || strings.Contains(got, "one\ntwo") {
		t.Errorf("the report is\n%s", got)
	}
	for _, want := range []string{"for red·[31m", "calls say(one two) (", strings.Repeat("long ", 25)} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// The command runs this one test, from any shell and folder of the module.
func TestReplayCommand(t *testing.T) {
	t.Setenv("TURNSTILE_REPORTS", "off")
	const pkg = "github.com/seed-1e54c410/turnstile/proptest"
	for name, want := range map[string]string{
		"TestX":           `'^TestX$' ` + pkg + "\n",
		"TestX/n=1.5/a|b": `'^TestX$/^n=1\.5$/^a\|b$' ` + pkg + "\n",
		"TestX/it's":      `'^TestX$/^it'\''s$' ` + pkg + "\n",
	} {
		if got := reported(t, name, twoLocks); !strings.Contains(got, "replay:  go test -run "+want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}

// With the file that rapid stores nothing has to be added to the command.
func TestReplayStored(t *testing.T) {
	dir, err := os.MkdirTemp("", "stored")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t.Chdir(dir)
	if err := flag.Set("rapid.nofailfile", "false"); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = flag.Set("rapid.nofailfile", "true") }()
	for range 2 {
		got := reported(t, "TestStored/a case", twoLocks)
		if !strings.Contains(got, "takes the case that rapid has stored in testdata/rapid first\n") {
			t.Errorf("the report is\n%s", got)
		}
	}
	if files, _ := filepath.Glob("testdata/rapid/*/*.fail"); len(files) != 1 {
		t.Errorf("the second run has not taken the stored case: %q", files)
	}
}

// Nothing is recorded before a case has failed, and every case from then on.
func TestRecording(t *testing.T) {
	t.Setenv("TURNSTILE_REPORTS", "off")
	defer patiently(t)()
	cases, failed, early, late := 0, false, 0, 0
	check.Record(t.Name(), func(r *check.Recorder) {
		proptest.Check(r, func(p *proptest.P) {
			cases++
			switch recorded := proptest.Recorded(p); {
			case recorded && !failed:
				early++
			case !recorded && failed:
				late++
			}
			p.Go("w", func(context.Context) error { return nil })
			p.Finally("few", func() bool {
				failed = failed || cases > 50
				return !failed
			})
		})
	})
	if cases < 52 || early > 0 || late > 0 {
		t.Errorf("%d cases: %d recorded too early, %d not recorded later", cases, early, late)
	}
}

// A case that passes is not reported, nor one that the property itself fails before a task runs.
func TestNoReport(t *testing.T) {
	folder := folder(t)
	r := check.Record("TestFine", func(r *check.Recorder) {
		proptest.Check(r, func(p *proptest.P) { p.Go("w", core.Yield) })
	})
	if r.Failed() || strings.Contains(r.Output(), "schedule:") {
		t.Errorf("a report of no failure:\n%s", r.Output())
	}
	if files, _ := filepath.Glob(filepath.Join(folder, "*")); len(files) > 0 {
		t.Errorf("files were written: %v", files)
	}
}

// folder makes a folder for reports.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "reports")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			_ = os.Remove(f)
		}
		_ = os.Remove(dir)
	})
	t.Setenv("TURNSTILE_REPORTS", dir)
	return dir
}
