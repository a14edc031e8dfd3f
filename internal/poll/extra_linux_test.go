package poll_test

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

const tellsHalfClose = true

// extraVariants has epoll as on a kernel without epoll_pwait2, and kqueue on the kernel of
// fake_kqueue_test.go.
func extraVariants() []variant {
	fake := func(o poll.FakeOptions) func(testing.TB, func()) {
		return func(_ testing.TB, f func()) { poll.WithFake(o, f) }
	}
	kqueue := poll.Config{Backend: "kqueue"}
	return []variant{
		{"epoll/block-millis", poll.Config{Backend: "epoll", Wait: poll.Block}, func(_ testing.TB, f func()) {
			poll.ForcePwait(true)
			defer poll.ForcePwait(false)
			f()
		}},
		{"kqueue/fake-darwin", kqueue, fake(poll.FakeOptions{ZombiesAreESR: true, AskForStatus: true})},
		{"kqueue/fake-netbsd", kqueue, fake(poll.FakeOptions{ZombiesAreESR: true, AskForStatus: true, NoUser: true, PipeEBADF: true})},
	}
}

// TestInterruptedWait aims signals at the thread that blocks. SIGURG has a
// handler, the Go runtime's, and no other effect.
func TestInterruptedWait(t *testing.T) {
	each(t, func(t *testing.T, open func() poll.Poller) {
		p := open()
		thread, timedOut, done := make(chan int), make(chan struct{}), make(chan struct{})
		const timeout = 10 * time.Millisecond
		go func() {
			defer close(done)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			thread <- unix.Gettid()
			start := time.Now()
			n, err := p.Wait(make([]poll.Event, 1), timeout)
			if took := time.Since(start); n != 0 || err != nil || took < timeout {
				t.Errorf("%d, %v after %v", n, err, took)
			}
			close(timedOut)
			n, err = p.Wait(make([]poll.Event, 1), -1)
			if n != 0 || err != nil {
				t.Errorf("endless: %d, %v", n, err)
			}
		}()
		tid := <-thread
		interrupt := func() {
			must(t, unix.Tgkill(unix.Getpid(), tid, unix.SIGURG))
			runtime.Gosched()
		}
		for waiting := true; waiting; {
			select {
			case <-timedOut:
				waiting = false
			default:
				interrupt()
			}
		}
		asleep(p)
		for range 100 {
			interrupt()
		}
		must(t, p.Wake())
		<-done
	})
}
