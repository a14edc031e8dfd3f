//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package transport

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

func sysReadNow(int, []byte) (int, error)  { return 0, errors.ErrUnsupported }
func sysWriteNow(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

func slowPipe(d *dispatch.Dispatcher, f *os.File, keep bool) *Pipe {
	return &Pipe{name: f.Name(), slow: newSlowFile(d, slowHandle{f, keep})}
}

func newPipe(d *dispatch.Dispatcher) (r, w *Pipe, err error) {
	fr, fw, err := makePipe(true, false)
	if err != nil {
		return nil, nil, unsupported(err)
	}
	return slowPipe(d, fr, false), slowPipe(d, fw, false), nil
}

// unsupported makes the error of a system without pipes say so.
func unsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return errors.Join(err, errors.ErrUnsupported)
}

func childPipe(d *dispatch.Dispatcher, reads bool) (ours *Pipe, theirs *os.File, err error) {
	f, theirs, err := makePipe(!reads, true)
	if err != nil {
		return nil, nil, unsupported(err)
	}
	return slowPipe(d, f, false), theirs, nil
}

func pipeFromFile(d *dispatch.Dispatcher, f *os.File) (*Pipe, error) {
	if f == nil {
		return nil, os.ErrInvalid
	}
	return slowPipe(d, f, true), nil
}

func pipeFromFD(d *dispatch.Dispatcher, fd dispatch.FD) (*Pipe, error) {
	f := os.NewFile(uintptr(fd), "")
	if f == nil {
		return nil, os.ErrInvalid
	}
	return slowPipe(d, f, false), nil
}

func openPipe(ctx context.Context, d *dispatch.Dispatcher, name string, flag int) (*Pipe, error) {
	f, err := blocking(ctx, func(context.Context) (*os.File, error) { return os.OpenFile(name, flag, 0o666) },
		func() {}, func(f *os.File) { _ = f.Close() })
	if err != nil {
		return nil, err
	}
	return slowPipe(d, f, false), nil
}

// slowHandle is the file of a slowFile.
type slowHandle struct {
	f    *os.File
	keep bool // it is somebody else's
}

// close is called when nobody is inside a system call on the file: Close of an os.File would wait for that.
func (h slowHandle) close() error {
	if h.keep {
		return nil
	}
	return h.f.Close()
}

// setDeadline does what it can: a file that cannot wait with a deadline looks at it between its calls.
func (h slowHandle) setDeadline(write bool, t time.Time) {
	if write {
		_ = h.f.SetWriteDeadline(t)
	} else {
		_ = h.f.SetReadDeadline(t)
	}
}

func (h slowHandle) control(fn func(uintptr)) error {
	c, err := h.f.SyscallConn()
	if err != nil {
		return err
	}
	return c.Control(fn)
}

// read goes through a buffer of its own: on a dispatcher that is closed the caller does not wait for a read
// that goes on.
func (s *slowSide) read(ctx context.Context, p []byte) (int, error) {
	buf := make([]byte, min(len(p), maxChunk))
	n, err := s.call(ctx, func(ctx context.Context) (int, error) {
		for {
			n, err := s.attempt(ctx, func() (int, error) { return s.file.h.f.Read(buf) })
			if n > 0 || err != errAgain {
				return n, err
			}
		}
	})
	return copy(p, buf[:n]), err
}

func (s *slowSide) writeAll(ctx context.Context, p []byte) (int, error) {
	buf := append([]byte(nil), p...)
	return s.call(ctx, func(ctx context.Context) (done int, err error) {
		for {
			n, err := s.attempt(ctx, func() (int, error) { return s.file.h.f.Write(buf[done:]) })
			if done += n; err != errAgain {
				return done, err
			}
		}
	})
}

// attempt makes a call of the file. The error errAgain says that it was ended for nothing.
func (s *slowSide) attempt(ctx context.Context, fn func() (int, error)) (int, error) {
	defer s.heed(ctx)()
	n, err := fn()
	if err == nil || err == io.EOF {
		return n, err
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || sysAborted(err) {
		if err = s.over(ctx, nil); err == nil {
			err = errAgain // somebody has put off the deadline
		}
		return n, err
	}
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = os.NewSyscallError(pe.Op, pe.Err)
	}
	return n, err
}

// heed ends the call with ctx, and with Close, if the file can do that, until the function is called that it
// returns.
func (s *slowSide) heed(ctx context.Context) func() {
	interrupt := func() {
		s.file.h.setDeadline(s.writes, time.Unix(1, 0))
		s.file.h.letGo()
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		interrupt()
	})
	if s.over(ctx, interrupt) != nil {
		interrupt()
	}
	return func() {
		s.awake()
		if !stop() {
			<-ended
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.file.h.setDeadline(s.writes, s.deadline)
	}
}

func (s *slowSide) ask(f func(fd uintptr) bool) error {
	_, err := s.call(ownCtx, func(context.Context) (int, error) {
		c, err := s.file.h.f.SyscallConn()
		if err != nil {
			return 0, err
		}
		if s.writes {
			return 0, c.Write(f)
		}
		return 0, c.Read(f)
	})
	return err
}

// forChild returns the file itself.
func (p *Pipe) forChild() (f *os.File, mine bool, err error) {
	return p.slow.h.f, false, p.slow.rd.alive()
}
