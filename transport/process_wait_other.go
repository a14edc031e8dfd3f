//go:build !linux

package transport

// sysAwaitExit reports false: package syscall has no call here that waits for a child and leaves it.
func sysAwaitExit(int) bool { return false }
