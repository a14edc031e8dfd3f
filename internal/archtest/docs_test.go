package archtest_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
	"unicode"
)

// shown lists the internal packages whose identifiers users meet all the same,
// under an alias in a public one.
var shown = map[string]bool{"internal/park": true}

func TestDocs(t *testing.T) { report(t, checkDocs(repository(t))) }

// checkDocs wants a comment at every package and, in those whose identifiers users
// see, at every exported one.
func checkDocs(tr *tree) (problems []string) {
	packaged := map[string]bool{}
	var first []*file // the first file of each package
	for _, f := range tr.files {
		if f.test {
			continue
		}
		if _, seen := packaged[f.dir]; !seen {
			packaged[f.dir] = false
			first = append(first, f)
		}
		if text := f.ast.Doc.Text(); text != "" {
			packaged[f.dir] = true
			if name := f.ast.Name.Name; name != "main" && !starts(text, "Package "+name) {
				problems = append(problems, tr.at(f.ast.Name, "the package comment must start with %q", "Package "+name))
			}
		}
		if f.ast.Name.Name == "main" || !public(f.dir) && !shown[f.dir] {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
					problems = append(problems, tr.wantDoc(d.Name, d.Doc, d.Name.Name)...)
				}
			case *ast.GenDecl:
				problems = append(problems, tr.checkDecl(d)...)
			}
		}
	}
	for _, f := range first {
		if !packaged[f.dir] {
			problems = append(problems, tr.at(f.ast.Name, "package %s has no package comment", f.dir))
		}
	}
	return problems
}

func (tr *tree) checkDecl(d *ast.GenDecl) (problems []string) {
	for _, spec := range d.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if !spec.Name.IsExported() {
				continue
			}
			doc := spec.Doc
			if doc == nil && !d.Lparen.IsValid() {
				doc = d.Doc
			}
			name := spec.Name.Name
			if !d.Lparen.IsValid() || doc != nil || d.Doc == nil {
				problems = append(problems, tr.wantDoc(spec.Name, doc, name, "A "+name, "An "+name, "The "+name)...)
			}
			switch typ := spec.Type.(type) {
			case *ast.StructType:
				problems = append(problems, tr.checkFields(name, typ.Fields)...)
			case *ast.InterfaceType:
				problems = append(problems, tr.checkFields(name, typ.Methods)...)
			}
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				if !name.IsExported() {
					continue
				}
				if d.Lparen.IsValid() {
					if d.Doc.Text() == "" && spec.Doc.Text() == "" && spec.Comment.Text() == "" {
						problems = append(problems, tr.at(name, "%s %s has no comment, nor has its group", d.Tok, name.Name))
					}
					continue
				}
				problems = append(problems, tr.wantDoc(name, d.Doc, spec.Names[0].Name, name.Name)...)
			}
		}
	}
	return problems
}

// checkFields wants a comment above, beside, or above the run of lines to which
// the field or method belongs.
func (tr *tree) checkFields(owner string, fields *ast.FieldList) (problems []string) {
	line := func(p token.Pos) int { return tr.fset.Position(p).Line }
	inGroup, last := false, 0
	for _, field := range fields.List {
		switch {
		case field.Doc.Text() != "":
			inGroup = true
		case line(field.Pos()) != last+1:
			inGroup = false
		}
		last = line(field.End())
		if inGroup || field.Comment.Text() != "" {
			continue
		}
		for _, name := range field.Names {
			if name.IsExported() {
				problems = append(problems, tr.at(name, "%s.%s has no comment", owner, name.Name))
			}
		}
	}
	return problems
}

// wantDoc wants a comment that starts with one of the words.
func (tr *tree) wantDoc(name *ast.Ident, doc *ast.CommentGroup, words ...string) []string {
	text := doc.Text()
	if text == "" {
		return []string{tr.at(name, "%s has no comment", name.Name)}
	}
	for _, w := range words {
		if starts(text, w) {
			return nil
		}
	}
	return []string{tr.at(name, "the comment of %s must start with %q", name.Name, words[0])}
}

func starts(text, word string) bool {
	rest, ok := strings.CutPrefix(text, word)
	if !ok {
		return false
	}
	for _, r := range rest {
		return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return true
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.ParenExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

func TestDocsCanFail(t *testing.T) {
	p := func(body string) map[string]string {
		return map[string]string{"p/p.go": "// Package p does.\npackage p\n\n" + body + "\n"}
	}
	refuses(t, checkDocs,
		map[string]string{
			"p/p.go": `// Package p does.
package p

// Errors of p.
var (
	ErrA = f()
	ErrB = f()
)

const (
	C = 1 // one
	// D is two.
	D = 2
	e = 3
)

// Max is the limit.
const Max = 3

// A Set is a set.
type Set[T any] struct {
	// N counts.
	N int
	// Read and Write say what is wanted.
	Read  bool
	Write bool

	X int // x
	y int
}

// Len returns the length.
func (s *Set[T]) Len() int { return 0 }

// Waiter waits.
type Waiter interface {
	error
	Wait() // waits
}

type hidden struct{ X int }

func (hidden) Do() {}
func f() error     { return nil }
`,
			"p/other.go":      "package p\n",
			"internal/q/q.go": "// Package q does.\npackage q\n\nfunc F() {}\n",
			"p/p_test.go":     "package p_test\n\nfunc Undocumented() {}\n",
			"examples/a/a.go": "// A is a program.\npackage main\n\nfunc Main() {}\n",
		},
		[]bad{
			{"package", map[string]string{"p/p.go": "package p"}, "package p has no package comment"},
			{"program", map[string]string{"examples/a/a.go": "package main"}, "package examples/a has no package comment"},
			{"package name", map[string]string{"p/p.go": "// It does.\npackage p"}, `must start with "Package p"`},
			{"internal", map[string]string{"internal/q/q.go": "package q"}, "package internal/q has no package comment"},
			{"shown", map[string]string{"internal/park/q.go": "// Package q does.\npackage q\n\nfunc F() {}\n"}, "F has no comment"},
			{"func", p("func F() {}"), "F has no comment"},
			{"directive", p("//go:noinline\nfunc F() {}"), "F has no comment"},
			{"func name", p("// Does f.\nfunc F() {}"), `F must start with "F"`},
			{"longer name", p("// Fx does.\nfunc F() {}"), `F must start with "F"`},
			{"type", p("type T int"), "T has no comment"},
			{"type in a group", p("type (\n\tT int\n)"), "T has no comment"},
			{"type name", p("// This is T.\ntype T int"), `T must start with "T"`},
			{"method", p("type t struct{}\n// T is.\ntype T struct{}\nfunc (t) A() {}\nfunc (*T) B() {}"), "B has no comment"},
			{"generic method", p("// T is.\ntype T[A, B any] struct{}\nfunc (*T[A, B]) C() {}"), "C has no comment"},
			{"const", p("const C = 1"), "C has no comment"},
			{"const in a group", p("const (\n\tC = 1 // one\n\tD = 2\n)"), "const D has no comment"},
			{"var", p("var V, w = 1, 2"), "V has no comment"},
			{"var name", p("// It is.\nvar V int"), `V must start with "V"`},
			{"field", p("// T is.\ntype T struct {\n\t// A is.\n\tA int\n\n\tB int\n}"), "T.B has no comment"},
			{"interface", p("// T is.\ntype T interface {\n\tM()\n}"), "T.M has no comment"},
		})
}
