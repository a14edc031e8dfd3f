package archtest_test

import (
	"fmt"
	"go/ast"
	"go/doc"
	"maps"
	"slices"
	"strings"
	"testing"
)

// exempt lists the exported types that need no example, with the reason:
// "folder.Type": "why".
var exempt = map[string]string{
	"event.EventQueueStats": "a snapshot that AsyncEventQueue.Stats returns",
	"event.SignalStats":     "a snapshot that AsyncSignal.Stats returns",
	"event.WatchStats":      "a snapshot that Watch.Stats returns",
	"lock.RWStats":          "a snapshot that AsyncRWLock.Stats returns",
	"event.Stats":           "a snapshot that AsyncEvent.Stats returns",
	"lock.Stats":            "a snapshot that AsyncLock.Stats returns",
	"queue.Stats":           "a snapshot that AsyncQueue.Stats returns",
	"stream.Stats":          "a snapshot that FutureStream.Stats returns",
	"sync.BarrierStats":     "a snapshot that Barrier.Stats returns",
	"sync.CondStats":        "a snapshot that Cond.Stats returns",
	"sync.OnceStats":        "a snapshot that Once.Stats returns",
	"sync.SemaphoreStats":   "a snapshot that Semaphore.Stats returns",
	"sync.TokenBucketStats": "a snapshot that TokenBucket.Stats returns",
	"sync.WaitGroupStats":   "a snapshot that WaitGroup.Stats returns",

	"transport.EventConfig":   "the options of ServeEvents, see ExampleServeEvents",
	"transport.EventConn":     "what a handler gets, see ExampleServeEvents",
	"transport.GroupConfig":   "the options of ServeGroup, see ExampleServeGroup",
	"transport.Packet":        "what a handler gets, see ExampleServePackets",
	"transport.PacketsConfig": "the options of ServePackets, see ExampleServePackets",
	"transport.ServeConfig":   "the options of Serve, see ExampleServe",
	"transport.Spread":        "an option of ServeGroup",
	"transport.StopError":     "an error with two numbers",
}

func TestExamples(t *testing.T) { report(t, checkExamples(repository(t), exempt)) }

// checkExamples wants, for every exported type T of a public package, a function
// ExampleT or ExampleT_method whose output go test compares.
func checkExamples(tr *tree, exempt map[string]string) (problems []string) {
	unused := maps.Clone(exempt)
	packages := tr.packages()
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if !public(dir) {
			continue
		}
		var tests []*ast.File
		for _, f := range packages[dir] {
			if f.test {
				tests = append(tests, f.ast)
			}
		}
		examples := doc.Examples(tests...)
		for _, f := range packages[dir] {
			if f.test || f.ast.Name.Name == "main" {
				continue
			}
			for _, typ := range exportedTypes(f.ast) {
				key := dir + "." + typ.Name
				if _, ok := exempt[key]; ok {
					delete(unused, key)
					continue
				}
				found, compared := false, false
				for _, e := range examples {
					if e.Name == typ.Name || strings.HasPrefix(e.Name, typ.Name+"_") {
						found = true
						compared = compared || e.Output != "" || e.EmptyOutput
					}
				}
				switch {
				case !found:
					problems = append(problems, tr.at(typ, "%s has no Example%s", key, typ.Name))
				case !compared:
					problems = append(problems, tr.at(typ, "no Example%s of %s has an // Output: comment", typ.Name, key))
				}
			}
		}
	}
	for key := range unused {
		problems = append(problems, fmt.Sprintf("%s is exempt from having an example but does not exist", key))
	}
	for key, reason := range exempt {
		if reason == "" {
			problems = append(problems, fmt.Sprintf("%s is exempt from having an example without a reason", key))
		}
	}
	return problems
}

func exportedTypes(f *ast.File) (names []*ast.Ident) {
	for _, d := range f.Decls {
		if d, ok := d.(*ast.GenDecl); ok {
			for _, spec := range d.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.IsExported() {
					names = append(names, spec.Name)
				}
			}
		}
	}
	return names
}

func TestExamplesCanFail(t *testing.T) {
	exempt := map[string]string{"p.Config": "three flags"}
	rule := func(tr *tree) []string { return checkExamples(tr, exempt) }
	code := "package p\n\ntype T[V any] struct{}\n\ntype Config struct{}\n\ntype hidden int\n"
	with := func(example string) map[string]string {
		return map[string]string{"p/p.go": code, "p/p_test.go": "package p_test\n\n" + example}
	}
	refuses(t, rule,
		map[string]string{
			"p/p.go":           code + "\ntype Alias = hidden\n",
			"p/p_test.go":      "package p_test\n\nfunc ExampleT() {\n\t// Output: 1\n}\n\nfunc ExampleAlias_do() {\n\t// Output:\n}\n",
			"internal/q/q.go":  "package q\n\ntype T int\n",
			"examples/a/a.go":  "package main\n\ntype T int\n",
			"contrib/cmd/a.go": "package main\n\ntype T int\n",
		},
		[]bad{
			{"none", map[string]string{"p/p.go": code}, "p.T has no ExampleT"},
			{"another type's", with("func ExampleTx() {\n\t// Output: 1\n}\n"), "p.T has no ExampleT"},
			{"not compared", with("func ExampleT() {}\n"), "no ExampleT of p.T has an // Output: comment"},
			{"stale exemption", map[string]string{"p/p.go": "package p"}, "p.Config is exempt from having an example but does not exist"},
		})

	exempt["p.Config"] = ""
	got := rule(parse(t, with("func ExampleT() {\n\t// Output: 1\n}\n")))
	if len(got) != 1 || !strings.Contains(got[0], "without a reason") {
		t.Errorf("an exemption without a reason: got %q", got)
	}
}
