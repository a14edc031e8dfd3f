package proptest

import (
	"errors"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// goroutine is one of the goroutines of the process, as the runtime shows them in a trace.
type goroutine struct {
	id     uint64
	parent uint64  // the goroutine that has started it; 0: the runtime
	state  string  // such as chan receive
	frames []frame // the innermost first, without those of the runtime
	made   frame   // the statement that has started it
}

// frame is one call of a trace.
type frame struct {
	fn   string
	file string
	line int
}

func (f frame) site() *site { return &site{fn: f.fn, file: f.file, line: f.line} }

// goroutines returns all of the process. The world stands still meanwhile, so it costs some
// microseconds for each of them.
func goroutines() []goroutine { return parseStacks(allStacks()) }

// allStacks returns the trace of all goroutines.
func allStacks() string {
	buf := make([]byte, 64<<10)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			return string(buf[:n])
		}
		buf = make([]byte, 4*len(buf))
	}
}

// ownStack returns the calling goroutine.
func ownStack() goroutine {
	buf := make([]byte, 16<<10)
	g, _ := parseStack(string(buf[:runtime.Stack(buf, false)]))
	return g
}

// parseStacks reads what runtime.Stack writes. What it does not know it leaves out.
func parseStacks(text string) (all []goroutine) {
	for block := range strings.SplitSeq(text, "\n\n") {
		if g, ok := parseStack(block); ok {
			all = append(all, g)
		}
	}
	return all
}

func parseStack(block string) (g goroutine, ok bool) {
	lines := strings.Split(strings.TrimSpace(block), "\n")
	head, ok := strings.CutPrefix(lines[0], "goroutine ")
	if !ok {
		return g, false
	}
	number, rest, _ := strings.Cut(head, " ")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return g, false
	}
	g.id = id
	_, state, _ := strings.Cut(rest, "[")
	state, _, _ = strings.Cut(state, "]")
	state, _, _ = strings.Cut(state, ",")
	g.state, _, _ = strings.Cut(state, " (") // (durable), (nil chan), (no cases)
	for i := 1; i+1 < len(lines); i++ {
		if !strings.HasPrefix(lines[i+1], "\t") {
			continue
		}
		f := frame{fn: lines[i]}
		at := strings.TrimSpace(lines[i+1])
		if k := strings.LastIndex(at, " +0x"); k >= 0 {
			at = at[:k]
		}
		if k := strings.LastIndexByte(at, ':'); k >= 0 {
			f.file = at[:k]
			f.line, _ = strconv.Atoi(at[k+1:])
		}
		if by, ok := strings.CutPrefix(f.fn, "created by "); ok {
			by, in, _ := strings.Cut(by, " in goroutine ")
			f.fn = by
			g.parent, _ = strconv.ParseUint(in, 10, 64)
			g.made = f
			break
		}
		if k := strings.LastIndexByte(f.fn, '('); k > 0 {
			f.fn = f.fn[:k] // its arguments
		}
		g.frames = append(g.frames, f)
		i++
	}
	return g, true
}

// isCoroutine reports whether g was made by iter.Pull.
func (g *goroutine) isCoroutine() bool { return strings.HasPrefix(g.made.fn, "iter.Pull") }

// goroot is where the files of the standard library are; empty in a program built with -trimpath.
var goroot = func() string {
	pc := reflect.ValueOf(errors.New).Pointer()
	file, _ := runtime.FuncForPC(pc).FileLine(pc)
	return strings.TrimSuffix(file, "errors/errors.go")
}()

// mainModule is the path of the module that is tested.
var mainModule = func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	return info.Main.Path
}()

// standard reports whether f is of the standard library.
func (f frame) standard() bool {
	if goroot != "" {
		return strings.HasPrefix(f.file, goroot)
	}
	first, _, _ := strings.Cut(f.file, "/")
	return !strings.Contains(first, ".") && (mainModule == "" || !strings.HasPrefix(f.file, mainModule+"/"))
}
