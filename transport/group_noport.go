//go:build !(linux || freebsd || dragonfly)

package transport

// sharesPort: one of the sockets of an address may get everything, if there can be several at all.
const sharesPort = false
