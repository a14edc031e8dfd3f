package proptest

import (
	"runtime"
	"strings"

	"go.uber.org/goleak"
)

// Leaks makes [Check] fail if goroutines that did not run when it began are there when all cases have
// ended: the cases have left them behind. Other tests must not run at the same time, since theirs would be
// taken for those. Under [Bubble] and [Goroutines] each case is checked for this by itself.
func Leaks() Option {
	return func(c *config) { c.leaks = true }
}

// watchLeaks notes the goroutines there are, and returns what fails the test if there are more at its end.
func (c *check) watchLeaks() (look func(t TB)) {
	if !c.leaks {
		return func(TB) {}
	}
	before := goleak.IgnoreCurrent()
	return func(t TB) {
		t.Helper()
		if err := goleak.Find(before); err != nil {
			t.Fatalf("proptest: the cases have left goroutines behind: %v", err)
		}
	}
}

const bubbleMark = "synctest bubble "

// bubbleID returns what stack traces call the bubble that the caller is in.
func bubbleID() string {
	var buf [128]byte
	first, _, _ := strings.Cut(string(buf[:runtime.Stack(buf[:], false)]), "]")
	_, id, _ := strings.Cut(first, bubbleMark)
	return id
}

// inBubble describes the goroutines of the bubble with that id, one a line.
func inBubble(id string) (all []string) {
	if id == "" {
		return nil
	}
	buf := make([]byte, 1<<20)
	for block := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		head, stack, _ := strings.Cut(block, "\n")
		_, state, _ := strings.Cut(head, "[")
		state, in, _ := strings.Cut(strings.TrimSuffix(state, "]:"), ", "+bubbleMark)
		if in == id {
			all = append(all, describe(state, stack))
		}
	}
	return all
}

// describe says of a goroutine in a stack trace where it waits, and where it was started.
func describe(state, stack string) string {
	lines := strings.Split(stack, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		fn, started := strings.CutPrefix(lines[i], "created by ")
		if !started {
			fn, _, _ = cutLast(fn, "(")
		}
		file := strings.TrimSpace(lines[i+1])
		if !started && ours(fn, file[:strings.LastIndexByte(file+":", ':')]) {
			continue
		}
		fn, _, _ = strings.Cut(fn, " in goroutine ")
		file, _, _ = strings.Cut(file, " +0x")
		if started {
			return "a goroutine that was started in " + fn + " (" + file + "), state " + state
		}
		return "a goroutine in " + fn + " (" + file + "), state " + state
	}
	return "a goroutine, state " + state
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
