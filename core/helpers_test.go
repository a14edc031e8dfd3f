package core_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/internal/park"
)

func TestMain(m *testing.M) { check.Main(m) }

var errBoom = errors.New("boom")

// run runs main on a dispatcher of its own, in a bubble, and asserts that nothing is left.
func run(t *testing.T, main func(t *testing.T, ctx context.Context)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if err := core.Run(t.Context(), func(ctx context.Context) error {
			main(t, ctx)
			return nil
		}); err != nil {
			t.Errorf("Run() = %v", err)
		}
		nothingLeft(t)
	})
}

func nothingLeft(t *testing.T) {
	t.Helper()
	if n := park.Entries(); n != 0 {
		t.Errorf("%d coroutines are left", n)
	}
}

// looping returns a dispatcher that runs on a goroutine of its own until stop, which
// returns the error of Close.
func looping(t *testing.T, cfg dispatch.Config) (d *dispatch.Dispatcher, stop func() error) {
	t.Helper()
	d, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.Run(context.Background()); err != nil {
			t.Errorf("Dispatcher.Run() = %v", err)
		}
	}()
	return d, func() error {
		err := d.Close()
		<-ended
		return err
	}
}

// trace notes what happens, in order.
type trace struct {
	mu   sync.Mutex
	list []string
}

func (tr *trace) add(format string, args ...any) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.list = append(tr.list, fmt.Sprintf(format, args...))
}

// want asserts that these words were noted since the last call.
func (tr *trace) want(t *testing.T, words string) {
	t.Helper()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if got := strings.Join(tr.list, " "); got != words {
		t.Errorf("it happened %q, want %q", got, words)
	}
	tr.list = nil
}

func equal[T any](t *testing.T, got []T, want ...T) {
	t.Helper()
	if !slices.Equal(strs(got), strs(want)) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func strs[T any](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if got != want {
		t.Errorf("%s: error %v, want %v", what, got, want)
	}
}

// panics returns what fn panics with.
func panics(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

// forever waits until ctx ends.
func forever(ctx context.Context) error {
	_, err := core.NewFuture[int]().Await(ctx)
	return err
}

// value returns a function that waits once and returns v.
func value[T any](v T) func(ctx context.Context) (T, error) {
	return func(ctx context.Context) (T, error) { return v, core.Yield(ctx) }
}
