//go:build unix

package main

import (
	"bytes"
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// program is one that follows a log, in the bubble of the test: it looks at it at each full second.
type program struct {
	log      string
	archived func() string // what is in the archives, when all has come to rest
	// end interrupts it, sees that this takes no time, and returns what it leaves.
	end func() string
}

// start starts a program, and returns half a second later.
func start(t *testing.T, args ...string) program {
	t.Helper()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	add(t, log, "")
	ctx, cancel := context.WithCancel(t.Context())
	var out, errs bytes.Buffer
	code := make(chan int)
	go func() { code <- run(ctx, append(args, "-poll", "1s", "-out", dir, log), &out, &errs) }()
	archived := func() string {
		synctest.Wait()
		return archives(t, dir)
	}
	archived()
	if err := core.Sleep(ctx, time.Second/2); err != nil {
		t.Fatal(err)
	}
	return program{log, archived, func() string {
		synctest.Wait()
		began := time.Now()
		cancel()
		if code := <-code; code != 0 || errs.Len() > 0 {
			t.Errorf("code %d, stderr %q", code, &errs)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("it ended %v after Ctrl-C", took)
		}
		return complete(t, dir)
	}}
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, "-batch", "3", "-delay", "10s")
		want := func(want string) {
			t.Helper()
			if got := p.archived(); got != want {
				t.Errorf("archived %q, want %q", got, want)
			}
		}
		add(t, p.log, "1\n2\n")
		time.Sleep(time.Second) // now it has seen them
		want("")
		add(t, p.log, "3\n4\n")
		time.Sleep(time.Second)
		want("1\n2\n3\n") // there are enough, but for the last
		time.Sleep(9500*time.Millisecond - 1)
		want("1\n2\n3\n")
		time.Sleep(2 * time.Nanosecond)
		want("1\n2\n3\n4\n") // it has waited for long enough
		add(t, p.log, "5\nha")
		time.Sleep(time.Second)
		add(t, p.log, "lf\n6")
		time.Sleep(time.Second)
		want("1\n2\n3\n4\n")
		// The line that has no end yet is not one.
		if got, want := p.end(), "1\n2\n3\n4\n5\nhalf\n"; got != want {
			t.Errorf("in the end there is %q, want %q", got, want)
		}
	})
}

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := start(t, "-rate", "2", "-batch", "1")
		add(t, p.log, "1\n2\n3\n4\n5\n6\n7\n8\n9\n")
		time.Sleep(750 * time.Millisecond) // a quarter of a second since it has seen them
		for _, want := range []string{"1\n2\n", "1\n2\n3\n", "1\n2\n3\n4\n"} {
			if got := p.archived(); got != want {
				t.Errorf("archived %q, want %q", got, want)
			}
			time.Sleep(time.Second / 2)
		}
		// What waits at Ctrl-C stays where it is.
		if got, want := p.end(), "1\n2\n3\n4\n5\n"; got != want {
			t.Errorf("in the end there is %q, want %q", got, want)
		}
	})
}

// TestOnceInterrupted: what was read is there, and the exit code says that it is not all.
func TestOnceInterrupted(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	add(t, log, noise(100))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		code, out, errs := execute(ctx, "-once", "-rate", "1", "-delay", "0", "-out", dir, log)
		if code != 130 || errs != "" {
			t.Errorf("code %d, stderr %q\n%s", code, errs, out)
		}
	})
	if got := complete(t, dir); got != noise(10) {
		t.Errorf("archived\n%swant\n%s", got, noise(10))
	}
}
