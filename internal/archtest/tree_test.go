package archtest_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

const module = "github.com/seed-1e54c410/turnstile"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A file is one Go file, whatever platform its build tags ask for.
type file struct {
	path   string // from the module's root, with slashes
	dir    string // its folder, "." for the root
	test   bool
	nested bool // belongs to a module below the root
	src    string
	ast    *ast.File
}

// A tree is what every rule looks at.
type tree struct {
	fset  *token.FileSet
	files []*file
}

// root returns the folder of the module's go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// repository parses every Go file below the root, but for the folders that the
// go command does not look into.
func repository(t *testing.T) *tree {
	t.Helper()
	top := os.DirFS(root(t))
	sources, nested := map[string]string{}, []string{}
	err := fs.WalkDir(top, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() {
			if name != "." && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if base == "go.mod" && name != "go.mod" {
			nested = append(nested, path.Dir(name))
		}
		if path.Ext(base) == ".go" && !strings.HasPrefix(base, ".") && !strings.HasPrefix(base, "_") {
			src, err := fs.ReadFile(top, name)
			if err != nil {
				return err
			}
			sources[name] = string(src)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, sources, nested...)
}

// parse makes a tree of sources by path.
func parse(t *testing.T, sources map[string]string, nested ...string) *tree {
	t.Helper()
	tr := &tree{fset: token.NewFileSet()}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		parsed, err := parser.ParseFile(tr.fset, name, sources[name], parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		tr.files = append(tr.files, &file{
			path: name,
			dir:  path.Dir(name),
			test: strings.HasSuffix(name, "_test.go"),
			nested: slices.ContainsFunc(nested, func(dir string) bool {
				return strings.HasPrefix(name, dir+"/")
			}),
			src: sources[name],
			ast: parsed,
		})
	}
	return tr
}

// at prefixes a problem with its place.
func (tr *tree) at(n ast.Node, format string, args ...any) string {
	p := tr.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d: %s", p.Filename, p.Line, fmt.Sprintf(format, args...))
}

// packages returns the root module's files by folder, tests among them.
func (tr *tree) packages() map[string][]*file {
	byDir := map[string][]*file{}
	for _, f := range tr.files {
		if !f.nested {
			byDir[f.dir] = append(byDir[f.dir], f)
		}
	}
	return byDir
}

// public tells whether users can import the package in dir for its identifiers.
func public(dir string) bool {
	return !strings.HasPrefix(dir+"/", "internal/") && !strings.Contains(dir+"/", "/internal/") &&
		!strings.HasPrefix(dir+"/", "examples/")
}

// refers returns the test that an expression is a name of the package imported
// under path, however the file calls it.
func (f *file) refers(path string) func(e ast.Expr, names ...string) bool {
	local := ""
	for _, spec := range f.ast.Imports {
		if strings.Trim(spec.Path.Value, `"`) == path {
			local = path[strings.LastIndex(path, "/")+1:]
			if spec.Name != nil {
				local = spec.Name.Name
			}
		}
	}
	return func(e ast.Expr, names ...string) bool {
		sel, ok := e.(*ast.SelectorExpr)
		if !ok || local == "" {
			return false
		}
		pkg, ok := sel.X.(*ast.Ident)
		return ok && pkg.Name == local && slices.Contains(names, sel.Sel.Name)
	}
}

// report fails the test with each of the problems a rule has found.
func report(t *testing.T, problems []string) {
	t.Helper()
	for _, p := range problems {
		t.Error(p)
	}
}

// A bad tree is one that a rule must refuse, with a problem that contains want.
type bad struct {
	name    string
	sources map[string]string
	want    string
}

// refuses shows that a rule can fail: it finds nothing in the good tree and, in
// each bad one, the one problem that is in it.
func refuses(t *testing.T, rule func(*tree) []string, good map[string]string, bads []bad) {
	t.Helper()
	t.Run("good", func(t *testing.T) { report(t, rule(parse(t, good))) })
	for _, b := range bads {
		t.Run(b.name, func(t *testing.T) {
			got := rule(parse(t, b.sources))
			if len(got) != 1 || !strings.Contains(got[0], b.want) {
				t.Errorf("got %q, want one problem with %q", got, b.want)
			}
		})
	}
}
