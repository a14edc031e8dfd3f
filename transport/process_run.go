package transport

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"

	"github.com/seed-1e54c410/turnstile/core"
)

// Run starts the process and waits until it has ended and its output is copied: to Stdout and Stderr, and
// from Stdin to its input, where these are readers and writers of any kind. Those of packages bytes and strings,
// a [Conn], a [TLSConn], a [Reader] of one of these, and what their With returns are used by tasks, others by
// core.Blocking. Stdin is left when the process ends, and all are when ctx does, but a call by core.Blocking that is
// under way is waited for: hand over an *os.File, a *Pipe or a *Conn rather than a reader or writer that may wait for
// long.
//
// The error is nil for the exit code 0; an *[exec.ExitError] that tells of any other, and of a signal; or
// that of a reader or writer if nothing else is wrong. If ctx ends before, the process is
// killed, with its group if Group is set, and the error is ctx.Err(): ctx bounds
// the whole, also where the process has closed its streams, or has ended and left them to others, which
// live on unless they are of the group. However Run ends, the process is collected, the pipes are closed and
// nobody copies when it returns. Only a process that may not be killed, since it has become another
// user's, is left to itself, with an error that says so.
func (c *Command) Run(ctx context.Context) error {
	r, err := c.run(ctx, c.Stdin, c.Stdout, c.Stderr)
	return r.exitError(err, nil)
}

// Output is [Command.Run] that returns what the process writes to its standard output; Stdout must be nil.
// Where Stderr is nil the ExitError has its end, some 64 KiB at most. With an error it returns
// what has come until then.
func (c *Command) Output(ctx context.Context) ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("transport: Stdout is set")
	}
	var out bytes.Buffer
	var tail *tailBuffer
	stderr := c.Stderr
	if stderr == nil && !c.StderrToStdout {
		tail = &tailBuffer{}
		stderr = tail
	}
	r, err := c.run(ctx, c.Stdin, &out, stderr)
	return out.Bytes(), r.exitError(err, tail)
}

// CombinedOutput is [Command.Run] that returns what the process writes to its standard output and to its
// standard error, as they come; Stdout and Stderr must be nil.
func (c *Command) CombinedOutput(ctx context.Context) ([]byte, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return nil, errors.New("transport: Stdout or Stderr is set")
	}
	both := *c
	both.StderrToStdout = true
	return both.Output(ctx)
}

// Captured is what a process has written and how it has ended.
type Captured struct {
	// Stdout and Stderr are what has come; with StderrToStdout all is in the former.
	Stdout, Stderr []byte
	// ExitState is how it has ended.
	ExitState
}

// Capture is [Command.Run] that returns the output and how the process has ended, and for which an exit
// code that is not 0 is no error. Stdout and Stderr must be nil. With an error it returns what has come until
// then, and an ExitState only if the process was started: else that must not be used.
func (c *Command) Capture(ctx context.Context) (*Captured, error) {
	if c.Stdout != nil || c.Stderr != nil {
		return &Captured{}, errors.New("transport: Stdout or Stderr is set")
	}
	var out, errs bytes.Buffer
	var stderr io.Writer = &errs
	if c.StderrToStdout {
		stderr = nil
	}
	r, err := c.run(ctx, c.Stdin, &out, stderr)
	got := &Captured{Stdout: out.Bytes(), Stderr: errs.Bytes()}
	if r != nil {
		got.ExitState = r.state
		if err == nil {
			err = r.failed()
		}
	}
	return got, err
}

// exitError returns the error of Run: of how it went, of the exit code, of a reader or writer.
func (r *running) exitError(err error, tail *tailBuffer) error {
	switch {
	case err != nil:
		return err
	case !r.state.Success():
		e := &exec.ExitError{ProcessState: r.state.ProcessState}
		if tail != nil {
			e.Stderr = tail.bytes()
		}
		return e
	}
	return r.failed()
}

// running is a process that somebody stays with, and those who copy for it.
type running struct {
	p     *Process
	in    *core.Task
	outs  []*core.Task
	state ExitState
}

// run starts the process with these streams, and stays with it until nothing is left.
func (c *Command) run(ctx context.Context, in io.Reader, out, errs io.Writer) (*running, error) {
	with := *c
	with.Stdin, with.Stdout, with.Stderr = in, out, errs
	for _, s := range []any{in, out, errs} {
		if _, ok := s.(piped); ok {
			return nil, errors.New("transport: Piped is for Start: nobody would serve the pipe")
		}
	}
	if copied(in) {
		with.Stdin = Piped
	}
	if copied(out) {
		with.Stdout = Piped
	}
	if copied(errs) {
		with.Stderr = Piped
	}
	p, err := with.start(ctx, c.Group)
	if err != nil {
		return nil, err
	}
	r := &running{p: p}
	over := false
	defer func() {
		if !over { // a panic, or a Goexit
			_ = r.end(ctx)
		}
	}()
	// They do not end with ctx by themselves: what has ended then is not the output.
	aside := core.Shield(ctx)
	if p.Stdin != nil {
		r.in = core.Start(aside, func(ctx context.Context) error { return feed(ctx, p.Stdin, in) })
	}
	if p.Stdout != nil {
		r.outs = append(r.outs, core.Start(aside, func(ctx context.Context) error { return drain(ctx, p.Stdout, out) }))
	}
	if p.Stderr != nil {
		r.outs = append(r.outs, core.Start(aside, func(ctx context.Context) error { return drain(ctx, p.Stderr, errs) }))
	}
	err = r.stay(ctx)
	over = true
	if err == nil {
		return r, r.leave(ctx)
	}
	if left := r.end(ctx); left != nil {
		err = errors.Join(err, left)
	}
	return r, err // as it is, if that can be
}

// copied reports whether a stream is one that a child cannot be handed.
func copied(s any) bool {
	switch s.(type) {
	case nil, *os.File, *Pipe:
		return false
	}
	return true
}

// stay waits until the process has ended and its output is at its end.
func (r *running) stay(ctx context.Context) error {
	if _, err := r.p.ended.Await(ctx); err != nil {
		return err
	}
	if r.in != nil {
		r.in.Cancel() // nobody reads it any more
	}
	for _, t := range r.outs {
		if err := core.Join(ctx, t); err != nil {
			return err
		}
		if t.State() == core.StateCanceled { // the dispatcher closes
			return t.Err()
		}
	}
	return nil
}

// end kills the process, and leaves. It returns an error only if the process cannot be killed, and then it is
// left to itself.
func (r *running) end(ctx context.Context) error {
	err := r.p.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	_ = r.p.Close()
	if err != nil {
		r.p.let()
		r.stop(ctx)
		return err
	}
	return r.leave(ctx)
}

// leave waits for what has ended, or does at once.
func (r *running) leave(ctx context.Context) error {
	ctx = core.Shield(ctx)
	if _, err := r.p.ended.Await(ctx); err != nil {
		return err
	}
	r.p.let()
	var err error
	r.state, err = r.p.Wait(ctx)
	r.stop(ctx)
	return errors.Join(err, r.p.Close())
}

// stop ends the tasks.
func (r *running) stop(ctx context.Context) {
	ctx = core.Shield(ctx)
	tasks := r.outs
	if r.in != nil {
		tasks = append(tasks, r.in)
	}
	for _, t := range tasks {
		_ = t.CancelAndWait(ctx) // what they say is asked for later
	}
}

// failed returns the first error of a reader or writer, and not that they were stopped.
func (r *running) failed() error {
	for _, t := range append(r.outs, r.in) {
		if t != nil && t.State() == core.StateFailed {
			return t.Err()
		}
	}
	return nil
}

// inTask reports whether a task can use a reader or writer: its calls do not wait, or end with the task.
func inTask(stream any) bool {
	switch s := stream.(type) {
	case *bytes.Buffer, *bytes.Reader, *strings.Reader, *strings.Builder, *tailBuffer, *Conn, *TLSConn, *view, *tlsView:
		return true
	case *Reader:
		switch s.from.(type) {
		case *view, *tlsView: // which end with their own ctx alone
			return false
		}
		return inTask(s.from)
	}
	return false
}

// joined returns stream, or if it is a view of a connection one that ends with ctx as well.
func joined(ctx context.Context, stream any) (with any, leave func()) {
	var own context.Context
	switch s := stream.(type) {
	case *view:
		own = s.ctx
	case *tlsView:
		own = s.ctx
	default:
		return stream, func() {}
	}
	both, cancel := core.WithCancel(own)
	stop := context.AfterFunc(ctx, cancel)
	leave = func() {
		stop()
		cancel()
	}
	if s, ok := stream.(*view); ok {
		return s.Conn.With(both), leave
	}
	return stream.(*tlsView).TLSConn.With(both), leave
}

// copyBuffer is how much is copied at a time: what a pipe holds on Linux.
const copyBuffer = 64 << 10

// feed writes what it reads from r to the input of a process.
func feed(ctx context.Context, p *Pipe, r io.Reader) error {
	defer p.Close()
	read := func(b []byte) (int, error) {
		return core.Blocking(ctx, func(context.Context) (int, error) { return r.Read(b) })
	}
	if inTask(r) {
		with, leave := joined(ctx, r)
		defer leave()
		read = with.(io.Reader).Read
	}
	b := make([]byte, copyBuffer)
	for {
		n, err := read(b)
		if n > 0 {
			if _, err := p.Write(b[:n]); err != nil {
				if sysBrokenPipe(err) || errors.Is(err, net.ErrClosed) {
					return nil // it need not read all
				}
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// drain writes the output of a process to w. If w fails the pipe is closed, so that the process hears of it.
func drain(ctx context.Context, p *Pipe, w io.Writer) error {
	defer p.Close()
	write := func(b []byte) (int, error) {
		return core.Blocking(ctx, func(context.Context) (int, error) { return w.Write(b) })
	}
	if inTask(w) {
		with, leave := joined(ctx, w)
		defer leave()
		write = with.(io.Writer).Write
	}
	b := make([]byte, copyBuffer)
	for {
		n, err := p.Read(b)
		if n > 0 {
			switch n1, err := write(b[:n]); {
			case err != nil:
				return err
			case n1 < n:
				return io.ErrShortWrite
			}
		}
		switch {
		case err == io.EOF || errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
	}
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct{ b []byte }

const maxTail = 64 << 10

func (t *tailBuffer) Write(b []byte) (int, error) {
	t.b = append(t.b, b...)
	if len(t.b) > 2*maxTail {
		t.b = append(t.b[:0], t.bytes()...)
	}
	return len(b), nil
}

func (t *tailBuffer) bytes() []byte { return t.b[max(0, len(t.b)-maxTail):] }
