package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/stream"
	xsync "github.com/seed-1e54c410/turnstile/sync"
)

// crawler is one run. Only the sink of its pipeline touches what changes.
type crawler struct {
	config
	client *http.Client
	stdout io.Writer

	// todo is what is to be fetched. It has no bound: who prints a page writes its links there, and
	// must not wait for the fetches, which wait for the printing.
	todo stream.FutureStream[page]
	seen map[string]bool // all that was ever in todo
	open int             // how many pages are between todo and the printing

	pages, failed int
}

// page is a page to fetch, and then what has become of it.
type page struct {
	url    *url.URL
	depth  int // how many links it is away from the start
	status int // of the last answer, 0 if there was none
	tries  int
	links  []*url.URL
	err    error
}

// run crawls until there is no page left, and prints each.
func (c *crawler) run(ctx context.Context) error {
	c.add(page{url: c.start})
	due := stream.RateLimit(&c.todo, xsync.NewTokenBucket(1, c.interval, xsync.Continuous))
	pages := stream.MapN(due, c.parallel, stream.Ordered, c.fetch)
	return stream.ForEach(ctx, pages, func(_ context.Context, p page) error {
		c.print(p)
		for _, link := range p.links {
			if link.Host == c.start.Host && p.depth < c.depth {
				c.add(page{url: link, depth: p.depth + 1})
			}
		}
		if c.open--; c.open == 0 {
			c.todo.Complete()
		}
		return nil
	})
}

// add puts a page that is new into todo.
func (c *crawler) add(p page) {
	if name := p.url.String(); !c.seen[name] {
		c.seen[name] = true
		c.open++
		c.todo.Write(context.Background(), p) // never waits, and todo is open
	}
}

// fetch is called for several pages at the same time. What is wrong with one is not an error of the whole.
func (c *crawler) fetch(ctx context.Context, p page) (page, error) {
	limited, cancel := core.WithTimeout(ctx, c.timeout)
	defer cancel()
	policy := stream.RetryPolicy{Attempts: c.tries, Delay: c.delay, Rand: rand.Float64}
	p.err = policy.Do(limited, func(ctx context.Context) error {
		p.tries++
		return c.get(ctx, &p)
	})
	if p.err != nil && limited.Err() != nil {
		p.err = fmt.Errorf("no page within %v", c.timeout)
	}
	return p, ctx.Err()
}

func (c *crawler) print(p page) {
	c.pages++
	fmt.Fprintf(c.stdout, "%03d %s", p.status, p.url)
	if p.tries > 1 {
		fmt.Fprintf(c.stdout, " (%d tries)", p.tries)
	}
	if p.status != http.StatusOK || p.err != nil {
		c.failed++
	}
	if p.err != nil {
		fmt.Fprintf(c.stdout, ": %v", p.err)
	}
	fmt.Fprintln(c.stdout)
	for _, link := range p.links {
		fmt.Fprintf(c.stdout, "      %s\n", link)
	}
}
