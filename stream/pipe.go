package stream

import (
	"context"
	"errors"
	"sync"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/ring"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// errEnd is what a stage gets in place of a value at the end of a stream that has ended well. It
// leaves no run.
var errEnd = errors.New("stream: end")

// errClosed is what a source gets that gives a value to those who take no more.
var errClosed = errors.New("stream: closed")

// pipe hands values from the tasks of sources to the one who consumes, in order of arrival. It
// ends when all sources have ended, or with the first that fails: behind what came before.
type pipe[T any] struct {
	room   int // values it holds, beside those of sources that wait
	policy Policy

	mu     sync.Mutex
	items  ring.Ring[T]
	open   int // sources that have not ended
	closed bool
	end    error // what the consumer gets behind the last value
	// Somebody waits in reader only while there is neither an item nor a writer. Those who wait in
	// writers when the pipe closes came before that.
	reader  xsync.WaitQueue[T]
	writers xsync.WaitQueue[T]
}

// fill is the work of the task of a source.
func (p *pipe[T]) fill(ctx context.Context, src Stream[T]) error {
	return drive(ctx, src, func(v T) error { return p.put(ctx, v) }, p.finish)
}

// drive runs src, and calls finish with the error it ends with, in any case. The error of emit has
// to be one that finish can do without.
func drive[T any](ctx context.Context, src Stream[T], emit func(T) error, finish func(error)) error {
	err := core.ErrGoexit // or a panic, which is found when the task is joined
	defer func() { finish(err) }()
	if err = ctx.Err(); err == nil {
		err = core.ErrGoexit
		err = src.run(ctx, emit)
	}
	return nil
}

func (p *pipe[T]) put(ctx context.Context, v T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	switch {
	case p.closed:
		p.mu.Unlock()
		return errClosed
	case p.reader.Hand(v):
	case p.items.Len() < p.room:
		p.items.PushBack(v)
	case p.policy == Suspend:
		_, err := p.writers.WaitLocked(ctx, &p.mu, v, nil)
		return err
	case p.policy == Fail:
		p.close(ErrOverflow)
		p.mu.Unlock()
		return errClosed
	default:
		if p.policy == DropOldest {
			p.items.PopFront()
			p.items.PushBack(v)
		}
		p.mu.Unlock()
		// A source that never waits would let nobody else have a turn on its loop.
		return core.Yield(ctx)
	}
	p.mu.Unlock()
	return nil
}

// finish is the end of one source.
func (p *pipe[T]) finish(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open--
	switch {
	case err != nil:
		p.close(err)
	case p.open == 0:
		p.close(errEnd)
	}
}

func (p *pipe[T]) close(end error) {
	if p.closed {
		return
	}
	p.closed, p.end = true, end
	p.reader.Fail(-1, end)
}

// get waits for a value, and returns errEnd or the error behind the last one.
func (p *pipe[T]) get(ctx context.Context) (T, error) {
	var v T
	if err := ctx.Err(); err != nil {
		return v, err
	}
	p.mu.Lock()
	switch w := p.writers.First(); {
	case p.items.Len() > 0:
		v = p.items.PopFront()
		if w != nil {
			p.items.PushBack(*w)
			p.writers.Grant()
		}
	case w != nil:
		v = *w
		p.writers.Grant()
	case p.closed:
		end := p.end
		p.mu.Unlock()
		return v, endOf(ctx, end)
	default:
		v, err := p.reader.WaitLocked(ctx, &p.mu, v, nil)
		if err != nil {
			err = endOf(ctx, err)
		}
		return v, err
	}
	p.mu.Unlock()
	return v, nil
}

// endOf is the end that the consumer has to see: a done ctx may be why a source has ended.
func endOf(ctx context.Context, end error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return end
}

// over reports whether all is said.
func (p *pipe[T]) over() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed && p.items.Len() == 0 && p.writers.Len() == 0
}

// drain is the work of the consumer.
func (p *pipe[T]) drain(ctx context.Context, emit func(T) error) error {
	for {
		v, err := p.get(ctx)
		if err == errEnd {
			return nil
		}
		if err == nil {
			err = emit(v)
		}
		if err != nil {
			return err
		}
	}
}
