//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package poll

import (
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// exitNote is the kernel's watch of a process. Those who watch the same process share it, because
// a kqueue has one for each process. All fields are guarded by kqueuer.mu.
type exitNote struct {
	mark     uint32
	watchers []*kprocess
}

// kprocess is one watch of a process.
//
// EVFILT_PROC tells the end once and forgets it, while a Process is reported until it is closed.
// So the poller keeps those that have ended. Whose turn it is decides the kernel: the turn note, a
// condition that always holds, is registered while there are any, and each time the kernel
// reports it, in the order of all that is ready, each of them is reported once. It also keeps Wait from
// blocking.
type kprocess struct {
	p     *kqueuer
	tag   Tag
	note  *exitNote // nil when the process has ended; guarded by kqueuer.mu, as all that follows
	pid   int
	state ExitState
	owed  bool
	done  bool // closed
}

// AddProcess watches a process by EVFILT_PROC. FreeBSD and DragonFly find one that has ended and is not
// collected, NetBSD, OpenBSD and Darwin say ESRCH of it, the last two also of one that is about to
// end; so who is said to be missing is looked for in other ways. Darwin tells the end a moment before
// wait(2) can collect a child.
func (p *kqueuer) AddProcess(pid int, tag Tag) (Process, error) {
	if err := checkRegistration(tag, Read, Level); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed
	}
	if pid <= 0 || pid > math.MaxInt32 { // kill(2) means groups by what is negative
		return nil, os.NewSyscallError("kevent", unix.ESRCH)
	}
	w := &kprocess{p: p, tag: tag, pid: pid, state: ExitState{Code: -1}}
	if w.note = p.byPID[pid]; w.note == nil {
		p.marks++
		w.note = &exitNote{mark: p.marks}
		err := p.watchExit(w)
		if errors.Is(err, unix.ESRCH) {
			state, ok := p.os.exited(pid)
			if !ok {
				return nil, err
			}
			// Asked again, in case the number has just been given to a new process.
			if err = p.watchExit(w); errors.Is(err, unix.ESRCH) {
				w.state = state
				p.end(w)
				if err := p.takeTurns(); err != nil {
					p.ended = remove(p.ended, w)
					return nil, err
				}
				return w, nil
			}
		}
		if err != nil {
			return nil, err
		}
		p.byPID[pid] = w.note
	}
	w.note.watchers = append(w.note.watchers, w)
	return w, nil
}

func (p *kqueuer) watchExit(w *kprocess) error {
	change := kevent{ident: uint64(w.pid), filter: filterProc, flags: evAdd, fflags: noteExit | p.exitStatus, mark: w.note.mark}
	err := p.apply(change)
	if p.exitStatus != 0 && errors.Is(err, unix.EACCES) { // the status is for parents only
		change.fflags = noteExit
		err = p.apply(change)
	}
	return err
}

// exit takes in that a process has ended. The caller holds mu.
func (p *kqueuer) exit(ev *kevent) {
	pid := int(ev.ident)
	note := p.byPID[pid]
	if note == nil || note.mark != ev.mark || ev.fflags&noteExit == 0 {
		return
	}
	delete(p.byPID, pid)
	state := ExitState{Code: -1}
	if ev.fflags&p.exitStatus == p.exitStatus {
		state = exitState(unix.WaitStatus(ev.data))
	}
	for _, w := range note.watchers {
		w.state = state
		p.end(w)
		p.owe(w)
	}
}

// exitState reads what wait(2) says.
func exitState(status unix.WaitStatus) ExitState {
	switch {
	case status.Exited():
		// Some kernels put all that was given to _exit(2) there, and package unix cuts it off on Linux only.
		return ExitState{Known: true, Code: status.ExitStatus() & 0xff}
	case status.Signaled():
		return ExitState{Known: true, Code: -1, Signal: int(status.Signal())}
	}
	return ExitState{Code: -1}
}

// end makes w one of the ended. The caller holds mu.
func (p *kqueuer) end(w *kprocess) {
	w.note = nil
	p.ended = append(p.ended, w)
}

// owe makes sure that processes are reported before the kernel is asked again. The caller holds mu.
func (p *kqueuer) owe(processes ...*kprocess) {
	for _, w := range processes {
		if !w.owed {
			w.owed = true
			p.owed = append(p.owed, w)
		}
	}
}

// pay reports what is owed, as far as there is room. The caller holds mu.
func (p *kqueuer) pay(events []Event) int {
	n, seen := 0, 0
	for _, w := range p.owed {
		if n == len(events) {
			break
		}
		seen++
		w.owed = false
		if !w.done {
			events[n] = Event{Tag: w.tag, Ready: Read}
			n++
		}
	}
	rest := copy(p.owed, p.owed[seen:])
	clear(p.owed[rest:])
	p.owed = p.owed[:rest]
	return n
}

// takeTurns registers the turn note while there are processes that have ended. The caller holds mu.
func (p *kqueuer) takeTurns() error {
	if want := len(p.ended) > 0; want != p.turning {
		if err := p.turn(want); err != nil {
			return err
		}
		p.turning = want
	}
	return nil
}

// turn is a user event that is triggered and not cleared, or else the write end of the pipe, which
// has at most one byte in it and so is always writable.
func (p *kqueuer) turn(on bool) error {
	note := kevent{ident: turnIdent, filter: filterUser, flags: evAdd}
	if p.pipe[0] >= 0 {
		note = kevent{ident: uint64(p.pipe[1]), filter: filterWrite, flags: evAdd}
	}
	if !on {
		note.flags = evDelete
		return p.apply(note)
	}
	if p.pipe[0] >= 0 {
		return p.apply(note)
	}
	return p.apply(note, kevent{ident: turnIdent, filter: filterUser, fflags: noteTrigger})
}

func (p *kqueuer) isTurn(ev *kevent) bool {
	if p.pipe[0] >= 0 {
		return ev.filter == filterWrite && ev.ident == uint64(p.pipe[1])
	}
	return ev.filter == filterUser && ev.ident == turnIdent
}

func (w *kprocess) State() ExitState {
	w.p.mu.Lock()
	defer w.p.mu.Unlock()
	return w.state
}

func (w *kprocess) Close() error {
	p := w.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.done || p.closed {
		return nil
	}
	w.done = true
	if w.note == nil {
		p.ended = remove(p.ended, w)
		return p.takeTurns()
	}
	w.note.watchers = remove(w.note.watchers, w)
	if len(w.note.watchers) > 0 {
		return nil
	}
	delete(p.byPID, w.pid)
	err := p.apply(kevent{ident: uint64(w.pid), filter: filterProc, flags: evDelete})
	if errors.Is(err, unix.ENOENT) {
		return nil // it has been told, and waits for mu to be reported
	}
	return err
}
