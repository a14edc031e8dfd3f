//go:build linux

package poll_test

import (
	"errors"
	"maps"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// modelFile is a descriptor and its registration as the contract has them. An Edge registration
// begins armed, which the contract allows.
type modelFile struct {
	*poll.FakeFile
	fd         int
	ready, eof poll.Mode
	errno      bool
	registered bool
	tag        poll.Tag
	interest   poll.Mode
	trigger    poll.Trigger
	armed      poll.Mode
}

// event is what Wait has to say, with no directions for nothing.
func (s *modelFile) event() poll.Event {
	fired := (s.ready | s.eof) & s.interest
	if s.trigger == poll.Edge {
		fired &= s.armed
	}
	ev := poll.Event{Tag: s.tag, Ready: fired}
	eof := fired & s.eof
	ev.Hup = eof&poll.Read != 0 || eof != 0 && (s.interest&poll.Read == 0 || s.errno)
	if ev.Err = eof != 0 && s.errno; ev.Err {
		ev.Ready = poll.Read | poll.Write
	}
	return ev
}

// told uses up the arming.
func (s *modelFile) told() { s.armed &^= (s.ready | s.eof) & s.interest }

type modelProcess struct {
	*poll.FakeProcess
	pid     int
	ended   bool
	tag     poll.Tag
	watched poll.Process
}

// TestKqueueModel runs random programs on fake descriptors and processes against the contract.
func TestKqueueModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k, p, err := poll.NewFake(fakes[rapid.IntRange(0, len(fakes)-1).Draw(rt, "kernel")])
		must(t, err)
		defer p.Close()
		const count = 4
		var files [count]*modelFile
		var processes [2]*modelProcess
		open := func(i int) { files[i] = &modelFile{FakeFile: k.Open(fakeFD + i), fd: fakeFD + i} }
		start := func(i int) {
			processes[i] = &modelProcess{FakeProcess: k.Start(fakePID+i, rapid.Bool().Draw(rt, "child")), pid: fakePID + i}
		}
		for i := range files {
			open(i)
		}
		for i := range processes {
			start(i)
		}
		generation, woken := poll.Tag(0), false
		pick := func(rt *rapid.T) *modelFile { return files[rapid.IntRange(0, count-1).Draw(rt, "file")] }
		mode := func(rt *rapid.T) poll.Mode { return poll.Mode(rapid.IntRange(1, 3).Draw(rt, "mode")) }
		label := func(rt *rapid.T, s *modelFile) {
			generation++
			s.tag, s.interest = generation, mode(rt)
			s.trigger = poll.Trigger(rapid.IntRange(0, 1).Draw(rt, "trigger"))
			s.armed = s.interest
		}
		due := func() map[poll.Tag]poll.Event {
			all := make(map[poll.Tag]poll.Event)
			for _, s := range files {
				if ev := s.event(); s.registered && ev.Ready != 0 {
					all[s.tag] = ev
				}
			}
			for _, s := range processes {
				if s.watched != nil && s.ended {
					all[s.tag] = poll.Event{Tag: s.tag, Ready: poll.Read}
				}
			}
			return all
		}
		check := func(rt *rapid.T, got map[poll.Tag]poll.Event, want map[poll.Tag]poll.Event) {
			if !maps.Equal(got, want) {
				rt.Fatalf("got  %+v\nwant %+v", got, want)
			}
			for _, s := range files {
				if _, ok := want[s.tag]; ok {
					s.told()
				}
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				s := pick(rt)
				if s.registered {
					if err := p.Add(s.fd, 0, poll.Read, poll.Level); s.armed&s.interest != 0 && !errors.Is(err, unix.EEXIST) {
						rt.Fatalf("Add twice = %v", err)
					}
					return
				}
				label(rt, s)
				must(t, p.Add(s.fd, s.tag, s.interest, s.trigger))
				s.registered = true
			},
			"modify": func(rt *rapid.T) {
				s := pick(rt)
				if !s.registered {
					if err := p.Modify(s.fd, 0, poll.Read, poll.Level); !errors.Is(err, unix.ENOENT) {
						rt.Fatalf("Modify = %v", err)
					}
					return
				}
				label(rt, s)
				must(t, p.Modify(s.fd, s.tag, s.interest, s.trigger))
			},
			"remove": func(rt *rapid.T) {
				s := pick(rt)
				if err := p.Remove(s.fd); s.registered != (err == nil) {
					rt.Fatalf("Remove = %v", err)
				}
				s.registered = false
			},
			"arm": func(rt *rapid.T) {
				s, m := pick(rt), mode(rt)
				if err := p.Arm(s.fd, m); s.registered != (err == nil) {
					rt.Fatalf("Arm = %v", err)
				}
				s.armed |= m & s.interest
			},
			"become": func(rt *rapid.T) {
				s, m := pick(rt), poll.Mode(rapid.IntRange(1, 2).Draw(rt, "direction"))
				on := rapid.Bool().Draw(rt, "ready")
				if s.ready &^= m; on {
					s.ready |= m
				}
				s.Set(m, on)
			},
			"end": func(rt *rapid.T) {
				s, m := pick(rt), mode(rt)
				s.eof |= m
				s.errno = rapid.Bool().Draw(rt, "error")
				errno := uint32(0)
				if s.errno {
					errno = uint32(unix.ECONNRESET)
				}
				s.End(m, errno)
			},
			"replace": func(rt *rapid.T) {
				i := rapid.IntRange(0, count-1).Draw(rt, "file")
				if files[i].registered {
					must(t, p.Remove(files[i].fd))
				}
				open(i)
			},
			"interrupt": func(rt *rapid.T) { k.Interrupt(rapid.IntRange(1, 3).Draw(rt, "times")) },
			"wake": func(*rapid.T) {
				must(t, p.Wake())
				woken = true
			},
			"watch process": func(rt *rapid.T) {
				s := processes[rapid.IntRange(0, 1).Draw(rt, "process")]
				if s.watched == nil {
					generation++
					s.tag = generation
					s.watched, err = p.AddProcess(s.pid, s.tag)
					must(t, err)
				}
			},
			"end process": func(rt *rapid.T) {
				s := processes[rapid.IntRange(0, 1).Draw(rt, "process")]
				if !s.ended {
					s.ended = true
					s.FakeProcess.End(0)
				}
			},
			"close process": func(rt *rapid.T) {
				i := rapid.IntRange(0, 1).Draw(rt, "process")
				if s := processes[i]; s.watched != nil {
					must(t, s.watched.Close())
					if s.watched = nil; s.ended {
						start(i)
					}
				}
			},
			"replace during Wait": func(rt *rapid.T) {
				i := rapid.IntRange(0, count-1).Draw(rt, "file")
				want := due()
				if len(want) == 0 || !files[i].registered {
					return
				}
				old := *files[i]
				k.OnCollected(func() {
					k.OnCollected(nil)
					must(t, p.Remove(old.fd))
					open(i)
					label(rt, files[i])
					must(t, p.Add(old.fd, files[i].tag, files[i].interest, files[i].trigger))
					files[i].registered = true
				})
				got := wait(t, p, 0)
				k.OnCollected(nil)
				delete(want, old.tag)
				check(rt, got, want)
			},
			"": func(rt *rapid.T) {
				want := due()
				switch rapid.IntRange(0, 2).Draw(rt, "wait") {
				case 1:
					check(rt, wait(t, p, 0), want)
				case 2:
					if len(want) == 0 && !woken {
						return // nothing would end it
					}
					check(rt, wait(t, p, -1), want)
					// What is ready is reported without a wait, if a Wake has kept it from one.
					woken = woken && len(want) > 0
				}
			},
		})
	})
}
