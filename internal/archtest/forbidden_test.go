package archtest_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
)

// maxLines is the length above which a file needs an entry in long.
const maxLines = 500

// long lists the files that are longer, with the reason: "path": "why".
var long = map[string]string{}

// note finds what one writes to remember something, in code and comments.
var note = regexp.MustCompile(`\b(` + "TO" + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)

// sleepers lists the tests that may sleep outside a function literal of synctest.Test, with the reason.
var sleepers = map[string]string{
	"proptest/blocked_test.go":    "that a task sleeps is what is tested",
	"proptest/bubble_test.go":     "the bodies run in bubbles that proptest makes",
	"proptest/goroutines_test.go": "the bodies run in bubbles that proptest makes",
}

func TestLength(t *testing.T)         { report(t, checkLength(repository(t), long)) }
func TestNotes(t *testing.T)          { report(t, checkNotes(repository(t))) }
func TestGlobalChannels(t *testing.T) { report(t, checkGlobals(repository(t))) }
func TestSleeps(t *testing.T)         { report(t, checkSleeps(repository(t), sleepers)) }

func checkLength(tr *tree, long map[string]string) (problems []string) {
	needed := map[string]bool{}
	for _, f := range tr.files {
		lines := strings.Count(f.src, "\n")
		if lines <= maxLines {
			continue
		}
		needed[f.path] = true
		if long[f.path] == "" {
			problems = append(problems, fmt.Sprintf("%s: %d lines, more than %d without a reason", f.path, lines, maxLines))
		}
	}
	for name := range long {
		if !needed[name] {
			problems = append(problems, fmt.Sprintf("%s: has a reason to be long but is not", name))
		}
	}
	return problems
}

func checkNotes(tr *tree) (problems []string) {
	for _, f := range tr.files {
		for i, line := range strings.Split(f.src, "\n") {
			if f.test { // a test may ask what becomes of such a context
				line = strings.ReplaceAll(line, "context.TO"+"DO()", "")
			}
			if word := note.FindString(line); word != "" {
				problems = append(problems, fmt.Sprintf("%s:%d: %s: open an issue instead", f.path, i+1, word))
			}
		}
	}
	return problems
}

// checkGlobals refuses package-level variables that hold a channel or a timer:
// one that is made outside a testing/synctest bubble must not be used in it. It
// reads what is written in the declaration: a channel in a field of a named type
// is not found.
func checkGlobals(tr *tree) (problems []string) {
	makers := map[string]bool{} // "folder.function" that returns one
	for _, f := range tr.files {
		for _, d := range f.ast.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Recv == nil && d.Type.Results != nil {
				if what := f.holds(d.Type.Results, nil); what != "" {
					makers[f.dir+"."+d.Name.Name] = true
				}
			}
		}
	}
	for _, f := range tr.files {
		for _, d := range f.ast.Decls {
			d, ok := d.(*ast.GenDecl)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for _, spec := range d.Specs {
				if what := f.holds(spec, makers); what != "" {
					name := spec.(*ast.ValueSpec).Names[0].Name
					problems = append(problems, tr.at(spec, "package-level %s holds a %s", name, what))
				}
			}
		}
	}
	return problems
}

// holds returns what of the two kinds a declaration holds, "" for neither.
func (f *file) holds(n ast.Node, makers map[string]bool) (what string) {
	isTime := f.refers("time")
	isSync := f.refers("sync")
	inPool := false
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ChanType:
			what = "channel"
		case *ast.SelectorExpr:
			if isTime(n, "Timer", "Ticker") {
				what = "timer"
			}
		case *ast.CompositeLit:
			inPool = inPool || isSync(n.Type, "Pool")
		case *ast.CallExpr:
			if isTime(n.Fun, "NewTimer", "NewTicker", "After", "AfterFunc", "Tick") {
				what = "timer"
			}
			switch fun := n.Fun.(type) {
			case *ast.Ident:
				if makers[f.dir+"."+fun.Name] {
					what = "channel or timer"
				}
			case *ast.FuncLit:
				if fun.Type.Results != nil {
					what = f.holds(fun.Type.Results, makers)
				}
			}
		case *ast.FuncLit:
			return inPool // what a function makes when called is not held, but a pool's is
		case *ast.FuncType:
			return false
		}
		return what == ""
	})
	return what
}

// checkSleeps refuses time.Sleep in tests, outside the function literals given to
// synctest.Test, where it does not wait for the wall clock but moves the bubble's.
func checkSleeps(tr *tree, sleepers map[string]string) (problems []string) {
	for _, f := range tr.files {
		if !f.test || sleepers[f.path] != "" {
			continue
		}
		isTime, isSynctest := f.refers("time"), f.refers("testing/synctest")
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				return !isSynctest(n.Fun, "Test")
			case *ast.SelectorExpr:
				if isTime(n, "Sleep") {
					problems = append(problems, tr.at(n, "time.Sleep in a test: use a testing/synctest bubble or virtual time"))
				}
			}
			return true
		})
	}
	return problems
}

func TestLengthCanFail(t *testing.T) {
	of := func(lines int) string { return "package p\n" + strings.Repeat("\n", lines-1) }
	rule := func(tr *tree) []string { return checkLength(tr, map[string]string{"p/long.go": "a table"}) }
	refuses(t, rule,
		map[string]string{"p/p.go": of(500), "p/long.go": of(501)},
		[]bad{
			{"long", map[string]string{"p/p.go": of(501), "p/long.go": of(501)}, "p/p.go: 501 lines"},
			{"stale reason", map[string]string{"p/long.go": of(500)}, "p/long.go: has a reason to be long but is not"},
		})
}

func TestNotesCanFail(t *testing.T) {
	refuses(t, checkNotes,
		map[string]string{"p/p.go": "package p\n\n// A hack that is todo, XXXL.\n"},
		[]bad{
			{"to do", map[string]string{"p/p.go": "package p\n\n// TO" + "DO: more.\n"}, "p/p.go:3: TO"},
			{"fix", map[string]string{"p/p_test.go": "package p\n\n/* FIX" + "ME */\n"}, "FIX"},
			{"context", map[string]string{"p/p.go": "package p\n\nvar c = context.TO" + "DO()\n"}, "p.go:3"},
		})
}

func TestGlobalChannelsCanFail(t *testing.T) {
	p := func(body string) map[string]string {
		return map[string]string{"p/p.go": "package p\n\nimport (\n\t\"sync\"\n\t\"time\"\n)\n\n" + body + "\n"}
	}
	refuses(t, checkGlobals,
		p(`var start = time.Now()
var hook func(chan int)
var f = func() { _ = make(chan int) }
var bufs = sync.Pool{New: func() any { return new([64]byte) }}
var now, after = time.Now, time.After
type t struct { c chan int }
func g() { var c chan int; _ = c }
func h() chan int { return nil }
var i = h
`),
		[]bad{
			{"typed", p("var c chan int"), "c holds a channel"},
			{"made", p("var c = make(chan int)"), "c holds a channel"},
			{"receive only", p("var c <-chan int"), "c holds a channel"},
			{"map", p("var c map[string]chan int"), "c holds a channel"},
			{"struct", p("var c struct{ done chan int }"), "c holds a channel"},
			{"called literal", p("var c = func() chan int { return nil }()"), "c holds a channel"},
			{"maker", p("func m() chan int { return nil }\nvar c = m()"), "c holds a channel or timer"},
			{"pool", p("var c = sync.Pool{New: func() any { return make(chan int) }}"), "c holds a channel"},
			{"pointer to a pool", p("var c = &sync.Pool{New: func() any { return time.NewTimer(0) }}"), "c holds a timer"},
			{"timer", p("var c *time.Timer"), "c holds a timer"},
			{"new timer", p("var c = time.NewTimer(1)"), "c holds a timer"},
			{"ticker", p("var c = time.NewTicker(1)"), "c holds a timer"},
			{"after", p("var c = time.After(1)"), "c holds a timer"},
			{"group", p("var (\n\ta int\n\tc chan int\n)"), "c holds a channel"},
			{"alias", map[string]string{"p/p_test.go": "package p\n\nimport clock \"time\"\n\nvar c clock.Ticker\n"}, "c holds a timer"},
		})
}

func TestSleepsCanFail(t *testing.T) {
	test := func(body string) map[string]string {
		return map[string]string{"p/p_test.go": "package p\n\nimport (\n\t\"testing\"\n\t\"testing/synctest\"\n\t\"time\"\n)\n\nfunc TestX(t *testing.T) {\n" + body + "\n}\n"}
	}
	refuses(t, func(tr *tree) []string { return checkSleeps(tr, map[string]string{"p/may_test.go": "it may"}) },
		map[string]string{
			"p/p.go":      "package p\n\nimport \"time\"\n\nfunc f() { time.Sleep(1) }\n",
			"p/p_test.go": test("synctest.Test(t, func(t *testing.T) { time.Sleep(1) })\nother.Sleep(1)")["p/p_test.go"],
		},
		[]bad{
			{"plain", test("time.Sleep(1)"), "p/p_test.go:10: time.Sleep in a test"},
			{"beside a bubble", test("synctest.Test(t, func(t *testing.T) {})\ntime.Sleep(1)"), "p/p_test.go:11: time.Sleep"},
			{"as a value", test("wait := time.Sleep\nwait(1)"), "time.Sleep in a test"},
			{"renamed", map[string]string{"p/p_test.go": "package p\n\nimport clock \"time\"\n\nfunc f() { clock.Sleep(1) }\n"}, "time.Sleep in a test"},
		})
}
