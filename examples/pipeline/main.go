// Pipeline counts the identifiers of a tree of Go source files, and takes the long way: a TCP
// server and its clients, in one process and on one event loop.
//
// Usage:
//
//	go run ./examples/pipeline [flags] [dir]
//
// The default directory is the source tree of the Go toolchain. The parts are
//
//	walk ─▶ AsyncQueue of names ─▶ N clients ─TCP─▶ server ─▶ files
//	                                  │
//	                                  ▼
//	        FutureStream of files ─▶ Map ─▶ Filter ─▶ Batch ─▶ tally (AsyncLock)
//
// and an AsyncEvent starts all clients at once. Ctrl-C cancels everything in order, shows what was
// counted by then, and ends the program with exit code 130 (which go run only prints, and ends with 1
// itself). Files that cannot be read are reported, and the exit code is 1 then.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/build"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// The exit codes.
const (
	exitOK          = 0
	exitFailed      = 1 // something could not be read, or -check found a difference
	exitUsage       = 2
	exitInterrupted = 130
)

// config is what the command line says.
type config struct {
	dir     string
	clients int
	workers int
	top     int
	check   bool
}

func main() {
	os.Exit(run(interruptible(), os.Args[1:], os.Stdout, os.Stderr))
}

// interruptible returns a ctx that ends with Ctrl-C. A second Ctrl-C kills the program.
func interruptible() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx
}

// run is the program, and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		return exitUsage
	}
	root, err := os.OpenRoot(cfg.dir)
	if err != nil {
		fmt.Fprintln(stderr, "pipeline:", err)
		return exitFailed
	}
	defer root.Close()
	began := time.Now()
	p := newPipeline(cfg, root, stderr)
	err = core.Run(ctx, p.main)
	took := time.Since(began)
	interrupted := ctx.Err() != nil
	if err != nil && !(interrupted && errors.Is(err, context.Canceled)) {
		fmt.Fprintln(stderr, "pipeline:", err)
		if !interrupted {
			return exitFailed
		}
	}
	if interrupted {
		fmt.Fprintln(stdout, "interrupted; this is what was counted by then:")
	}
	p.report(stdout, took)
	if interrupted {
		return exitInterrupted
	}
	code := exitOK
	if p.failures > 0 {
		fmt.Fprintln(stderr, "pipeline: files or directories that could not be read:", p.failures)
		code = exitFailed
	}
	if cfg.check && !compare(ctx, root.FS(), p.tally, stdout) {
		code = exitFailed
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	return code
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("pipeline", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: pipeline [flags] [dir]")
		flags.PrintDefaults()
	}
	flags.IntVar(&cfg.clients, "clients", 64, "how many clients fetch files")
	flags.IntVar(&cfg.workers, "workers", runtime.GOMAXPROCS(0), "how many tasks count identifiers")
	flags.IntVar(&cfg.top, "top", 20, "how many identifiers to show")
	flags.BoolVar(&cfg.check, "check", false, "count once more, without turnstile, and compare")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	if flags.NArg() > 1 || cfg.clients < 1 || cfg.workers < 1 || cfg.top < 1 {
		err := errors.New("at most one directory, and nothing below 1")
		fmt.Fprintln(stderr, "pipeline:", err)
		flags.Usage()
		return cfg, err
	}
	cfg.dir = flags.Arg(0)
	if cfg.dir == "" {
		if build.Default.GOROOT == "" {
			err := errors.New("this program does not know the source tree of its toolchain: name a directory")
			fmt.Fprintln(stderr, "pipeline:", err)
			return cfg, err
		}
		cfg.dir = filepath.Join(build.Default.GOROOT, "src")
	}
	return cfg, nil
}
