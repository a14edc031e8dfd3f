//go:build linux

// The program net measures servers of turnstile beside those of package net, of github.com/cloudwego/netpoll and a bare
// epoll loop in C, and prints tables. README.md says how to read them.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	if name := os.Getenv(serverEnv); name != "" {
		if err := serve(name); err != nil {
			fmt.Fprintln(os.Stderr, name+":", err)
			os.Exit(1)
		}
		return
	}
	var s settings
	flag.IntVar(&s.rounds, "rounds", 11, "how often each server is measured, in turn with the others of its workload")
	flag.DurationVar(&s.budget, "time", 300*time.Millisecond, "how long one measurement takes")
	flag.IntVar(&s.idle, "idle", 5000, "how many idle connections the memory is measured with; 0 leaves it out")
	filter := flag.String("run", "", "measure only the workloads that match this `regexp`")
	flag.Parse()
	if err := run(os.Stdout, s, *filter); err != nil {
		fmt.Fprintln(os.Stderr, "net:", err)
		os.Exit(1)
	}
}

type settings struct {
	rounds int
	budget time.Duration
	idle   int
}

func run(out io.Writer, s settings, filter string) error {
	if s.rounds < 1 || s.budget <= 0 {
		return fmt.Errorf("%d rounds of %v", s.rounds, s.budget)
	}
	match, err := regexp.Compile(filter)
	if err != nil {
		return err
	}
	where, err := twoCPUs()
	if err != nil {
		return err
	}
	cserver, remove, err := compileC()
	if err != nil {
		return err
	}
	defer remove()
	// The client is on this thread, and nothing of the runtime comes in between.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if err := pinAll(where.client); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s, %s/%s, server on CPU %d and client on CPU %d, %d rounds of %v, load %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		where.server, where.client, s.rounds, s.budget, load())
	for _, w := range workloads() {
		if !match.MatchString(w.name) {
			continue
		}
		if err := w.measure(out, s, where, cserver); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		runtime.GC()
	}
	if s.idle > 0 && match.MatchString("idle") {
		return idle(out, s.idle, where, cserver)
	}
	return nil
}

// load returns the load of the machine in the last minute.
func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
