package proptest_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/lock"
	"github.com/seed-1e54c410/turnstile/proptest"
)

// FuzzLock puts a lock to bytes that the fuzzer finds.
func FuzzLock(f *testing.F) {
	for n := range 4 {
		f.Add(binary.LittleEndian.AppendUint64(make([]byte, 64), uint64(n)))
	}
	f.Fuzz(proptest.MakeFuzz(func(p *proptest.P) {
		var l lock.AsyncLock
		inside := 0
		for i := range p.IntRange(1, 4, "tasks") {
			p.Go(fmt.Sprint("w", i), func(ctx context.Context) error {
				return l.Do(ctx, func(ctx context.Context) error {
					inside++
					defer func() { inside-- }()
					return core.Yield(ctx)
				})
			})
		}
		p.Always("one at a time", func() bool { return inside <= 1 })
		p.Finally("the lock is free", func() bool { return !l.Locked() })
	}, proptest.Cancels(3)))
}

// A fuzz target fails with the report of Check.
func TestMakeFuzz(t *testing.T) {
	out, here := otherProcess(t)
	target := proptest.MakeFuzz(func(p *proptest.P) {
		p.Go("w", func(context.Context) error { return errors.New("no luck") })
	})
	if !here {
		target(t, make([]byte, 1<<10))
		return
	}
	wants(t, out, "task w returned an error: no luck", `Replay("")`)
}

// What is too short is skipped.
func TestMakeFuzzSkips(t *testing.T) {
	ok := t.Run("short", func(t *testing.T) {
		defer func() {
			if !t.Skipped() {
				t.Error("not skipped")
			}
		}()
		proptest.MakeFuzz(func(p *proptest.P) { p.IntRange(1, 4, "tasks") })(t, nil)
	})
	if !ok {
		t.Error("failed")
	}
}
