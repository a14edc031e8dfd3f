//go:build unix || windows

package transport_test

import "testing"

// needsSockets skips a test where there are no sockets.
func needsSockets(testing.TB) {}
