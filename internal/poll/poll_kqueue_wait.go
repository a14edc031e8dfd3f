//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package poll

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func (p *kqueuer) Wait(events []Event, timeout time.Duration) (int, error) {
	if len(events) == 0 {
		return 0, os.NewSyscallError("kevent", unix.EINVAL)
	}
	var end time.Time
	if timeout > 0 {
		end = deadline(timeout)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.closed {
			return 0, ErrClosed
		}
		if err := p.takeTurns(); err != nil {
			return 0, err
		}
		if n := p.pay(events); n > 0 {
			return n, nil
		}
		left := time.Duration(0)
		if timeout != 0 && !p.woken {
			left = until(end)
		}
		p.asleep = left != 0
		raw := p.buffer(len(events))
		p.mu.Unlock()
		got, err := p.os.kevent(nil, raw, left)
		p.mu.Lock()
		p.asleep = false
		// Darwin has been seen to say ETIMEDOUT.
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ETIMEDOUT) {
			return 0, os.NewSyscallError("kevent", err)
		}
		if err != nil {
			continue
		}
		n := p.report(events, raw[:got])
		switch {
		case n == 0 && got == len(raw):
			// What is not reported, such as the waking event, has taken all the room.
		case n == 0 && p.woken && timeout != 0, n > 0 && left != 0:
			// Also a Wake that came with the events: this Wait was blocked.
			p.woken = false
			return n, nil
		case n > 0 || timeout == 0 || over(end):
			return n, nil
		}
	}
}

// until is the time until t, at least 0, or -1 for no deadline.
func until(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return max(time.Until(t), 0)
}

func (p *kqueuer) buffer(n int) []kevent {
	if n > cap(p.raw) {
		p.raw = make([]kevent, n)
	}
	return p.raw[:n]
}

// report fills events from what the kernel has told. The caller holds mu.
func (p *kqueuer) report(events []Event, raw []kevent) int {
	p.batch++
	n := 0
	for i := range raw {
		ev := &raw[i]
		switch {
		case p.isWake(ev):
			p.kicked = false
			if p.pipe[0] >= 0 {
				p.os.drainPipe()
			}
		case p.isTurn(ev):
			p.owe(p.ended...)
		case ev.filter == filterProc:
			p.exit(ev)
		case ev.filter == filterRead || ev.filter == filterWrite:
			e := p.byFD[int(ev.ident)]
			if e == nil || e.mark != ev.mark {
				continue // collected before Remove or Modify
			}
			if e.batch != p.batch {
				e.batch, e.at = p.batch, n
				events[n] = Event{Tag: e.tag}
				n++
			}
			e.tell(&events[e.at], ev)
		}
	}
	return n + p.pay(events[n:])
}

// tell adds to out what a filter of e says.
func (e *knote) tell(out *Event, ev *kevent) {
	m := Read
	if ev.filter == filterWrite {
		m = Write
	}
	if e.trigger == Edge {
		e.have &^= m
	}
	out.Ready |= m
	switch {
	case ev.flags&(evEOF|evError) == 0:
	case ev.flags&evError != 0, ev.fflags != 0: // the pending error of a socket
		out.Err = true
		out.Hup = out.Hup || ev.flags&evEOF != 0
	case e.fifo && e.access != unix.O_RDONLY && (m == Write || e.access == unix.O_WRONLY || e.broken):
		out.Err = true // EPIPE
	case e.fifo:
		out.Hup = true
		out.Ready = Read | Write // there is nobody at its only other end
	case m == Read || e.interest&Read == 0:
		out.Hup = true
	default:
		// A socket shut down for writing, perhaps by this side. The filter for reading tells
		// whether the peer has closed.
	}
	if out.Err {
		out.Ready = Read | Write
	}
}

func (p *kqueuer) isWake(ev *kevent) bool {
	if p.pipe[0] >= 0 {
		return ev.filter == filterRead && ev.ident == uint64(p.pipe[0])
	}
	return ev.filter == filterUser && ev.ident == wakeIdent
}

func (p *kqueuer) Wake() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.woken = true
	return p.kick()
}

// kick interrupts a blocked Wait. The caller holds mu.
func (p *kqueuer) kick() error {
	if !p.asleep || p.kicked {
		return nil
	}
	var err error
	if p.pipe[0] >= 0 {
		err = os.NewSyscallError("write", p.os.kickPipe())
	} else {
		err = p.apply(kevent{ident: wakeIdent, filter: filterUser, fflags: noteTrigger})
	}
	p.kicked = err == nil
	return err
}
