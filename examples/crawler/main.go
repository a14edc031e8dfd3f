// Crawler fetches the pages of a web site, and prints each with its status and its links.
//
// Usage:
//
//	go run ./examples/crawler [flags] URL
//	go run ./examples/crawler [flags] -demo
//
//	FutureStream of URLs ─▶ RateLimit ─▶ MapN of fetches (retry, timeout) ─▶ print
//	        ▲                                                                  │
//	        └───────────────────────── links of the site that are new ◀────────┘
//
// Pages are fetched several at a time, and printed in the order in which they were found: the start, what it
// links to, and so on, up to -depth links away. A link to another host is printed, but not followed. With
// -demo the site is one that the program serves itself, where much goes wrong. The exit code is 1 if a page
// could not be fetched, and 130 after Ctrl-C, which cancels all fetches (go run only prints it).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/signal"
	"time"
)

// config is what the command line says.
type config struct {
	start                    *url.URL
	demo                     bool
	parallel, depth, tries   int
	interval, delay, timeout time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills the program
	os.Exit(run(ctx, os.Args[1:], http.DefaultClient, os.Stdout, os.Stderr))
}

// run is the program, and returns its exit code.
func run(ctx context.Context, args []string, client *http.Client, stdout, stderr io.Writer) int {
	cfg, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case cfg.demo:
		server := httptest.NewServer(demo())
		defer server.Close()
		cfg.start, _ = url.Parse(server.URL + "/")
	}
	defer client.CloseIdleConnections()
	c := &crawler{config: cfg, client: client, stdout: stdout, seen: make(map[string]bool)}
	err = c.run(ctx)
	fmt.Fprintf(stdout, "%d pages, %d failed\n", c.pages, c.failed)
	switch {
	case err != nil: // of ctx: what is wrong with a page ends nothing
		return 130
	case c.failed > 0:
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("crawler [flags] URL, or -demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&cfg.demo, "demo", false, "serve a site to crawl")
	flags.IntVar(&cfg.parallel, "parallel", 8, "how many pages are fetched at the same time")
	flags.IntVar(&cfg.depth, "depth", 3, "how many links away from the start, 0 for the start alone")
	flags.DurationVar(&cfg.interval, "interval", 50*time.Millisecond, "the least time from the start of one page to that of the next")
	flags.IntVar(&cfg.tries, "tries", 3, "how often a page is tried in all")
	flags.DurationVar(&cfg.delay, "delay", 100*time.Millisecond, "the time before the second try; it doubles for each further one")
	flags.DurationVar(&cfg.timeout, "timeout", 2*time.Second, "give up a page after so long, tries and all")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	start, err := url.Parse(flags.Arg(0))
	switch cfg.start = start; {
	case err != nil:
	case cfg.parallel < 1 || cfg.depth < 0 || cfg.tries < 1 || min(cfg.interval, cfg.delay, cfg.timeout) <= 0:
		err = errors.New("only -depth may be 0, and nothing below")
	case cfg.demo && flags.NArg() > 0, !cfg.demo && (flags.NArg() != 1 || !clean(cfg.start)):
		err = errors.New("exactly one URL of a web site, or -demo")
	}
	if err != nil {
		fmt.Fprintln(stderr, "crawler:", err)
		flags.Usage()
	}
	return cfg, err
}
