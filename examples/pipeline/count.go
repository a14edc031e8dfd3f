package main

import (
	"cmp"
	"context"
	"fmt"
	"go/scanner"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// counts says how often each identifier occurs.
type counts map[string]int

// count counts the identifiers of a Go source file. Files that do not compile count as
// far as they can be told apart into words.
func count(src []byte) counts {
	c := make(counts)
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(src)), src, func(token.Position, string) {}, 0)
	for {
		_, tok, word := s.Scan()
		switch tok {
		case token.EOF:
			return c
		case token.IDENT:
			c[word]++
		}
	}
}

// add adds what is in other.
func (c counts) add(other counts) {
	for word, n := range other {
		c[word] += n
	}
}

// sum is how many identifiers there are, counting each occurrence.
func (c counts) sum() int {
	sum := 0
	for _, n := range c {
		sum += n
	}
	return sum
}

// entry is one line of the result.
type entry struct {
	word string
	n    int
}

// top returns the most frequent identifiers, those of equal frequency in alphabetical order.
func (c counts) top(n int) []entry {
	all := make([]entry, 0, len(c))
	for word, n := range c {
		all = append(all, entry{word, n})
	}
	slices.SortFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(b.n, a.n), cmp.Compare(a.word, b.word))
	})
	return all[:min(n, len(all))]
}

// total is what was counted.
type total struct {
	files  int
	bytes  int
	counts counts
}

// walk calls fn with the name of each Go source file under dir, relative to it and in a fixed
// order, and fail with what cannot be read.
func walk(dir fs.FS, fn func(name string) error, fail func(error)) error {
	return fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			fail(err)
		case path.Ext(name) == ".go" && d.Type()&^fs.ModeSymlink == 0: // no directory, no FIFO, which would block
			return fn(name)
		}
		return nil
	})
}

// compare counts everything once more, one file after the other and without turnstile, and
// reports whether the result is the same.
func compare(ctx context.Context, dir fs.FS, got total, stdout io.Writer) bool {
	want := total{counts: make(counts)}
	err := walk(dir, func(name string) error {
		src, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil // it was reported before
		}
		want.files++
		want.bytes += len(src)
		want.counts.add(count(src))
		return ctx.Err()
	}, func(error) {})
	switch {
	case err != nil:
		fmt.Fprintln(stdout, "check:", err)
	case want.files == 0:
		fmt.Fprintln(stdout, "check: there are no Go files")
	case want.files != got.files || want.bytes != got.bytes:
		fmt.Fprintf(stdout, "check: different: %d files with %d bytes, counted sequentially %d with %d\n",
			got.files, got.bytes, want.files, want.bytes)
	case !maps.Equal(want.counts, got.counts):
		fmt.Fprintf(stdout, "check: different: %d identifiers, counted sequentially %d\n", got.counts.sum(), want.counts.sum())
	default:
		fmt.Fprintf(stdout, "check: identical to a sequential count: %d files, %d bytes, %d identifiers, %d of them different\n",
			want.files, want.bytes, want.counts.sum(), len(want.counts))
		return true
	}
	return false
}
