package dispatch_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// TestInterrupted: signals that hit the thread of the loop while it sleeps end no sleep, and no timer
// early, in whatever way it waits.
func TestInterrupted(t *testing.T) {
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGUSR1) // does not kill
	defer signal.Stop(caught)
	eachSleep(t, func(t *testing.T, d *dispatch.Dispatcher) {
		for _, sig := range []unix.Signal{unix.SIGURG, unix.SIGUSR1} {
			for _, timed := range []bool{false, true} {
				thread := make(chan int, 1)
				type outcome struct {
					n   int
					err error
				}
				done := make(chan outcome, 1)
				release := d.Hold()
				early := false
				if timed {
					at := d.Now().Add(2 * time.Millisecond)
					d.AfterFunc(2*time.Millisecond, func() { early = d.Now().Before(at) })
				}
				go func() {
					runtime.LockOSThread()
					defer runtime.UnlockOSThread()
					thread <- unix.Gettid()
					n, err := d.Poll(-1)
					done <- outcome{n, err}
				}()
				tid := <-thread
				for !d.Asleep() && len(done) == 0 { // the timer may be over by now
					runtime.Gosched()
				}
				var end atomic.Bool
				var storm sync.WaitGroup
				sent := 0
				storm.Go(func() {
					for ; !end.Load(); sent++ {
						_ = unix.Tgkill(unix.Getpid(), tid, sig)
						runtime.Gosched()
					}
				})
				if !timed {
					for range 100 { // it has every opportunity to return
						runtime.Gosched()
						_ = unix.Tgkill(unix.Getpid(), tid, sig)
					}
					if !d.Asleep() {
						t.Errorf("%v: the sleep has ended", sig)
					}
					must(t, d.Post(func() {}))
				}
				got := <-done
				end.Store(true)
				storm.Wait()
				if got.n != 1 || got.err != nil || early {
					t.Errorf("%v: Poll = %d, %v, early: %v", sig, got.n, got.err, early)
				}
				release()
			}
		}
	})
}

// TestCloseEverything closes a dispatcher that has everything pending: each thing ends as its
// documentation says, and nothing hangs or is left.
func TestCloseEverything(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		for _, running := range []bool{false, true} {
			d, err := dispatch.New(cfg)
			must(t, err)
			var r record
			never := func(what string) func() { return func() { t.Error(what + " ran") } }

			var ends []error
			end := func(e dispatch.FDEvent) bool { ends = append(ends, e.Err); return true }
			p, full := sockets(t), pipe(t)
			register(t, d, p.r, full.w)
			fillUp(t, full.w)
			addRead(t, d, p.r, end)
			addRead(t, d, p.r, end)
			addWrite(t, d, full.w, end)
			ops := startAll(t, d, newNetwork(t))

			cmd, exit := child(t, "exit 0")
			var processes states
			addProcess(t, d, cmd.Process.Pid, processes.told)
			signals := addSignal(t, d, unix.SIGUSR1, func(os.Signal) bool { t.Error("heard a signal"); return false })
			silent, triggered := dispatch.NewEvent(), dispatch.NewEvent()
			addEvent(t, d, silent, func() bool { never("a silent event")(); return false })
			timer := d.AfterFunc(time.Hour, never("a timer"))
			periodic := addTimer(t, d, time.Hour, false, func() bool { never("a periodic timer")(); return false })
			release := d.Hold()

			var canceled atomic.Int32
			for range 3 {
				core.Spawn(core.On(context.Background(), d), func(ctx context.Context) error {
					err := core.Sleep(ctx, time.Hour)
					if context.Cause(ctx) == dispatch.ErrClosed {
						canceled.Add(1)
					}
					return err
				})
			}
			spawned := make(chan struct{})
			must(t, d.Post(func() { close(spawned) }))
			done := make(chan error, 1)
			if running {
				go func() { done <- d.Run(context.Background()) }()
				<-spawned
				asleep(d)
			} else {
				turn(t, d)
				turn(t, d)
				done <- nil
			}
			must(t, d.Post(r.does("post")))
			d.CallIdle(r.does("idle"))
			addEvent(t, d, triggered, func() bool { r.does("event")(); return false })
			triggered.Trigger()

			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if err := d.Close(); err != nil {
						t.Errorf("Close = %v", err)
					}
				})
			}
			wg.Wait()
			if err := <-done; err != nil {
				t.Errorf("Run = %v", err)
			}
			if len(r) < 2 || r[0] != "post" && r[0] != "idle" {
				t.Errorf("ran %q", r)
			}
			if !slices.Equal(ends, []error{dispatch.ErrClosed, dispatch.ErrClosed, dispatch.ErrClosed}) {
				t.Errorf("watches ended with %v", ends)
			}
			ops.want(t, dispatch.ErrClosed)
			processes.want(t, dispatch.ProcessState{ExitCode: -1, Err: dispatch.ErrClosed})
			if n := canceled.Load(); n != 3 {
				t.Errorf("%d tasks were canceled by the Close", n)
			}
			if timer.Stop() || periodic.Stop() || signals.Stop() || d.Pending() != 1 {
				t.Errorf("something can still be stopped, or %d pending, want the hold", d.Pending())
			}
			release()
			refusesAll(t, d)
			exit()
		}
	})
}

// fillUp writes until there is no room.
func fillUp(t *testing.T, fd dispatch.FD) {
	for buf := make([]byte, 1<<16); ; {
		if _, err := unix.Write(int(fd), buf); errors.Is(err, unix.EAGAIN) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// refusing is a poller that watches no process, and does something else meanwhile.
type refusing struct {
	poll.Poller
	do  func()
	err error
}

func (r *refusing) AddProcess(int, poll.Tag) (poll.Process, error) {
	r.do()
	return nil, r.err
}

// TestRefusedProcessWakes: a Poll that sleeps while AddProcess fails, and for which nothing else is left
// then, has nothing to wait for.
func TestRefusedProcessWakes(t *testing.T) {
	eachConfig(t, func(t *testing.T, cfg dispatch.Config) {
		p, d := pipe(t), open(t, cfg)
		must(t, d.Register(p.r))
		release, begun := d.Hold(), make(chan struct{})
		oops := errors.New("oops")
		d.WrapPoller(func(p poll.Poller) poll.Poller {
			return &refusing{p, func() {
				close(begun)
				asleep(d)
				release()
			}, oops}
		})
		refused := make(chan error, 1)
		var once sync.Once
		simulate(d, &seam.Sim{Now: func() int64 { // the loop has seen the hold, and is about to sleep
			once.Do(func() {
				go func() {
					_, err := d.AddProcess(1, func(dispatch.ProcessState) {})
					refused <- err
				}()
				<-begun
			})
			return 0
		}})
		if n, err := d.Poll(-1); n != 0 || err != nil {
			t.Errorf("Poll = %d, %v", n, err)
		}
		if err := <-refused; err != oops || d.Pending() != 0 {
			t.Errorf("AddProcess = %v, %d pending", err, d.Pending())
		}
	})
}
