package event_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// calls collects what calls return that were started one after the other.
type calls struct {
	mu  sync.Mutex
	got []string
}

// start starts a call and lets it go as far as it goes.
func (c *calls) start(name string, call func() string) {
	go func() {
		result := call()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, fmt.Sprint(name, " ", result))
	}()
	synctest.Wait()
}

// want asserts what has been returned since the last time, sorted.
func (c *calls) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.got)
	if !slices.Equal(c.got, want) {
		t.Fatalf("returned %q, want %q", c.got, want)
	}
	c.got = nil
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s = %v, want %v", what, got, want)
	}
}
