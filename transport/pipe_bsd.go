//go:build dragonfly || freebsd || netbsd || openbsd || solaris

package transport

const pollsPipes = true
