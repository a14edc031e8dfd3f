//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris

package transport

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

func newPipe(d *dispatch.Dispatcher) (r, w *Pipe, err error) {
	fds, err := sysPipe()
	if err != nil {
		return nil, nil, err
	}
	if r, err = ownPipe(d, fds[0]); err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	if w, err = ownPipe(d, fds[1]); err != nil {
		_ = r.Close()
		return nil, nil, err
	}
	return r, w, nil
}

// ownPipe returns a Pipe of fd, whose description is nobody else's. After an error fd is closed.
func ownPipe(d *dispatch.Dispatcher, fd int) (*Pipe, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	p, err := polledPipe(d, fd, false)
	if err != nil {
		unix.Close(fd)
	}
	return p, err
}

// polledPipe returns a Pipe of fd on the poller. With now set, its description blocks, and each
// call says for itself that it must not. After an error fd is the caller's as before.
func polledPipe(d *dispatch.Dispatcher, fd int, now bool) (*Pipe, error) {
	p := &Pipe{}
	p.sock.file, p.sock.now = true, now
	p.sock.prepare(d, fd)
	if err := p.sock.link.attach(&p.sock); err != nil {
		return nil, err
	}
	return p, nil
}

// childPipe returns a pipe for a child process: an end on the loop, and one that blocks, as a
// child expects it.
func childPipe(d *dispatch.Dispatcher, reads bool) (ours *Pipe, theirs *os.File, err error) {
	fds, err := sysPipe()
	if err != nil {
		return nil, nil, err
	}
	if !reads {
		fds[0], fds[1] = fds[1], fds[0]
	}
	theirs = os.NewFile(uintptr(fds[0]), "|child")
	if ours, err = ownPipe(d, fds[1]); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// forChild returns a descriptor of the pipe that blocks, if that can be had, and whether it is to be closed.
func (p *Pipe) forChild() (f *os.File, mine bool, err error) {
	fd := -1
	cerr := pipeRaw{p}.control(func(of uintptr) {
		if p.slow == nil && !p.sock.now {
			if fd, err = sysReopen(int(of)); err == nil {
				err = os.NewSyscallError("fcntl", unix.SetNonblock(fd, false))
				return
			}
		}
		fd, err = sysDup(int(of))
	})
	if fd >= 0 {
		f = os.NewFile(uintptr(fd), "|child")
	}
	return f, f != nil, errors.Join(cerr, err)
}

func pipeFromFile(d *dispatch.Dispatcher, f *os.File) (*Pipe, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	var derr error
	if err := c.Control(func(of uintptr) { fd, derr = sysDup(int(of)) }); err != nil {
		return nil, err
	}
	if derr != nil {
		return nil, derr
	}
	return namedPipe(d, fd, f.Name())
}

// namedPipe is pipeFromFD that closes fd after an error.
func namedPipe(d *dispatch.Dispatcher, fd int, name string) (*Pipe, error) {
	p, err := pipeFromFD(d, dispatch.FD(fd))
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	p.name = name
	return p, nil
}

// pipeFromFD decides how the calls on fd, which is its own then, are made. After an error fd is the caller's as before.
func pipeFromFD(d *dispatch.Dispatcher, fd dispatch.FD) (*Pipe, error) {
	of := int(fd)
	var st unix.Stat_t
	if err := unix.Fstat(of, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	ready := flags&unix.O_NONBLOCK != 0
	switch kind := st.Mode & unix.S_IFMT; {
	case kind == unix.S_IFSOCK:
		return polledPipe(d, of, true)
	case kind == unix.S_IFIFO || kind == unix.S_IFCHR && sysTerminal(of):
		if again, err := sysReopen(of); err == nil {
			p, err := polledPipe(d, again, false)
			if err != nil {
				unix.Close(again)
				return nil, err
			}
			unix.Close(of)
			return p, nil
		}
		if ready && (pollsPipes || kind == unix.S_IFCHR) {
			return polledPipe(d, of, false)
		}
	case kind == 0 && ready: // eventfd and the like
		return polledPipe(d, of, false)
	}
	return &Pipe{slow: newSlowFile(d, slowHandle{of, flags & unix.O_ACCMODE, st.Mode&unix.S_IFMT == unix.S_IFREG})}, nil
}

// atOpen is for tests: it is called when a file is about to be opened, and when a FIFO has been opened for both
// directions to let go who opens it.
var atOpen func(letGo bool)

// openPipe opens a file by core.Blocking.
func openPipe(ctx context.Context, d *dispatch.Dispatcher, name string, flag int) (*Pipe, error) {
	fd, err := blocking(ctx, func(ctx context.Context) (int, error) {
		// While a FIFO is open for both directions nobody waits to open it, also who comes later. To open it so
		// does not wait (fifo(7)).
		returned, letGo := make(chan struct{}), make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(letGo)
			var st unix.Stat_t
			if unix.Stat(name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
				return
			}
			if fd, err := unix.Open(name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
				if atOpen != nil {
					atOpen(true)
				}
				<-returned
				unix.Close(fd)
			}
		})
		defer func() {
			close(returned)
			if !stop() {
				<-letGo
			}
		}()
		if atOpen != nil {
			atOpen(false)
		}
		for {
			fd, err := unix.Open(name, flag|unix.O_CLOEXEC|unix.O_NOCTTY, 0o666)
			if err == unix.EINTR && ctx.Err() == nil {
				continue
			}
			if cerr := ctx.Err(); cerr != nil {
				if err == nil {
					unix.Close(fd)
				}
				return -1, cerr
			}
			return fd, os.NewSyscallError("open", err)
		}
	}, func() {}, func(fd int) { unix.Close(fd) })
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && pollsPipes && st.Mode&unix.S_IFMT == unix.S_IFIFO {
		p, err := ownPipe(d, fd)
		if p != nil {
			p.name = name
		}
		return p, err
	}
	return namedPipe(d, fd, name)
}

func sysDup(fd int) (int, error) {
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	return again, os.NewSyscallError("fcntl", err)
}

// sysReadNow and sysWriteNow are for a socket whose description blocks, and is shared.

func sysReadNow(fd int, p []byte) (int, error) {
	for {
		n, _, err := unix.Recvfrom(fd, p, unix.MSG_DONTWAIT)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			return 0, errAgain
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("read", err)
		}
	}
}

func sysWriteNow(fd int, p []byte) (int, error) {
	for {
		n, err := unix.SendmsgN(fd, p, nil, nil, unix.MSG_DONTWAIT)
		switch err {
		case nil:
			return n, nil
		case unix.EAGAIN:
			return 0, errAgain
		case unix.EINTR:
		default:
			return 0, os.NewSyscallError("write", err)
		}
	}
}

// slowHandle is the descriptor of a slowFile.
type slowHandle struct {
	fd      int
	access  int // O_RDONLY, O_WRONLY or O_RDWR
	regular bool
}

// misused returns an error for the direction that the descriptor is not open for, since poll(2) would wait.
func (h slowHandle) misused(write bool) error {
	if write && h.access == unix.O_RDONLY {
		return os.NewSyscallError("write", syscall.EBADF)
	}
	if !write && h.access == unix.O_WRONLY {
		return os.NewSyscallError("read", syscall.EBADF)
	}
	return nil
}

func (h slowHandle) close() error                   { return sysClose(h.fd) }
func (slowHandle) setDeadline(bool, time.Time)      {}
func (h slowHandle) control(fn func(uintptr)) error { fn(uintptr(h.fd)); return nil }

func (s *slowSide) read(ctx context.Context, p []byte) (int, error) {
	return s.call(ctx, func(ctx context.Context) (n int, err error) {
		err = s.move(ctx, func(fd int) (bool, error) {
			var err error
			n, err = syscall.Read(fd, p[:min(len(p), maxChunk)])
			if n == 0 && err == nil {
				err = io.EOF
			}
			return true, sysFailed("read", &n, err)
		})
		return n, err
	})
}

func (s *slowSide) writeAll(ctx context.Context, p []byte) (int, error) {
	// poll(2) promises room for so much; a write of more could block.
	chunk := pipeBuf
	if s.file.h.regular {
		chunk = maxChunk
	}
	return s.call(ctx, func(ctx context.Context) (n int, err error) {
		err = s.move(ctx, func(fd int) (bool, error) {
			w, err := syscall.Write(fd, p[n:min(len(p), n+chunk)])
			err = sysFailed("write", &w, err)
			n += w
			return n == len(p), err
		})
		return n, err
	})
}

func (s *slowSide) ask(f func(fd uintptr) bool) error {
	_, err := s.call(ownCtx, func(ctx context.Context) (int, error) {
		return 0, s.move(ctx, func(fd int) (bool, error) {
			if f(uintptr(fd)) {
				return true, nil
			}
			return false, errAgain
		})
	})
	return err
}

// sysFailed returns the error of a call that has moved *n bytes, which is -1 then.
func sysFailed(call string, n *int, err error) error {
	*n = max(*n, 0)
	switch {
	case err == nil || err == io.EOF:
		return err
	case err == syscall.EAGAIN || err == syscall.EINTR:
		return errAgain
	}
	return os.NewSyscallError(call, err)
}

// move calls step whenever the descriptor is ready, until it is done. The error errAgain says that
// it was not.
func (s *slowSide) move(ctx context.Context, step func(fd int) (bool, error)) error {
	if err := s.file.h.misused(s.writes); err != nil {
		return err
	}
	fd := s.file.h.fd
	var w waker
	defer w.close()
	for asked := false; ; {
		if err := s.over(ctx, nil); err != nil {
			return err
		}
		// A regular file is always ready, and one that is asked for says so by waiting.
		if !asked && sysReady(fd, s.writes, -1, 0) {
			done, err := step(fd)
			asked = err == errAgain
			if !asked && (done || err != nil) {
				return err
			}
			continue
		}
		asked = false
		if err := s.doze(ctx, fd, &w); err != nil {
			return err
		}
	}
}

// doze waits until the descriptor is ready, or somebody wants the call to look again.
func (s *slowSide) doze(ctx context.Context, fd int, w *waker) error {
	if err := w.open(); err != nil {
		return err
	}
	if err := s.over(ctx, w.wake); err != nil {
		return err
	}
	defer s.awake()
	stop := context.AfterFunc(ctx, s.ring)
	defer stop()
	if left, some := s.remains(); some {
		alarm := s.file.d.AfterFunc(left, s.ring)
		defer alarm.Stop()
	}
	sysReady(fd, s.writes, w.fds[0], -1)
	w.drain()
	return nil
}

// waker ends a poll(2). Its calls but wake are its owner's.
type waker struct {
	made bool
	fds  [2]int
}

func (w *waker) open() (err error) {
	if w.made {
		return nil
	}
	if w.fds, err = sysPipe(); err != nil {
		return err
	}
	w.made = true
	return errors.Join(unix.SetNonblock(w.fds[0], true), unix.SetNonblock(w.fds[1], true))
}

func (w *waker) wake() { _, _ = unix.Write(w.fds[1], []byte{0}) } // a full pipe wakes as well

func (w *waker) drain() {
	var b [64]byte
	for {
		if n, err := unix.Read(w.fds[0], b[:]); n <= 0 && err != unix.EINTR {
			return
		}
	}
}

func (w *waker) close() {
	if w.made {
		unix.Close(w.fds[0])
		unix.Close(w.fds[1])
	}
}

// sysReady waits by poll(2), for ms milliseconds or without end, and reports whether fd is ready. A
// descriptor wake that is not negative ends the wait, too.
func sysReady(fd int, write bool, wake, ms int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
	if write {
		fds[0].Events = unix.POLLOUT
	}
	for {
		_, err := unix.Poll(fds, ms)
		if err != unix.EINTR {
			return err != nil || fds[0].Revents != 0 // what is wrong with it, its call will tell
		}
	}
}
