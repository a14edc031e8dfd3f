package gid_test

import (
	"fmt"
	"go/build/constraint"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

// On js/wasm the runtime keeps a goroutine for the events of its host.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent"))
}

// each runs the test for the stub and for the fallback: both keep the same
// contract on every platform.
func each(t *testing.T, test func(t *testing.T, current func() uintptr)) {
	t.Run("Current", func(t *testing.T) { test(t, gid.Current) })
	t.Run("slow", func(t *testing.T) { test(t, gid.Slow) })
}

func TestStableThroughStackGrowthAndGC(t *testing.T) {
	each(t, func(t *testing.T, current func() uintptr) {
		want := current()
		if want == 0 {
			t.Fatal("number is 0")
		}
		var deep func(n int) uintptr
		deep = func(n int) uintptr {
			var frame [1 << 10]byte
			frame[n%len(frame)] = 1
			if n == 0 {
				runtime.GC()
				return current()
			}
			if got := current(); got != want {
				t.Errorf("%d frames from the end: got %#x, want %#x", n, got, want)
			}
			return deep(n-1) + uintptr(frame[(n+1)%len(frame)])
		}
		if got := deep(1 << 10); got != want {
			t.Errorf("at the deepest frame: got %#x, want %#x", got, want)
		}
		runtime.GC() // shrinks the stack
		runtime.Gosched()
		if got := current(); got != want {
			t.Errorf("after the collection: got %#x, want %#x", got, want)
		}
	})
}

func TestLiveGoroutinesDiffer(t *testing.T) {
	const n = 1000
	each(t, func(t *testing.T, current func() uintptr) {
		ids, end, ended := make(chan uintptr), make(chan bool), make(chan bool)
		for range n {
			go func() {
				first := current()
				ids <- first
				<-end
				ended <- current() == first
			}()
		}
		seen := map[uintptr]bool{current(): true}
		for range n {
			id := <-ids
			if seen[id] {
				t.Errorf("two live goroutines have the number %#x", id)
			}
			seen[id] = true
		}
		close(end)
		for range n {
			if !<-ended {
				t.Error("a goroutine's number has changed while it was parked")
			}
		}
	})
}

func TestCoroutineHasItsOwn(t *testing.T) {
	each(t, func(t *testing.T, current func() uintptr) {
		seq := func(yield func(uintptr) bool) {
			for yield(current()) {
			}
		}
		next, stop := iter.Pull(iter.Seq[uintptr](seq))
		defer stop()
		other, stopOther := iter.Pull(iter.Seq[uintptr](seq))
		defer stopOther()

		want, _ := next()
		if sibling, _ := other(); sibling == want {
			t.Errorf("two coroutines have the number %#x", want)
		}
		check := func(driver string) {
			before := current()
			got, _ := next()
			if got != want {
				t.Errorf("driven by %s: got %#x, want %#x", driver, got, want)
			}
			if before == want {
				t.Errorf("%s has its coroutine's number %#x", driver, want)
			}
			if after := current(); after != before {
				t.Errorf("%s: number was %#x before the switch, %#x after it", driver, before, after)
			}
		}
		check("its maker")
		for i := range 10 {
			done := make(chan struct{})
			go func() {
				defer close(done)
				for range 3 {
					check(fmt.Sprint("goroutine ", i))
				}
			}()
			<-done
		}
		check("its maker again")
	})
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		trace string
		id    uintptr
		ok    bool
	}{
		{"goroutine 1 [running]:\n", 1, true},
		{"goroutine 4294967295 [run", math.MaxUint32, true},
		{"goroutine 17 gp=0xc000 m=0", 17, true},
		{"", 0, false},
		{"goroutine ", 0, false},
		{"goroutine  [running]", 0, false},
		{"goroutine 12", 0, false},
		{"goroutine x [running]", 0, false},
		{"thread 1 [running]:", 0, false},
	} {
		id, ok := gid.Parse([]byte(c.trace))
		if ok != c.ok || ok && id != c.id {
			t.Errorf("parse(%q) = %d, %v; want %d, %v", c.trace, id, ok, c.id, c.ok)
		}
	}
}

func TestAllocs(t *testing.T) {
	want := 0.0
	if gid.Current() == gid.Slow() { // Current is the fallback here
		want = 1
	}
	if n := testing.AllocsPerRun(100, func() { gid.Current() }); n > want {
		t.Errorf("Current allocates %v times, want %v", n, want)
	}
	// runtime.Stack lets its buffer escape: one small object.
	if n := testing.AllocsPerRun(100, func() { gid.Slow() }); n > 1 {
		t.Errorf("slow allocates %v times, want 1", n)
	}
}

// A stub without its declaration, or the reverse, would be found only by
// linking for that architecture.
func TestEveryArchitectureHasExactlyOne(t *testing.T) {
	names, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	tags := map[string]constraint.Expr{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		line, _, _ := strings.Cut(string(text), "\n")
		if !constraint.IsGoBuild(line) {
			continue
		}
		if tags[name], err = constraint.Parse(line); err != nil {
			t.Fatal(name, err)
		}
	}
	for _, arch := range strings.Fields("386 amd64 arm arm64 loong64 mips mipsle mips64 mips64le " +
		"ppc64 ppc64le riscv64 s390x wasm sparc64") {
		for _, gc := range []bool{true, false} {
			built := map[string]bool{}
			stubs := 0
			for name, expr := range tags {
				built[name] = expr.Eval(func(tag string) bool { return tag == arch || tag == "gc" && gc })
				if built[name] && filepath.Ext(name) == ".s" {
					stubs++
				}
			}
			want := 1
			if built["fallback.go"] {
				want = 0
			}
			if built["stub.go"] == built["fallback.go"] || stubs != want {
				t.Errorf("%s (gc %v): stub.go %v, fallback.go %v, %d assembly files",
					arch, gc, built["stub.go"], built["fallback.go"], stubs)
			}
		}
	}
}
