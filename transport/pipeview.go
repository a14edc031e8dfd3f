package transport

import (
	"context"
	"io"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// PipeView is a [Pipe] whose Read and Write also end with a ctx, as [Pipe.With] returns it. Close and
// the deadlines are those of the Pipe. Only this package implements it: it may get further methods.
type PipeView interface {
	io.ReadWriteCloser

	// SetDeadline is that of the Pipe: [Pipe.SetDeadline].
	SetDeadline(t time.Time) error
	// SetReadDeadline is that of the Pipe: [Pipe.SetReadDeadline].
	SetReadDeadline(t time.Time) error
	// SetWriteDeadline is that of the Pipe: [Pipe.SetWriteDeadline].
	SetWriteDeadline(t time.Time) error

	pipe() *Pipe
}

// With returns a view of the pipe whose Read and Write also end with ctx, with an error that is
// ctx.Err(). In a task ctx takes the place of the task's own: pass that, or one derived from
// it. Close and the deadlines are those of the pipe.
func (p *Pipe) With(ctx context.Context) PipeView { return &pipeView{p, ctx} }

// pipeView is a Pipe with a ctx.
type pipeView struct {
	p   *Pipe
	ctx context.Context
}

func (v *pipeView) Read(b []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, v.p.wrap("read", park.Failed(err))
	}
	return v.p.read(v.ctx, b)
}

func (v *pipeView) Write(b []byte) (int, error) {
	if err := v.ctx.Err(); err != nil {
		return 0, v.p.wrap("write", park.Failed(err))
	}
	return v.p.write(v.ctx, b)
}

func (v *pipeView) Close() error                       { return v.p.Close() }
func (v *pipeView) SetDeadline(t time.Time) error      { return v.p.SetDeadline(t) }
func (v *pipeView) SetReadDeadline(t time.Time) error  { return v.p.SetReadDeadline(t) }
func (v *pipeView) SetWriteDeadline(t time.Time) error { return v.p.SetWriteDeadline(t) }
func (v *pipeView) pipe() *Pipe                        { return v.p }
