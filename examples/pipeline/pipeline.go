package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/event"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/queue"
	"github.com/seed-1e54c410/turnstile/stream"
	"github.com/seed-1e54c410/turnstile/transport"
)

// pipeline is everything between the directory and the result.
type pipeline struct {
	cfg    config
	root   *os.Root
	stderr io.Writer

	names *queue.AsyncQueue[string]  // the work
	files *stream.FutureStream[file] // what the clients have fetched
	start event.AsyncEvent           // lets all clients go
	lock  lock.AsyncLock             // held over waits while the tally is changed
	tally total                      // guarded by lock until Run returns

	failures int // only tasks touch it
	fetched  int
	line     bool // there is a progress line
}

// file is a file on its way, first with its text and then with its counts.
type file struct {
	name   string
	src    []byte
	counts counts
}

func newPipeline(cfg config, root *os.Root, stderr io.Writer) *pipeline {
	return &pipeline{
		cfg:    cfg,
		root:   root,
		stderr: stderr,
		names:  queue.New[string](4 * cfg.clients),
		files:  stream.New[file](2 * cfg.clients),
		tally:  total{counts: make(counts)},
	}
}

// main runs as the first task. The others end before it does, in the order of the pipeline.
func (p *pipeline) main(ctx context.Context) error {
	// The first task that fails takes the others along.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := func(fn func(ctx context.Context) error) *core.Task {
		return core.Start(ctx, func(ctx context.Context) error {
			err := fn(ctx)
			if err != nil {
				cancel(err)
			}
			return err
		})
	}
	l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	server := start(func(ctx context.Context) error { return serve(ctx, l, p.root) })
	walker := start(p.walk)
	var clients, workers []*core.Task
	for range p.cfg.clients {
		clients = append(clients, start(func(ctx context.Context) error {
			return p.client(ctx, l.Addr().String())
		}))
	}
	for range p.cfg.workers {
		workers = append(workers, start(p.work))
	}
	stop := p.progress(ctx)
	defer stop()
	p.start.Fire()

	if err := wait(ctx, clients...); err != nil {
		return context.Cause(ctx)
	}
	p.files.Complete()
	if err := wait(ctx, append(workers, walker)...); err != nil {
		return context.Cause(ctx)
	}
	l.Close()
	return wait(ctx, server)
}

// wait waits for tasks and returns the first error.
func wait(ctx context.Context, tasks ...*core.Task) error {
	var first error
	for _, t := range tasks {
		if err := t.Wait(ctx); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// walk puts the names of all files into the queue. It does so from a goroutine beside the loop,
// where a Put into a full queue blocks that goroutine.
func (p *pipeline) walk(ctx context.Context) error {
	defer p.names.Shutdown()
	var failed []error
	_, err := core.Blocking(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, walk(p.root.FS(),
			func(name string) error { return p.names.Put(ctx, name) },
			func(err error) { failed = append(failed, err) })
	})
	for _, err := range failed {
		p.fail(err)
	}
	return err
}

// client fetches files until there are no more names.
func (p *pipeline) client(ctx context.Context, addr string) error {
	if err := p.start.Wait(ctx); err != nil {
		return err
	}
	conn, err := transport.Dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	c := newClient(conn)
	for name, err := range p.names.All(ctx) {
		if err != nil {
			return err
		}
		src, err := c.fetch(name)
		var remote remoteError
		switch {
		case errors.As(err, &remote):
			p.fail(remote)
			continue
		case err != nil:
			return fmt.Errorf("fetching %s: %w", name, err)
		}
		p.fetched++
		if err := p.files.Write(ctx, file{name: name, src: src}); err != nil {
			return err
		}
	}
	return nil
}

// work counts files and adds them to the tally, batch by batch.
func (p *pipeline) work(ctx context.Context) error {
	counted := stream.Map(p.files, func(ctx context.Context, f file) (file, error) {
		var err error
		f.counts, err = core.Blocking(ctx, func(context.Context) (counts, error) {
			return count(f.src), nil
		})
		return f, err
	})
	useful := stream.Filter(counted, func(ctx context.Context, f file) (bool, error) {
		if len(f.counts) > 0 {
			return true, nil
		}
		// An empty file has nothing to add, but it is a file.
		return false, p.add(ctx, f)
	})
	batches := stream.Batch(useful, 32, 100*time.Millisecond)
	return stream.ForEach(ctx, batches, func(ctx context.Context, batch []file) error {
		return p.add(ctx, batch...)
	})
}

// add adds files to the tally. That takes a while, so it is done beside the loop, with the
// lock held: a mutex could not be held over a wait.
func (p *pipeline) add(ctx context.Context, batch ...file) error {
	return p.lock.Do(ctx, func(ctx context.Context) error {
		_, err := core.Blocking(ctx, func(context.Context) (struct{}, error) {
			for _, f := range batch {
				p.tally.files++
				p.tally.bytes += len(f.src)
				p.tally.counts.add(f.counts)
			}
			return struct{}{}, nil
		})
		return err
	})
}

// fail reports what could not be read.
func (p *pipeline) fail(err error) {
	p.failures++
	if p.line {
		fmt.Fprint(p.stderr, clearLine)
	}
	fmt.Fprintln(p.stderr, "pipeline:", err)
}

// progress keeps a line up to date, if there is a terminal to show it on, until
// stop is called.
func (p *pipeline) progress(ctx context.Context) (stop func()) {
	if !isTerminal(p.stderr) {
		return func() {}
	}
	p.line = true
	task := core.Start(ctx, func(ctx context.Context) error {
		for {
			fmt.Fprintf(p.stderr, "\r%d files fetched, %d names and %d files waiting"+clearRest, p.fetched, p.names.Len(), p.files.Len())
			if err := core.Sleep(ctx, 100*time.Millisecond); err != nil {
				fmt.Fprint(p.stderr, clearLine)
				return nil
			}
		}
	})
	return func() {
		// It ends within one turn of the loop, also if ctx is done.
		_ = task.CancelAndWait(core.Shield(ctx))
	}
}

// What a terminal does on these is to clear the rest of a line, and all of it.
const (
	clearRest = "\x1b[K"
	clearLine = "\r" + clearRest
)

// isTerminal reports whether w is a terminal, or another device that somebody may look at.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

// report writes the result.
func (p *pipeline) report(w io.Writer, took time.Duration) {
	lines := stream.Map(stream.From(slices.Values(p.tally.counts.top(p.cfg.top))),
		func(_ context.Context, e entry) (string, error) { return fmt.Sprintf("%9d  %s\n", e.n, e.word), nil })
	text, err := stream.ReadAllString(context.Background(), lines)
	if err != nil {
		text = err.Error() + "\n"
	}
	mb := float64(p.tally.bytes) / 1e6
	fmt.Fprintf(w, "%s%d files, %.1f MB in %.2f s: %.0f files/s, %.1f MB/s, connections: %d\n", text,
		p.tally.files, mb, took.Seconds(), float64(p.tally.files)/took.Seconds(), mb/took.Seconds(), p.cfg.clients)
}
