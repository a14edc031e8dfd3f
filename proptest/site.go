package proptest

import (
	"fmt"
	"path"
	"runtime"
	"strings"
)

// site is where a call of the module was made: by which function, and from where.
type site struct {
	call string // such as lock.AsyncLock.Acquire; empty if there is none
	fn   string // the function that has made it
	file string
	line int
}

func (s *site) String() string {
	if s == nil {
		return "an unknown place"
	}
	if s.file == "" {
		return s.call
	}
	at := fmt.Sprintf("%s:%d", path.Base(s.file), s.line)
	if s.call == "" {
		return at
	}
	return s.call + " at " + at
}

// module is the path of this module.
const module = "github.com/seed-1e54c410/turnstile/"

// api are the packages whose functions are calls of the module, not code under test.
var api = map[string]bool{
	"core": true, "dispatch": true, "event": true, "internal/park": true, "internal/seam": true, "lock": true,
	"proptest": true, "queue": true, "stream": true, "sync": true, "transport": true,
}

// ours reports whether a function belongs to the module, or is one that runs below it.
func ours(fn, file string) bool {
	if strings.HasPrefix(fn, "runtime.") || strings.HasPrefix(fn, "iter.") || strings.HasPrefix(fn, "testing.") ||
		strings.HasPrefix(fn, "pgregory.net/rapid.") {
		return true
	}
	in, ok := strings.CutPrefix(fn, module)
	if !ok || strings.HasSuffix(file, "_test.go") {
		return false
	}
	return api[packageOf(in)]
}

// packageOf returns the package path in the name of a function.
func packageOf(fn string) string {
	slash := strings.LastIndexByte(fn, '/') + 1
	if b := strings.IndexByte(fn, '['); b >= 0 && b < slash {
		slash = strings.LastIndexByte(fn[:b], '/') + 1 // a type argument has a path, too
	}
	dot := strings.IndexByte(fn[slash:], '.')
	if dot < 0 {
		return fn
	}
	return fn[:slash+dot]
}

// callSite finds the call of the module in which the calling goroutine is, and the code that has made it.
func callSite() *site {
	var pcs [64]uintptr
	s, _ := siteOf(pcs[:runtime.Callers(2, pcs[:])])
	return s
}

// siteOf also returns the outermost call of the module, for the case that nobody has made it.
func siteOf(pcs []uintptr) (_ *site, outermost string) {
	frames := runtime.CallersFrames(pcs)
	call := ""
	for {
		f, more := frames.Next()
		if f.Function == "" {
			return nil, call
		}
		if !ours(f.Function, f.File) {
			return &site{call: call, fn: f.Function, file: f.File, line: f.Line}, call
		}
		if f.Function == "runtime.gopanic" || f.Function == "runtime.Goexit" {
			call = "" // what runs since then only looks after it
		}
		if in, ok := strings.CutPrefix(f.Function, module); ok {
			call = apiName(in)
		}
		if !more {
			return nil, call
		}
	}
}

// goexitSite returns where runtime.Goexit was called that has brought the calling function about, as a deferred
// one; nil if it was not.
func goexitSite() *site {
	var pcs [64]uintptr
	pc := pcs[:runtime.Callers(2, pcs[:])]
	frames := runtime.CallersFrames(pc)
	for {
		f, more := frames.Next()
		switch f.Function {
		case "runtime.gopanic":
			return nil
		case "runtime.Goexit":
			if s, _ := siteOf(pc); s != nil {
				return s
			}
			return &site{call: "an unknown place"}
		}
		if !more {
			return nil
		}
	}
}
