//go:build !windows

package core_test

// firstStack is the size in bytes of the stack that a goroutine begins with.
const firstStack = 2 << 10
