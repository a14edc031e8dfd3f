//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// workload is what servers are compared in.
type workload struct {
	name    string
	servers []string // the first is what the others are compared with
	what    string   // of a server: "echo" or "source" or "http" or "tls"
	conns   int
	message []byte // sent by the client, once there and back
	answer  int    // bytes of the answer
	stream  bool   // the server sends all the time
	secure  bool
}

const hello = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

func workloads() []workload {
	echoServers := []string{"net", "turnstile tasks", "turnstile events", "netpoll", "C epoll"}
	echo := func(conns, size int) workload {
		return workload{
			name: fmt.Sprintf("echo, %d connections, %d bytes", conns, size), servers: echoServers, what: "echo",
			conns: conns, message: make([]byte, size), answer: size,
		}
	}
	return []workload{
		echo(100, 64), echo(100, 1<<10), echo(100, 64<<10), echo(1, 64), echo(1000, 64),
		{name: "streaming, 10 connections", servers: echoServers, what: "source", conns: 10, stream: true},
		{
			name: "HTTP hello, 100 connections", servers: []string{"net/http", "net/http over turnstile", "http.ReadRequest in tasks"}, what: "http",
			conns: 100, message: []byte(hello),
		},
		{
			name: "TLS echo, 20 connections, 1024 bytes", servers: []string{"net", "turnstile tasks"}, what: "tls",
			conns: 20, message: make([]byte, 1<<10), answer: 1 << 10, secure: true,
		},
	}
}

// sample is one measurement.
type sample struct {
	rate float64 // operations a second, or bytes
	cost float64 // ns of the server's CPU for each operation, or kilobyte
}

func (w workload) measure(out io.Writer, s settings, where cpus, cserver string) error {
	type running struct {
		*child
		load    loader
		samples []sample
	}
	var all []*running
	defer func() {
		for _, r := range all {
			if r.load != nil {
				r.load.close()
			}
			r.stop()
		}
	}()
	for _, name := range w.servers {
		c, err := start(name+":"+w.what, where, cserver)
		if err != nil {
			return err
		}
		r := &running{child: c}
		all = append(all, r)
		if r.load, err = w.connect(c.addr); err != nil {
			return err
		}
		if _, err := r.load.run(s.budget / 3); err != nil { // so that everything is there that is made once
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	order := slices.Clone(all)
	for round := range s.rounds {
		if round > 0 {
			order = append(order[1:], order[0]) // everybody is first in turn
		}
		for _, r := range order {
			cpu, err := cpuTime(r.cmd.Process.Pid)
			if err != nil {
				return err
			}
			began := time.Now()
			n, err := r.load.run(s.budget)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			took := time.Since(began)
			after, err := cpuTime(r.cmd.Process.Pid)
			if err != nil {
				return err
			}
			per := float64(n)
			if w.stream {
				per /= 1024
			}
			r.samples = append(r.samples, sample{float64(n) / took.Seconds(), (after - cpu) / per})
		}
	}
	unit, digits := "requests a second", 1.0
	if w.stream {
		unit, digits = "MB a second", 1e6
	}
	fmt.Fprintf(out, "\n| %s | %s | beside %s | least–greatest | CPU of the server | beside %s |\n|---|--:|--:|--:|--:|--:|\n",
		w.name, unit, w.servers[0], w.servers[0])
	base := all[0].samples
	for _, r := range all {
		var rates, costs, faster, cheaper []float64
		for i, x := range r.samples {
			rates, costs = append(rates, x.rate/digits), append(costs, x.cost)
			faster, cheaper = append(faster, x.rate/base[i].rate), append(cheaper, x.cost/base[i].cost)
		}
		name, _, _ := strings.Cut(r.name, ":")
		fmt.Fprintf(out, "| %s | %.0f | **%.2f** | %.2f–%.2f | %.0f ns | **%.2f** |\n", name, median(rates), median(faster), slices.Min(faster), slices.Max(faster),
			median(costs), median(cheaper))
	}
	return nil
}

// median of what is not empty.
func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	n := len(all)
	return (all[n/2] + all[(n-1)/2]) / 2
}

// loader is a client.
type loader interface {
	// run works for a time, and returns how many answers, or bytes, came.
	run(during time.Duration) (int, error)
	close()
}

func (w workload) connect(addr string) (loader, error) {
	if w.secure {
		return dialTLS(addr, w.conns, w.message)
	}
	if w.answer == 0 && !w.stream {
		var err error
		if w.answer, err = answerSize(addr, w.message); err != nil {
			return nil, err
		}
	}
	c, err := dial(addr, w.conns)
	if err != nil {
		return nil, err
	}
	return &plain{c, w}, nil
}

// answerSize asks an HTTP server how long its answer is.
func answerSize(addr string, request []byte) (int, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if _, err := c.Write(request); err != nil {
		return 0, err
	}
	size := 0
	in := bufio.NewReader(c)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		size += len(line)
		if n, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			body, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				return 0, err
			}
			size += body
		}
		if line == "\r\n" {
			return size, nil
		}
	}
}

// plain is a client without TLS.
type plain struct {
	*client
	w workload
}

func (p *plain) run(during time.Duration) (int, error) {
	if p.w.stream {
		return p.receive(during)
	}
	return p.pingPong(p.w.message, p.w.answer, during)
}

// idle prints what a connection costs that does nothing.
func idle(out io.Writer, n int, where cpus, cserver string) error {
	fmt.Fprintf(out, "\n| idle, %d connections | bytes each |\n|---|--:|\n", n)
	for _, name := range []string{"net", "turnstile tasks", "turnstile events", "netpoll", "C epoll"} {
		each, err := idleOf(name, n, where, cserver)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(out, "| %s | %.0f |\n", name, each)
	}
	return nil
}

func idleOf(name string, n int, where cpus, cserver string) (float64, error) {
	c, err := start(name+":idle", where, cserver)
	if name == "C epoll" {
		c, err = start(name+":echo", where, cserver)
	}
	if err != nil {
		return 0, err
	}
	defer c.stop()
	one, err := dial(c.addr, 1) // what is made once is there
	if err != nil {
		return 0, err
	}
	defer one.close()
	if _, err := one.pingPong(make([]byte, 64), 64, 10*time.Millisecond); err != nil {
		return 0, err
	}
	before, err := c.memory()
	if err != nil {
		return 0, err
	}
	all, err := dial(c.addr, n)
	if err != nil {
		return 0, err
	}
	defer all.close()
	if _, err := all.pingPong(make([]byte, 64), 64, 10*time.Millisecond); err != nil {
		return 0, err
	}
	after, err := c.memory()
	return (after - before) / float64(n), err
}
