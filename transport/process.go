package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// Process is a child process, started by [Command.Start]; of the zero value calls fail with syscall.EINVAL
// inside. It is safe for concurrent use by tasks of any dispatcher and by goroutines.
//
// The dispatcher hears of its end, by a pidfd on Linux, and collects it in the same callback, once. Where it
// cannot, as on Linux before 5.3, a goroutine waits for it, which ends with the process; so it is
// when the dispatcher closes before. Signals never reach another process that has got the same
// pid: none is sent once the child is collected.
type Process struct {
	// Pid is the number of the process, and of its group with Command.Group. It may belong
	// to another process once this one has ended.
	Pid int
	// Stdin, Stdout and Stderr are our ends of the streams that are [Piped], nil for the others. A child
	// that reads its input to the end waits for Stdin to be closed.
	Stdin, Stdout, Stderr *Pipe

	d     *dispatch.Dispatcher
	os    *os.Process
	group bool
	state *core.Future[ExitState]
	ended *core.Future[struct{}] // before state, if it is not to be collected yet

	mu        sync.Mutex // guards what follows; the lock of the future comes after it
	exited    bool       // it has ended, and can be collected
	kept      bool       // it must not be collected yet: so the group can be killed though its leader has ended
	collected bool
}

// ExitState is how a process has ended. It is what package os tells, and Code.
type ExitState struct{ *os.ProcessState }

// Code returns the exit code as a shell tells it: 128 and the number of the signal if one has killed the
// process, else what the process has returned; -1 of the zero ExitState, as ExitCode.
func (s ExitState) Code() int {
	if s.ProcessState == nil {
		return -1
	}
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}

// errNotStarted is the error of a Process that Command.Start has not made.
var errNotStarted = fmt.Errorf("transport: the process was not started by a Command: %w", syscall.EINVAL)

// noWatch is for tests: no dispatcher can watch a process.
var noWatch atomic.Bool

// attend sees to it that the process is collected.
func (p *Process) attend() {
	if noWatch.Load() {
		go p.attendAside()
		return
	}
	_, err := p.d.AddProcess(p.Pid, func(s dispatch.ProcessState) {
		if s.Err != nil { // the dispatcher closes
			go p.attendAside()
			return
		}
		p.exit()
	})
	if err != nil {
		go p.attendAside()
	}
}

// attendAside is attend on a goroutine.
func (p *Process) attendAside() {
	if sysAwaitExit(p.Pid) {
		p.exit()
		return
	}
	s, err := p.os.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended.Complete(struct{}{})
	p.settle(s, err)
}

// exit hears that the process has ended.
func (p *Process) exit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.exited = true
	p.ended.Complete(struct{}{})
	p.collect()
}

// collect collects the process if it has ended. Until then its pid and that of its group are nobody else's, so
// signals are sent with the mutex held.
func (p *Process) collect() {
	if p.exited && !p.kept && !p.collected {
		p.settle(p.os.Wait()) // which does not wait
	}
}

func (p *Process) settle(s *os.ProcessState, err error) {
	p.collected = true
	if err != nil {
		p.state.Fail(err)
		return
	}
	p.state.Complete(ExitState{s})
}

// let ends that the process is kept from being collected.
func (p *Process) let() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = false
	p.collect()
}

// Wait waits until the process has ended, and returns how. Any number may wait, and the answer stays. If ctx
// ends first the error is ctx.Err(), and the process lives on; how it has ended is returned even
// if ctx is done. An exit code that is not 0 is no error. An error that does not come from
// ctx says that the process has ended and somebody else has collected it.
//
// Wait does not read the pipes: a child that writes more than they buffer waits for
// somebody who does.
func (p *Process) Wait(ctx context.Context) (ExitState, error) {
	if p.state == nil {
		return ExitState{}, errNotStarted
	}
	return p.state.Await(ctx)
}

// TryWait returns how the process has ended, and false while it runs.
func (p *Process) TryWait() (ExitState, bool) {
	if p.state == nil {
		return ExitState{}, false
	}
	s, err := p.state.Read()
	return s, err == nil
}

// Running reports whether the process has not ended yet, as far as the dispatcher has heard.
func (p *Process) Running() bool { return p.state != nil && !p.state.Finished() }

// Signal sends a signal to the process, to all of its group with Command.Group. The error is os.ErrProcessDone if
// the process has ended and been collected, errors.ErrUnsupported inside for what the system does not have;
// on Windows that is all but os.Kill.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.os == nil {
		return errNotStarted
	}
	if p.collected {
		return os.ErrProcessDone
	}
	if p.group {
		return sysSignalGroup(p.os, sig)
	}
	return p.os.Signal(sig)
}

// Kill ends the process, which cannot do anything about it. See Signal for errors and groups.
func (p *Process) Kill() error { return p.Signal(os.Kill) }

// Terminate asks the process to end, by SIGTERM. See Signal for errors and groups.
func (p *Process) Terminate() error { return p.Signal(syscall.SIGTERM) }

// Suspend stops the process, by SIGSTOP, until [Process.Resume]. See Signal for errors and groups.
func (p *Process) Suspend() error { return p.Signal(sigStop) }

// Resume lets the process go on after Suspend, by SIGCONT. See Signal for errors and groups.
func (p *Process) Resume() error { return p.Signal(sigCont) }

// KillAndWait kills the process, also if ctx is done, and waits for its end: see Kill and Wait. If
// it has ended before, that is no error.
func (p *Process) KillAndWait(ctx context.Context) (ExitState, error) {
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return ExitState{}, err
	}
	return p.Wait(ctx)
}

// TerminateAndWait asks the process to end, also if ctx is done, and waits for its end: see Terminate
// and Wait. One that is suspended is resumed, to hear of it. A process may refuse: give ctx a time
// limit, and call KillAndWait when the error says that it is over.
func (p *Process) TerminateAndWait(ctx context.Context) (ExitState, error) {
	err := p.Terminate()
	if err == nil {
		err = p.Resume()
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return ExitState{}, err
	}
	return p.Wait(ctx)
}

// Close closes the pipes. It neither ends the process nor waits for it; it is collected all the same. Close
// may be called more than once.
func (p *Process) Close() error {
	var errs []error
	for _, s := range []*Pipe{p.Stdin, p.Stdout, p.Stderr} {
		if s == nil {
			continue
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
