package archtest_test

import (
	"go/ast"
	"go/doc/comment"
	"strings"
	"testing"
)

func TestDocLists(t *testing.T) { report(t, checkDocLists(repository(t))) }

// checkDocLists refuses a list in a doc comment that go doc takes for code: one that follows a block of
// code with nothing in between belongs to it, and its links are shown as they are written.
func checkDocLists(tr *tree) (problems []string) {
	var parser comment.Parser
	for _, f := range tr.files {
		if f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			group, ok := n.(*ast.CommentGroup)
			if !ok {
				return true
			}
			for _, block := range parser.Parse(group.Text()).Content {
				code, ok := block.(*comment.Code)
				if !ok {
					continue
				}
				for line := range strings.Lines(code.Text) {
					if line = strings.TrimSpace(line); strings.HasPrefix(line, "- ") {
						problems = append(problems, tr.at(group, "go doc takes this for code: %s", line))
					}
				}
			}
			return true
		})
	}
	return problems
}

func TestDocListsCanFail(t *testing.T) {
	refuses(t, checkDocLists,
		map[string]string{"p/p.go": "// Package p does:\n//\n//\tp.F()\n//\n// It has\n//\n//   - F,\n//   - G.\npackage p\n"},
		[]bad{
			{"list behind code", map[string]string{
				"p/p.go": "// Package p does:\n//\n//\t\tp.F()\n//\n//\t  - F.\npackage p\n",
			}, "go doc takes this for code: - F."},
		})
}
