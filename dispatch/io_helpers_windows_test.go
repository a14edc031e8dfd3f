package dispatch_test

import (
	"sync"
	"testing"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// startWinsock must have come before the first socket.
var startWinsock = sync.OnceValue(func() error {
	var data windows.WSAData
	return windows.WSAStartup(0x202, &data)
})

// watchNothing makes d open its poller, and watch a socket to which nothing comes.
func watchNothing(tb testing.TB, d *dispatch.Dispatcher) {
	tb.Helper()
	must(tb, startWinsock())
	s, err := windows.Socket(windows.AF_INET, windows.SOCK_DGRAM, 0)
	must(tb, err)
	tb.Cleanup(func() { windows.Closesocket(s) })
	must(tb, windows.Bind(s, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(tb, d.Register(dispatch.FD(s)))
	_, err = d.AddRead(dispatch.FD(s), func(dispatch.FDEvent) bool { return false })
	must(tb, err)
}
