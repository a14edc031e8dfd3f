package gid_test

import (
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/gid"
)

var sink uintptr

func BenchmarkCurrent(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink = gid.Current()
	}
}

func BenchmarkSlow(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		sink = gid.Slow()
	}
}
