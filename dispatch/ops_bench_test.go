//go:build unix

package dispatch_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// BenchmarkOpsEcho sends 64 bytes over a loopback connection and back, both ends in one dispatcher: by
// operations, or by watches whose callbacks make the system calls.
func BenchmarkOpsEcho(b *testing.B) {
	const size = 64
	for _, backend := range poll.Backends() {
		cfg := dispatch.Config{Backend: backend}
		b.Run("backend="+backend+"/impl=ops", func(b *testing.B) {
			n, d := newNetwork(b), open(b, cfg)
			x, y := n.pair()
			register(b, d, x, y)
			rounds := 0
			var recvX, sendX, recvY, sendY *dispatch.Op
			bufX, bufY := make([]byte, size), make([]byte, size)
			nothing := func(*dispatch.Op) {}
			sendX, sendY = d.NewOp(nothing), d.NewOp(nothing)
			recvX = d.NewOp(func(o *dispatch.Op) {
				if rounds++; rounds < b.N {
					must(b, sendX.Send(x, bufX[:o.N()]))
					must(b, recvX.Recv(x, bufX))
				}
			})
			recvY = d.NewOp(func(o *dispatch.Op) {
				if o.Err() == nil {
					must(b, sendY.Send(y, bufY[:o.N()]))
					must(b, recvY.Recv(y, bufY))
				}
			})
			must(b, recvX.Recv(x, bufX))
			must(b, recvY.Recv(y, bufY))
			b.ReportAllocs()
			b.ResetTimer()
			must(b, sendX.Send(x, make([]byte, size)))
			for rounds < b.N {
				_, err := d.Poll(-1)
				must(b, err)
			}
			b.StopTimer()
			must(b, d.Unregister(y)) // ends what is still to be received
			settle(b, d)
		})
		b.Run("backend="+backend+"/impl=watches", func(b *testing.B) {
			n, d := newNetwork(b), open(b, cfg)
			x, y := n.pair()
			register(b, d, x, y)
			rounds := 0
			buf := make([]byte, size)
			echo := func(fd dispatch.FD) {
				got, err := unix.Read(int(fd), buf)
				must(b, err)
				_, err = unix.Write(int(fd), buf[:got])
				must(b, err)
			}
			addRead(b, d, x, func(e dispatch.FDEvent) bool {
				if rounds++; e.Err == nil && rounds < b.N {
					echo(x)
				}
				return false
			})
			addRead(b, d, y, func(e dispatch.FDEvent) bool {
				if e.Err == nil {
					echo(y)
				}
				return false
			})
			b.ReportAllocs()
			b.ResetTimer()
			n.sysSend(x, buf)
			for rounds < b.N {
				_, err := d.Poll(-1)
				must(b, err)
			}
		})
	}
}
