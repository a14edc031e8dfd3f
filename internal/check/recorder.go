package check

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// Recorder takes the place of a *testing.T for a test of something that fails tests: it notes what is logged
// and whether it has failed. It is what rapid.TB asks for.
type Recorder struct {
	name    string
	mu      sync.Mutex
	log     strings.Builder
	failed  bool
	skipped bool
}

// Record runs fn with a Recorder of that name, on a goroutine of its own, so that FailNow and SkipNow end only
// fn, and returns it when fn has ended. A panic of fn goes on in the caller.
func Record(name string, fn func(r *Recorder)) *Recorder {
	r := &Recorder{name: name}
	var panicked any
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { panicked = recover() }()
		fn(r)
	}()
	<-ended
	if panicked != nil {
		panic(panicked)
	}
	return r
}

// Output returns what was logged.
func (r *Recorder) Output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.String()
}

// Skipped reports whether SkipNow was called.
func (r *Recorder) Skipped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}

// Helper does nothing.
func (r *Recorder) Helper() {}

// Name returns the name.
func (r *Recorder) Name() string { return r.name }

// Failed reports whether Fail was called.
func (r *Recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// Log and those below do what they do in a *testing.T.
func (r *Recorder) Log(args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintln(&r.log, args...)
}

func (r *Recorder) Logf(format string, args ...any) { r.Log(fmt.Sprintf(format, args...)) }

func (r *Recorder) Fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *Recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *Recorder) Error(args ...any) {
	r.Log(args...)
	r.Fail()
}

func (r *Recorder) Errorf(format string, args ...any) {
	r.Logf(format, args...)
	r.Fail()
}

func (r *Recorder) Fatal(args ...any) {
	r.Log(args...)
	r.FailNow()
}

func (r *Recorder) Fatalf(format string, args ...any) {
	r.Logf(format, args...)
	r.FailNow()
}

func (r *Recorder) Skip(args ...any) {
	r.Log(args...)
	r.SkipNow()
}

func (r *Recorder) Skipf(format string, args ...any) {
	r.Logf(format, args...)
	r.SkipNow()
}

func (r *Recorder) SkipNow() {
	r.mu.Lock()
	r.skipped = true
	r.mu.Unlock()
	runtime.Goexit()
}
