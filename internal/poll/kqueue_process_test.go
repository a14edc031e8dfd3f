//go:build linux

package poll_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

const fakePID = poll.FakeBase

func TestKqueueProcess(t *testing.T) {
	for _, o := range fakes {
		for _, child := range []bool{true, false} {
			for _, before := range []bool{true, false} {
				k, p := newFake(t, o)
				empty := k.Knotes()
				if w, err := p.AddProcess(fakePID, 1); !errors.Is(err, unix.ESRCH) {
					t.Fatalf("no such process: %v, %v", w, err)
				}
				proc := k.Start(fakePID, child)
				if before {
					proc.End(3 << 8)
				}
				w, err := p.AddProcess(fakePID, 1)
				must(t, err)
				if !before {
					quiet(t, p)
					proc.End(3 << 8)
				}
				for range 3 {
					if got := wait(t, p, soon); len(got) != 1 || got[1] != (poll.Event{Tag: 1, Ready: poll.Read}) {
						t.Errorf("%+v, child %t, before %t: %v", o, child, before, got)
					}
				}
				want := poll.ExitState{Known: true, Code: 3}
				if before && o.ZombiesAreESR || !child && o.AskForStatus {
					want = poll.ExitState{Code: -1}
				}
				if got := w.State(); got != want {
					t.Errorf("%+v, child %t, before %t: %+v, want %+v", o, child, before, got, want)
				}
				proc.Collect()
				if w, err := p.AddProcess(fakePID, 2); !errors.Is(err, unix.ESRCH) {
					t.Errorf("a process that was collected: %v, %v", w, err)
				}
				must(t, w.Close())
				must(t, w.Close())
				if n := k.Knotes(); n != empty {
					t.Errorf("%d knotes left", n-empty)
				}
				quiet(t, p)
			}
		}
	}
}

// TestKqueueLateExit closes the watch, and gives its number to another process, between the collection
// of the event and its report.
func TestKqueueLateExit(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		proc := k.Start(fakePID, true)
		w, err := p.AddProcess(fakePID, 1)
		must(t, err)
		proc.End(0)
		k.OnCollected(func() {
			k.OnCollected(nil)
			must(t, w.Close())
			k.Start(fakePID, true)
			w, err = p.AddProcess(fakePID, 2)
			must(t, err)
		})
		quiet(t, p)
		quiet(t, p)
		must(t, w.Close())
	})
}

// TestKqueueEndedBefore adds a process that has ended under a Wait that blocks.
func TestKqueueEndedBefore(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		k.Start(fakePID, true).End(9)
		done := make(chan struct{})
		go func() {
			defer close(done)
			waitFor(t, p, 1, poll.Read)
		}()
		asleep(p)
		w, err := p.AddProcess(fakePID, 1)
		must(t, err)
		<-done
		must(t, w.Close())
	})
}

// TestKqueueTurns has more ready than room, of both kinds: any run of as many reports as there is
// to be told names each once.
func TestKqueueTurns(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		const files, processes = 5, 4
		for i := range files {
			k.Open(fakeFD+i).Set(poll.Read, true)
			must(t, p.Add(fakeFD+i, poll.Tag(i), poll.Read, poll.Level))
		}
		var watches []poll.Process
		var procs []*poll.FakeProcess
		for i := range processes {
			pid := fakePID + i/2 // two watch the same
			if i%2 == 0 {
				procs = append(procs, k.Start(pid, true))
			}
			w, err := p.AddProcess(pid, poll.Tag(files+i))
			must(t, err)
			watches = append(watches, w)
		}
		for _, proc := range procs {
			proc.End(0)
		}
		for _, room := range []int{1, 2, 3, 7} {
			var tags []poll.Tag
			events := make([]poll.Event, room)
			for len(tags) < 10*(files+processes) {
				n, err := p.Wait(events, soon)
				must(t, err)
				if n == 0 {
					t.Fatal("nothing is reported")
				}
				for _, ev := range events[:n] {
					tags = append(tags, ev.Tag)
				}
			}
			last := map[poll.Tag]int{}
			for i, tag := range tags[files+processes:] { // without the rest of the turn before
				if before, ok := last[tag]; ok && i-before < files+processes {
					t.Errorf("room %d: tag %d again after %d others", room, tag, i-before-1)
				}
				last[tag] = i
			}
			if len(last) != files+processes {
				t.Errorf("room %d: only %v were named", room, last)
			}
		}
		for _, w := range watches {
			must(t, w.Close())
		}
	})
}

// TestKqueueCloseOwed closes what has ended and was not reported for want of room.
func TestKqueueCloseOwed(t *testing.T) {
	eachFake(t, func(t *testing.T, k *poll.FakeKernel, p poll.Poller) {
		k.Start(fakePID, true).End(0)
		var watches [3]poll.Process
		for i := range watches {
			var err error
			watches[i], err = p.AddProcess(fakePID, poll.Tag(i))
			must(t, err)
		}
		events := make([]poll.Event, 1)
		n, err := p.Wait(events, 0)
		must(t, err)
		if n != 1 {
			t.Fatal("nothing is reported")
		}
		for i, w := range watches {
			if poll.Tag(i) != events[0].Tag {
				must(t, w.Close())
			}
		}
		for range 3 {
			if got := wait(t, p, 0); len(got) != 1 || got[events[0].Tag].Ready != poll.Read {
				t.Errorf("got %v, want tag %d only", got, events[0].Tag)
			}
		}
		must(t, watches[events[0].Tag].Close())
		quiet(t, p)
	})
}

// TestKqueueNumberGivenOut: a process that has the number of a missing one is started while that is
// looked for.
func TestKqueueNumberGivenOut(t *testing.T) {
	k, p := newFake(t, poll.FakeOptions{ZombiesAreESR: true})
	var proc *poll.FakeProcess
	k.OnMissing(func() { proc = k.Start(fakePID, true) })
	w, err := p.AddProcess(fakePID, 1)
	must(t, err)
	quiet(t, p)
	proc.End(0)
	waitFor(t, p, 1, poll.Read)
	must(t, w.Close())
}
