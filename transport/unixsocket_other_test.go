//go:build !linux

package transport_test

const (
	sharesOut     = false // SO_REUSEPORT may give one socket all connections
	waitsWhenFull = false // a Unix socket without room refuses
)
