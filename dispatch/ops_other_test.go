//go:build unix && !linux

package dispatch_test

const hasAbstract = false
