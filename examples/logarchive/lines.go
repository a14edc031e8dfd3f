package main

import (
	"context"
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
	return stream.Batch(stream.Until(lines, ctx), cfg.batch, cfg.delay)
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
