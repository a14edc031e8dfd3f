//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// buffer is as large as the largest message.
const buffer = 64 << 10

// idleBuffer is that of a connection whose memory is measured.
const idleBuffer = 512

const body = "Hello, world!"

// serve is the server of a name, "kind:workload", until the parent closes its end of the standard input.
func serve(name string) error {
	kind, what, _ := strings.Cut(name, ":")
	switch {
	case what == "http":
		return serveHTTP(kind)
	case kind == "net":
		return serveNet(what)
	case kind == "netpoll":
		return serveNetpoll(what)
	case kind == "turnstile events":
		return serveEvents(what)
	case kind == "turnstile tasks":
		return serveTasks(what)
	}
	return fmt.Errorf("there is no server %q", name)
}

// handle is what a connection of package net and a task do.
func handle(what string, c net.Conn) error {
	size := buffer
	switch what {
	case "source":
		p := make([]byte, buffer)
		for {
			if _, err := c.Write(p); err != nil {
				return err
			}
		}
	case "idle":
		size = idleBuffer
	case "tls":
		size = 4 << 10
	}
	p := make([]byte, size)
	for {
		n, err := c.Read(p)
		if n > 0 {
			if _, err := c.Write(p[:n]); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
}

func serveNet(what string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	listening(l.Addr())
	if what == "tls" {
		cert, err := certificate()
		if err != nil {
			return err
		}
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_ = handle(what, c)
			}()
		}
	}()
	return obey()
}

// inLoop runs a server on a dispatcher until the parent ends.
func inLoop(server func(ctx context.Context, l *transport.Listener) error) error {
	return core.Run(context.Background(), func(ctx context.Context) error {
		l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		listening(l.Addr())
		serving, stop := core.WithCancel(ctx)
		task := core.Start(serving, func(ctx context.Context) error { return server(ctx, l) })
		_, err = core.Blocking(ctx, func(context.Context) (struct{}, error) { return struct{}{}, obey() })
		stop()
		_ = task.Wait(ctx)
		return err
	})
}

// silent is a server that says nothing of connections that end.
var silent = transport.ServeConfig{Grace: time.Nanosecond, OnError: func(*transport.Conn, error) {}}

func serveTasks(what string) error {
	if what == "tls" {
		cert, err := certificate()
		if err != nil {
			return err
		}
		cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
		return inLoop(func(ctx context.Context, l *transport.Listener) error {
			return transport.Serve(ctx, l, func(ctx context.Context, c *transport.Conn) error {
				return handle(what, transport.TLSServer(c, cfg))
			}, silent)
		})
	}
	return inLoop(func(ctx context.Context, l *transport.Listener) error {
		return transport.Serve(ctx, l, func(ctx context.Context, c *transport.Conn) error { return handle(what, c) }, silent)
	})
}

func serveHTTP(kind string) error {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	switch kind {
	case "net/http":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		listening(l.Addr())
		go func() { _ = http.Serve(l, answer) }()
		return obey()
	case "net/http over turnstile":
		return inLoop(func(ctx context.Context, l *transport.Listener) error {
			go func() { _ = http.Serve(l, answer) }()
			defer l.Close()
			_, _, err := core.Receive(ctx, ctx.Done())
			return err
		})
	}
	return inLoop(func(ctx context.Context, l *transport.Listener) error {
		return transport.Serve(ctx, l, func(ctx context.Context, c *transport.Conn) error {
			in, out := bufio.NewReader(c), bufio.NewWriter(c)
			for {
				if _, err := http.ReadRequest(in); err != nil {
					return err
				}
				fmt.Fprintf(out, "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: %d\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n%s",
					time.Now().UTC().Format(http.TimeFormat), len(body), body)
				if err := out.Flush(); err != nil {
					return err
				}
			}
		}, silent)
	})
}
