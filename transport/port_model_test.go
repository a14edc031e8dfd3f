//go:build ports && !windows

package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// scriptedPort keeps operations until a test lands them.
type scriptedPort struct {
	flying   *poll.Op
	canceled bool
	wrong    string
}

func (p *scriptedPort) Submit(o *poll.Op) error {
	switch {
	case p.flying != nil:
		p.wrong = "two operations of one direction"
	case o.Kind != poll.OpReadable || o.Owner == nil || len(o.Buf) > 0:
		p.wrong = fmt.Sprintf("operation %+v", o)
	}
	p.flying, p.canceled = o, false
	return nil
}

func (p *scriptedPort) Cancel(o *poll.Op) { p.canceled = p.canceled || o == p.flying }

func (p *scriptedPort) Detach() {}

// land ends the operation, if there is one.
func (p *scriptedPort) land() {
	o := p.flying
	if o == nil {
		return
	}
	p.flying, o.Err = nil, nil
	if p.canceled {
		o.Err = context.Canceled
	}
	o.Owner.(seam.Completer).Completed(o)
}

// TestPortModel: whatever the order in which calls come and are canceled, bytes come in and operations end,
// also for no reason: the bytes are read once each, in order, by the calls in the order of their
// arrival; a call that fails has read none; while somebody waits there is an operation, and no more than
// one; and it comes back after the end.
func TestPortModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"read", "read", "read", "cancel", "bytes", "bytes", "land", "land", "stir", "late", "in time",
		}), 1, 30).Draw(rt, "steps")
		numbers := rapid.SliceOfN(rapid.IntRange(0, 3), len(steps), len(steps)).Draw(rt, "numbers")
		var wrong string
		synctest.Test(t, func(t *testing.T) { wrong = runPortModel(t, steps, numbers) })
		if wrong != "" {
			rt.Fatal(wrong)
		}
	})
}

// reader is a call of the model.
type reader struct {
	cancel   context.CancelFunc
	asked    int
	got      []byte
	err      error
	over     bool
	canceled bool
}

func runPortModel(t *testing.T, steps []string, numbers []int) (wrong string) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		return err.Error()
	}
	defer d.Close()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.Error()
	}
	defer unix.Close(fds[1])
	port := new(scriptedPort)
	before := attachPort
	attachPort = func(*sock) (seam.Port, error) { return port, nil }
	defer func() { attachPort = before }()
	var s sock
	if err := s.attach(d, fds[0], false); err != nil {
		return err.Error()
	}
	rd := &s.rd
	var readers []*reader
	written, late := 0, false
	put := func(n int) {
		for range n {
			if _, err := unix.Write(fds[1], []byte{byte(written)}); err != nil {
				wrong = err.Error()
			}
			written++
		}
	}
	check := func(step string) bool {
		synctest.Wait()
		next, waiting, behind := 0, 0, false
		for i, r := range readers {
			switch {
			case !r.over:
				waiting++
				behind = true
			case r.err == nil:
				if behind {
					wrong = fmt.Sprintf("call %d has overtaken another", i)
				}
				for _, b := range r.got {
					if b != byte(next) {
						wrong = fmt.Sprintf("call %d has read byte %d, want %d", i, b, next)
					}
					next++
				}
				if len(r.got) == 0 || len(r.got) > r.asked {
					wrong = fmt.Sprintf("call %d has read %d bytes of %d", i, len(r.got), r.asked)
				}
			case len(r.got) > 0:
				wrong = fmt.Sprintf("call %d has read %d bytes, and failed", i, len(r.got))
			case !r.canceled && !errors.Is(r.err, os.ErrDeadlineExceeded):
				wrong = fmt.Sprintf("call %d: %v", i, r.err)
			}
		}
		switch {
		case wrong != "":
		case port.wrong != "":
			wrong = port.wrong
		case waiting > 0 && port.flying == nil:
			wrong = "a call waits without an operation"
		case waiting > 0 && late:
			wrong = "a call waits behind its deadline"
		case waiting != rd.waits():
			wrong = fmt.Sprintf("%d calls wait, the queue has %d", waiting, rd.waits())
		}
		if wrong != "" {
			wrong = step + ": " + wrong
		}
		return wrong == ""
	}
	for i, step := range steps {
		n := numbers[i]
		switch step {
		case "read":
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := &reader{cancel: cancel, asked: n + 1}
			readers = append(readers, r)
			go func() {
				o := op{buf: make([]byte, r.asked)}
				r.err = rd.call(ctx, &o)
				r.got, r.over = o.buf[:o.n], true
			}()
		case "cancel":
			if n < len(readers) {
				r := readers[len(readers)-1-n]
				r.canceled = r.canceled || !r.over
				r.cancel()
			}
		case "bytes":
			put(n)
		case "land":
			port.land()
		case "stir":
			rd.mu.Lock()
			rd.stir()
			rd.mu.Unlock()
			if port.flying != nil && !port.canceled {
				wrong = "nothing was done to have the calls try again"
			}
		case "late", "in time":
			late = step == "late"
			when := time.Time{}
			if late {
				when = time.Unix(1, 0)
			}
			_ = rd.setDeadline(when)
		}
		if !check(step) {
			break
		}
	}
	// What is there is enough for all, and then comes the end.
	if wrong == "" {
		put(4 * len(readers))
		for range 2 * len(readers) {
			port.land()
			synctest.Wait()
		}
		if check("the rest"); wrong == "" && rd.waits() > 0 {
			wrong = "calls wait though there is enough for all"
		}
	}
	for _, r := range readers {
		r.cancel()
	}
	o := op{buf: make([]byte, 1)}
	last := make(chan error, 1)
	go func() { // one that may wait, so that an operation is under way
		for {
			o.n = 0
			if err := rd.call(context.Background(), &o); err != nil {
				last <- err
				return
			}
		}
	}()
	synctest.Wait()
	unused := s.close()
	synctest.Wait()
	err = <-last
	if wrong == "" && port.flying != nil && !port.canceled {
		wrong = "the last operation was not canceled"
	}
	port.land()
	switch {
	case wrong != "":
	case unused != nil || !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrDeadlineExceeded) && err != io.EOF:
		wrong = fmt.Sprintf("close: %v, a call: %v", unused, err)
	case rd.flight != nil:
		wrong = "an operation is kept after the end"
	}
	return wrong
}
