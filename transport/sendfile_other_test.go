//go:build !linux

package transport_test

const sendsFiles = false
