// Logarchive follows log files as they grow, and keeps their lines in gzip files of bounded size.
//
// Usage:
//
//	go run ./examples/logarchive [flags] file...
//
// The parts are
//
//	Lines of each file ─▶ Merge ─▶ RateLimit ─▶ Batch ─▶ gzip file, and the next, and the next
//
// Each file is read from its beginning, and then looked at again and again; that one was cut off, or has
// another file in its place, is not noticed. With several files each line has the name of its file before
// it. A batch is written when it has enough lines, or when its first line has waited for long enough, and
// can be unpacked from then on. Archives are numbered, and none is ever overwritten.
//
// Ctrl-C ends the reading. What has passed the limit by then goes to the archive, which is complete when the
// program ends, with exit code 0. With -once the files are read to their end, one after the other, and
// Ctrl-C, which then leaves some unread, gives 130 (go run only prints it, and ends with 1 itself).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/stream"
)

// config is what the command line says.
type config struct {
	files []string
	out   string
	once  bool
	rate  int
	batch int
	delay time.Duration
	size  int64
	poll  time.Duration
}

func main() {
	os.Exit(run(interruptible(), os.Args[1:], os.Stdout, os.Stderr))
}

// interruptible returns a ctx that ends with Ctrl-C. A second Ctrl-C kills the program.
func interruptible() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}

// run is the program, and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	a := &archive{dir: cfg.out, max: cfg.size, begun: func(name string) { fmt.Fprintln(stdout, "writing", name) }}
	// The end of ctx ends the lines, not what is done with them, so the sink has a ctx without an end.
	err = stream.ForEach(context.Background(), batches(ctx, cfg), func(_ context.Context, lines []string) error {
		return a.write(lines)
	})
	if late := a.close(); err == nil {
		err = late
	}
	fmt.Fprintf(stdout, "%d lines in %d batches, %d files with %d bytes\n", a.lines, a.batches, a.files, a.bytes)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "logarchive:", err)
		return 1
	case cfg.once && ctx.Err() != nil:
		return 130
	}
	return 0
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("logarchive [flags] file...", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&cfg.out, "out", ".", "the directory for the archives")
	flags.BoolVar(&cfg.once, "once", false, "end at the end of the files instead of following them")
	flags.IntVar(&cfg.rate, "rate", 0, "at most so many lines a second, 0 for no limit")
	flags.IntVar(&cfg.batch, "batch", 1000, "write after so many lines")
	flags.DurationVar(&cfg.delay, "delay", time.Second, "write when a line has waited for so long, 0 for no limit")
	flags.Int64Var(&cfg.size, "size", 64<<20, "begin another archive when one has so many bytes")
	flags.DurationVar(&cfg.poll, "poll", 200*time.Millisecond, "how long to wait at the end of a file before another look")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	cfg.files = flags.Args()
	if len(cfg.files) == 0 || cfg.rate < 0 || cfg.batch < 1 || cfg.delay < 0 || cfg.size < 1 || cfg.poll <= 0 {
		err := errors.New("at least one file; -batch, -size and -poll above 0, and nothing below")
		fmt.Fprintln(stderr, "logarchive:", err)
		flags.Usage()
		return cfg, err
	}
	return cfg, nil
}
