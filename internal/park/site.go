package park

import (
	"fmt"
	"runtime"
	"strings"
)

// module is what the names of all functions of this module begin with.
const module = "github.com/seed-1e54c410/turnstile/"

// site is [Site] of whoever has called its caller.
func site() (call, place string) {
	var stack [32]uintptr
	return Site(stack[:runtime.Callers(3, stack[:])])
}

// Site tells in which call of this module a stack of runtime.Callers is, the outermost below a function that is
// not of this module, and where that makes it. In a task that consists of nothing but the call there
// is no such place: then it is the outermost above the functions of package core that run the task.
func Site(stack []uintptr) (call, place string) {
	frames := runtime.CallersFrames(stack)
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		within, ours := strings.CutPrefix(f.Function, module)
		pkg, _, _ := strings.Cut(within, ".")
		if !ours || strings.HasSuffix(pkg, "_test") {
			return call, fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
		if pkg == "core" && call != "" && !strings.HasPrefix(call, "core.") {
			break
		}
		if !strings.HasPrefix(pkg, "internal/") {
			call = within[strings.LastIndexByte(within, '/')+1:]
		}
	}
	return call, ""
}
