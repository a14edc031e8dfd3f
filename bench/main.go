// The program bench measures the primitives of turnstile beside what a Go program takes without them, and prints
// one table. README.md says how to read it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 11, "how often each pair is measured, in turn with all others")
	budget := flag.Duration("time", 20*time.Millisecond, "how long one measurement takes, about")
	filter := flag.String("run", "", "measure only the lines that match this `regexp`")
	list := flag.Bool("list", false, "print the lines there are, and measure nothing")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *budget, *filter, *list); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(out io.Writer, rounds int, budget time.Duration, filter string, list bool) error {
	if rounds < 1 {
		return fmt.Errorf("%d rounds", rounds)
	}
	match, err := regexp.Compile(filter)
	if err != nil {
		return err
	}
	var pairs []*pair
	for _, p := range allPairs() {
		if match.MatchString(p.what + ", " + p.beside) {
			pairs = append(pairs, p)
		}
	}
	if list {
		for _, p := range pairs {
			fmt.Fprintf(out, "%s, %s\n", p.what, p.beside)
		}
		return nil
	}
	before := load()
	for _, p := range pairs {
		p.calibrate(budget)
	}
	for round := range rounds {
		for _, p := range pairs {
			p.measure(round)
		}
	}
	fmt.Fprintf(out, "%s, %s/%s, %d processors, GOMAXPROCS %d, %d rounds of %v", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), runtime.GOMAXPROCS(0), rounds, budget)
	if before != "" {
		fmt.Fprintf(out, ", load %s before and %s after", before, load())
	}
	fmt.Fprintf(out, "\n\n")
	table(out, pairs)
	return nil
}

// load returns the load of the machine in the last minute, "" where the system does not tell.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// allPairs returns every line of the table, in its order.
func allPairs() []*pair {
	var all []*pair
	for _, of := range [][]*pair{locks(), semaphores(), meetings(), rates(), events(), queues(), selects()} {
		all = append(all, of...)
	}
	return all
}
