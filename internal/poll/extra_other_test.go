//go:build darwin || dragonfly || freebsd || netbsd || openbsd || solaris

package poll_test

const tellsHalfClose = false

func extraVariants() []variant { return nil }
