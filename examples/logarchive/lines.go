package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// batches is a stream of the lines of all files, as they are to be written. It ends when ctx does.
func batches(ctx context.Context, cfg config) stream.Stream[[]string] {
	var files []stream.Stream[string]
	for _, path := range cfg.files {
		lines := stream.Lines(func(ctx context.Context) (io.ReadCloser, error) {
			file, err := os.Open(path)
			if err != nil || cfg.once {
				return file, err
			}
			return &tail{file, ctx, cfg.poll}, nil
		}, 0)
		if len(cfg.files) > 1 {
			name := filepath.Base(path) + ": "
			lines = stream.Map(lines, func(_ context.Context, line string) (string, error) { return name + line, nil })
		}
		files = append(files, lines)
	}
	lines := stream.Concat(files...)
	if !cfg.once {
		lines = stream.Merge(files...) // none of them ends
	}
	if cfg.rate > 0 {
		lines = stream.RateLimit(lines, xsync.NewTokenBucket(cfg.rate, time.Second, xsync.Continuous))
	}
	return stream.Batch(until(ctx, lines), cfg.batch, cfg.delay)
}

// until is a stream of the values of s that ends, and ends well, when stop does: a cancel for the stages
// before, and an end like any other for those behind, which may have collected something.
func until[T any](stop context.Context, s stream.Stream[T]) stream.Stream[T] {
	return stream.Generate(func(ctx context.Context, emit func(T) error) error {
		ctx, cancel := core.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(stop, cancel)()
		err := stream.ForEach(ctx, s, func(_ context.Context, v T) error { return emit(v) })
		if stop.Err() != nil && errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}

// tail is a file that grows: at its end Read waits for more, until ctx ends.
type tail struct {
	*os.File
	ctx  context.Context
	poll time.Duration
}

func (t *tail) Read(p []byte) (int, error) {
	for {
		n, err := t.File.Read(p)
		if err != io.EOF {
			return n, err
		}
		if err := core.Sleep(t.ctx, t.poll); err != nil {
			return 0, err
		}
	}
}
