//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" { // a test has started this program as a server
		main()
		return
	}
	os.Exit(m.Run())
}

// Every server of every workload answers, and has a line with all its columns.
func TestRun(t *testing.T) {
	if _, err := twoCPUs(); err != nil {
		t.Skip(err)
	}
	var out bytes.Buffer
	if err := run(&out, settings{rounds: 1, budget: 20 * time.Millisecond, idle: 100}, ""); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
		t.Errorf("not measured:\n%s", text)
	}
	for _, w := range workloads() {
		_, table, found := strings.Cut(text, "| "+w.name+" |")
		table, _, _ = strings.Cut(table, "\n\n")
		rows := strings.Split(strings.TrimSpace(table), "\n")
		if !found || len(rows) != len(w.servers)+2 {
			t.Errorf("%s has %d lines:\n%s", w.name, len(rows), text)
			continue
		}
		for i, row := range rows[2:] {
			if cells := strings.Split(row, "|"); len(cells) != 8 || strings.TrimSpace(cells[1]) != w.servers[i] || strings.Contains(row, " 0 |") {
				t.Errorf("%s: %s", w.name, row)
			}
		}
	}
	if !strings.Contains(text, "| idle, 100 connections |") {
		t.Errorf("nothing about idle connections:\n%s", text)
	}
}

// A bad flag is an error, and measures nothing.
func TestBadFlags(t *testing.T) {
	var out bytes.Buffer
	for _, s := range []settings{{0, time.Second, 0}, {1, 0, 0}} {
		if run(&out, s, "") == nil {
			t.Errorf("%+v is no error", s)
		}
	}
	if run(&out, settings{1, time.Second, 0}, "(") == nil || out.Len() > 0 {
		t.Errorf("a bad expression: %s", out.String())
	}
}

// The client counts whole messages, also where they come in pieces.
func TestClient(t *testing.T) {
	if _, err := twoCPUs(); err != nil {
		t.Skip(err)
	}
	where, err := twoCPUs()
	if err != nil {
		t.Fatal(err)
	}
	s, err := start("net:echo", where, "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	for _, size := range []int{1, 64, 200 << 10} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			c, err := dial(s.addr, 3)
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if n, err := c.pingPong(make([]byte, size), size, 5*time.Millisecond); err != nil || n < 3 {
				t.Errorf("%d messages, %v", n, err)
			}
			// Nothing is left on the way: a second run begins with a message of its own.
			if n, err := c.pingPong(make([]byte, size), size, 0); err != nil || n != 3 {
				t.Errorf("%d messages, %v; want one on each connection", n, err)
			}
		})
	}
}
