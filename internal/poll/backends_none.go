//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd || solaris || windows)

package poll

var backends = []backend{{"none", openNone}}
