//go:build unix

package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/poll"
	"github.com/seed-1e54c410/turnstile/transport"
)

// sockStep is one step of a script for a connection.
type sockStep struct {
	back bool // in the other direction
	do   string
	size int // of the buffer or of what is sent; cancel: which call; pause: how long
}

func (s sockStep) String() string {
	return fmt.Sprintf("%s %d (back: %v)", s.do, s.size, s.back)
}

func drawSockSteps(rt *rapid.T, typ int) []sockStep {
	sizes := []int{1, 100, 5000}
	switch typ {
	case transport.Stream:
		sizes = append(sizes, 0, 70_000, 400_000)
	case transport.Datagram:
		sizes = append(sizes, 0) // which is the end in connection mode
	}
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) sockStep {
		s := sockStep{back: rapid.Bool().Draw(rt, "back")}
		s.do = rapid.SampledFrom([]string{"send", "send", "recv", "recv", "peek", "cancel", "cancel", "pause"}).Draw(rt, "do")
		switch s.do {
		case "cancel":
			s.size = rapid.IntRange(0, 5).Draw(rt, "call")
		case "pause":
			s.size = rapid.IntRange(1, 4).Draw(rt, "pause")
		default:
			s.size = rapid.SampledFrom(sizes).Draw(rt, "size")
		}
		return s
	}), 1, 40).Draw(rt, "steps")
}

// sockCall is a call that was made, and what became of it.
type sockCall struct {
	step   sockStep
	task   *core.Task
	cancel context.CancelFunc
	data   []byte // sent, or received
	n      int
	err    error
}

const theEnd = "the end"

// A mix of calls in both directions, which are canceled at any moment: each call that receives gets what
// comes next, in the order of the calls, and nothing is lost or comes twice.
func TestSocketModel(t *testing.T) {
	check.Cases(t, 2000)
	for _, kind := range socketKinds {
		if kind.name != "tcp4" && kind.domain != transport.Unix {
			continue // as those, or UDP, which loses messages
		}
		t.Run(kind.name, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				steps := drawSockSteps(rt, kind.typ)
				backend := rapid.SampledFrom(poll.Backends()).Draw(rt, "backend")
				d, err := dispatch.New(dispatch.Config{Backend: backend})
				if err != nil {
					rt.Fatal(err)
				}
				defer d.Close()
				err = core.RunOn(t.Context(), d, func(ctx context.Context) error {
					w := &world{t, ctx, ctx, d}
					return w.runSockSteps(kind.domain, kind.typ, steps)
				})
				if err != nil && !errors.Is(err, syscall.EPROTONOSUPPORT) {
					rt.Fatal(err)
				}
			})
		})
	}
}

func (w *world) runSockSteps(domain, typ int, steps []sockStep) error {
	if s, err := transport.NewSocket(w.on, domain, typ, 0); err != nil {
		return err
	} else if err := s.Close(); err != nil {
		return err
	}
	a, b := w.sockets(domain, typ)
	defer a.Close()
	defer b.Close()
	for _, s := range []*transport.Socket{a, b} {
		if err := s.SetWriteBuffer(4 << 10); err != nil { // so that calls wait
			return err
		}
	}
	ends := [2][2]*transport.Socket{{a, b}, {b, a}} // from, to
	var sends, recvs [2][]*sockCall
	var calls []*sockCall
	for i, s := range steps {
		dir := 0
		if s.back {
			dir = 1
		}
		switch s.do {
		case "pause":
			for range s.size {
				if err := core.Yield(w.ctx); err != nil {
					return err
				}
			}
			continue
		case "cancel":
			if s.size < len(calls) {
				calls[len(calls)-1-s.size].cancel()
			}
			continue
		}
		c := &sockCall{step: s}
		var ctx context.Context
		ctx, c.cancel = context.WithCancel(w.ctx)
		defer c.cancel()
		calls = append(calls, c)
		c.data = make([]byte, s.size)
		if s.do == "send" {
			for k := range c.data {
				c.data[k] = byte(i*31 + k*7 + k>>8)
			}
			sends[dir] = append(sends[dir], c)
			c.task = w.start(func(context.Context) error {
				c.n, c.err = ends[dir][0].Send(ctx, c.data)
				return nil
			})
			continue
		}
		var flags transport.SocketFlag
		if s.do == "peek" {
			flags = transport.Peek
		}
		recvs[dir] = append(recvs[dir], c)
		c.task = w.start(func(context.Context) error {
			c.n, c.err = ends[dir][1].RecvInto(ctx, c.data, flags)
			return nil
		})
	}
	// What is under way comes to its end; then there is an end each way, and what comes before it is read.
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	var rest, last [2]*core.Task
	for dir := range rest {
		rest[dir] = w.start(func(context.Context) error {
			for {
				c := &sockCall{step: sockStep{do: "recv"}, data: make([]byte, 100_000)}
				if c.n, c.err = ends[dir][1].RecvInto(w.ctx, c.data); c.err != nil {
					return c.err
				}
				if recvs[dir] = append(recvs[dir], c); string(c.data[:c.n]) == theEnd && typ == transport.Datagram {
					return io.EOF
				}
			}
		})
		last[dir] = w.start(func(context.Context) error {
			for _, c := range sends[dir] {
				w.join(c.task)
			}
			if typ != transport.Datagram {
				return ends[dir][0].Shutdown(transport.ShutWrite)
			}
			for { // the calls that wait get one each
				if _, err := ends[dir][0].Send(ctx, []byte(theEnd)); err != nil {
					return nil
				}
			}
		})
	}
	for dir := range rest {
		if err := rest[dir].Wait(w.ctx); err != io.EOF {
			return err
		}
	}
	cancel()
	w.join(last[:]...)
	for _, c := range calls {
		w.join(c.task)
	}
	for dir := range sends {
		if err := compareSockCalls(sends[dir], recvs[dir], typ); err != nil {
			return err
		}
	}
	return nil
}

// compareSockCalls compares what was sent with what was received.
func compareSockCalls(sends, recvs []*sockCall, typ int) error {
	var sent [][]byte
	for _, c := range sends {
		switch {
		case c.err == nil && c.n == len(c.data), errors.Is(c.err, context.Canceled):
		default:
			return fmt.Errorf("%v: %d, %w", c.step, c.n, c.err)
		}
		if typ != transport.Stream && c.err == nil || c.n > 0 {
			sent = append(sent, c.data[:c.n])
		}
		if c.err != nil && c.n > 0 && typ != transport.Stream {
			return fmt.Errorf("%v was canceled and has sent %d bytes", c.step, c.n)
		}
	}
	if typ == transport.Stream {
		sent = [][]byte{bytes.Join(sent, nil)}
	}
	for i, c := range recvs {
		switch {
		case errors.Is(c.err, context.Canceled):
			if c.n != 0 {
				return fmt.Errorf("%v was canceled and has received %d bytes", c.step, c.n)
			}
			continue
		case c.err == io.EOF && typ != transport.Datagram:
			continue // an empty message, or the end
		case c.err != nil && !errors.Is(c.err, dispatch.ErrTruncated):
			return fmt.Errorf("%v: %w", c.step, c.err)
		}
		got := c.data[:c.n]
		if typ == transport.Stream {
			if !bytes.HasPrefix(sent[0], got) {
				return fmt.Errorf("call %d, %v: got something else", i, c.step)
			}
			if c.step.do != "peek" {
				sent[0] = sent[0][c.n:]
			}
			continue
		}
		if len(sent) == 0 {
			if bytes.HasPrefix([]byte(theEnd), got) {
				return nil
			}
			return fmt.Errorf("call %d, %v: got %d bytes that nobody has sent", i, c.step, c.n)
		}
		if cut := errors.Is(c.err, dispatch.ErrTruncated); !bytes.HasPrefix(sent[0], got) || cut != (len(got) < len(sent[0])) {
			return fmt.Errorf("call %d, %v: got %d bytes of %d, %w", i, c.step, c.n, len(sent[0]), c.err)
		}
		if c.step.do != "peek" {
			sent = sent[1:]
		}
	}
	if typ == transport.Stream && len(sent[0]) > 0 {
		return fmt.Errorf("%d bytes are lost", len(sent[0]))
	}
	return nil
}
