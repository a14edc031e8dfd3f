//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package transport

// sysBroken returns nil: this system tells only who reads or writes.
func sysBroken(int) error { return nil }
