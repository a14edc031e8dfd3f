//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris)

package poll

var backends []backend
