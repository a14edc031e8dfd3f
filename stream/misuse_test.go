package stream_test

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/stream"
)

// nilArguments are calls with one nil argument each, by the function and its parameter.
func nilArguments(ctx context.Context) map[string]func() {
	type s = stream.Stream[int]
	var none s
	one := stream.FromSlice([]int{1})
	keep := func(context.Context, int) (bool, error) { return true, nil }
	double := func(_ context.Context, v int) (int, error) { return 2 * v, nil }
	flat := func(context.Context, int) (s, error) { return one, nil }
	catch := func(context.Context, error) (s, error) { return one, nil }
	add := func(_ context.Context, a, b int) (int, error) { return a + b, nil }
	var policy stream.RetryPolicy
	return map[string]func(){
		"All s":           func() { stream.All(ctx, none) },
		"Batch s":         func() { stream.Batch(none, 1, 0) },
		"Buffer s":        func() { stream.Buffer(none, 1, stream.Suspend) },
		"Catch s":         func() { stream.Catch(none, catch) },
		"Catch fn":        func() { stream.Catch(one, nil) },
		"CombineLatest a": func() { stream.CombineLatest(none, one, add) },
		"CombineLatest b": func() { stream.CombineLatest(one, none, add) },
		"CombineLatest fn": func() {
			stream.CombineLatest[int, int, int](one, one, nil)
		},
		"Concat streams":  func() { stream.Concat(one, none) },
		"Count s":         func() { _, _ = stream.Count(ctx, none) },
		"Debounce s":      func() { stream.Debounce(none, time.Second) },
		"Distinct s":      func() { stream.Distinct(none) },
		"DistinctBy s":    func() { stream.DistinctBy(none, double) },
		"DistinctBy key":  func() { stream.DistinctBy[int, int](one, nil) },
		"Filter s":        func() { stream.Filter(none, keep) },
		"Filter fn":       func() { stream.Filter(one, nil) },
		"First s":         func() { _, _, _ = stream.First(ctx, none) },
		"FlatMap s":       func() { stream.FlatMap(none, flat) },
		"FlatMap fn":      func() { stream.FlatMap[int, int](one, nil) },
		"Fold s":          func() { _, _ = stream.Fold(ctx, none, 0, add) },
		"Fold fn":         func() { _, _ = stream.Fold(ctx, one, 0, nil) },
		"ForEach s":       func() { _ = stream.ForEach(ctx, none, func(context.Context, int) error { return nil }) },
		"ForEach fn":      func() { _ = stream.ForEach(ctx, one, nil) },
		"From seq":        func() { stream.From[int](nil) },
		"FromAll all":     func() { stream.FromAll[int](nil) },
		"FromQueue q":     func() { stream.FromQueue[int](nil) },
		"FromReader r":    func() { stream.FromReader(nil, 0) },
		"Generate fn":     func() { stream.Generate[int](nil) },
		"Last s":          func() { _, _, _ = stream.Last(ctx, none) },
		"Lines open":      func() { stream.Lines(nil, 0) },
		"Map s":           func() { stream.Map(none, double) },
		"Map fn":          func() { stream.Map[int, int](one, nil) },
		"MapN s":          func() { stream.MapN(none, 1, stream.Ordered, double) },
		"MapN fn":         func() { stream.MapN[int, int](one, 1, stream.Ordered, nil) },
		"Merge ss":        func() { stream.Merge(one, none) },
		"Open s":          func() { stream.Open(ctx, none, 0) },
		"Pairwise s":      func() { stream.Pairwise(none) },
		"RateLimit s":     func() { stream.RateLimit(none, nil) },
		"RateLimit b":     func() { stream.RateLimit(one, nil) },
		"ReadAll s":       func() { _, _ = stream.ReadAll(ctx, none) },
		"ReadAllBytes s":  func() { _, _ = stream.ReadAllBytes(ctx, nil) },
		"ReadAllString s": func() { _, _ = stream.ReadAllString(ctx, nil) },
		"Retry s":         func() { stream.Retry(none, policy) },
		"RetryPolicy.Do fn": func() {
			_ = policy.Do(ctx, nil)
		},
		"Scan s":       func() { stream.Scan(none, 0, add) },
		"Scan fn":      func() { stream.Scan(one, 0, nil) },
		"Share s":      func() { stream.Share(none) },
		"Skip s":       func() { stream.Skip(none, 1) },
		"SkipWhile s":  func() { stream.SkipWhile(none, keep) },
		"SkipWhile fn": func() { stream.SkipWhile(one, nil) },
		"Take s":       func() { stream.Take(none, 1) },
		"TakeWhile s":  func() { stream.TakeWhile(none, keep) },
		"TakeWhile fn": func() { stream.TakeWhile(one, nil) },
		"Tee s":        func() { stream.Tee(none, 1) },
		"Throttle s":   func() { stream.Throttle(none, time.Second) },
		"Timeout s":    func() { stream.Timeout(none, time.Second) },
		"ToChan s":     func() { _ = stream.ToChan(ctx, none, nil) },
		"ToWriter s":   func() { _, _ = stream.ToWriter[string](ctx, nil, &bytes.Buffer{}) },
		"ToWriter w":   func() { _, _ = stream.ToWriter(ctx, stream.FromSlice([]string{"a"}), nil) },
		"Until s":      func() { stream.Until(none, ctx) },
		"Until stop":   func() { stream.Until(one, nil) },
		"Window s":     func() { stream.Window(none, 1, 1) },
		"Zip a":        func() { stream.Zip(none, one, add) },
		"Zip b":        func() { stream.Zip(one, none, add) },
		"Zip fn":       func() { stream.Zip[int, int, int](one, one, nil) },
	}
}

// A nil stream, function, queue and the like panics in the call that was given it, even if ctx is done: later, in
// a run, nobody could tell whose it was.
func TestNilArguments(t *testing.T) {
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range nilArguments(done) {
		fn, _, _ := strings.Cut(name, " ")
		text, _ := caught(call).(string)
		if !strings.HasPrefix(text, "stream: "+fn+" ") || !strings.Contains(text, " nil ") {
			t.Errorf("%s: it panics with %q", name, text)
		}
	}
	var none *stream.FutureStream[int]
	if got := caught(func() { stream.Distinct(stream.Stream[int](none)) }); got != "stream: Distinct of a nil stream" {
		t.Errorf("a nil FutureStream: it panics with %v", got)
	}
}

// The table above has every function of the package that can be given nil.
func TestNilArgumentsAreAll(t *testing.T) {
	calls := slices.Sorted(maps.Keys(nilArguments(t.Context())))
	var params []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				of, ok := fn.Recv.List[0].Type.(*ast.Ident)
				if !ok {
					continue // a FutureStream
				}
				name = of.Name + "." + name
			}
			for _, p := range fn.Type.Params.List {
				if needed(p.Type) {
					for _, n := range p.Names {
						params = append(params, name+" "+n.Name)
					}
				}
			}
		}
	}
	slices.Sort(params)
	if !slices.Equal(calls, params) {
		t.Errorf("the calls with nil are\n%q, want\n%q", calls, params)
	}
}

// needed reports whether an argument of this type may be nil, and must not be.
func needed(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ellipsis:
		return needed(e.Elt)
	case *ast.FuncType, *ast.StarExpr, *ast.InterfaceType:
		return true
	case *ast.IndexExpr: // Stream[T], iter.Seq[T]
		return true
	case *ast.SelectorExpr:
		pkg, _ := e.X.(*ast.Ident)
		return pkg != nil && pkg.Name == "io"
	}
	return false
}
