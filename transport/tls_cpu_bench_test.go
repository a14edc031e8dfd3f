//go:build linux

package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

func init() {
	cert := func(cfg *tls.Config) string {
		return base64.StdEncoding.EncodeToString(cfg.Certificates[0].Certificate[0])
	}
	children["tlsecho/impl=turnstile"] = func() {
		scfg, _ := tlsConfigs()
		err := core.Run(context.Background(), func(ctx context.Context) error {
			l, err := transport.ListenTLS(ctx, "tcp", "127.0.0.1:0", scfg)
			if err != nil {
				return err
			}
			fmt.Println(l.Addr(), cert(scfg))
			core.Spawn(ctx, func(ctx context.Context) error {
				for {
					c, err := l.AcceptConn(ctx)
					if err != nil {
						return err
					}
					core.Spawn(ctx, func(context.Context) error { return echo(c, 4096) })
				}
			})
			return untilParentCloses(ctx)
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	children["tlsecho/impl=net"] = func() {
		scfg, _ := tlsConfigs()
		l, err := tls.Listen("tcp", "127.0.0.1:0", scfg)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(l.Addr(), cert(scfg))
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					log.Fatal(err)
				}
				go func() { _ = echo(c, 4096) }()
			}
		}()
		_ = untilParentCloses(context.Background())
	}
}

// BenchmarkTLSServer has a server in a process of its own, as BenchmarkEchoPinned, and a client of crypto/tls. What
// counts is the CPU time of the server: the client is the slower one.
func BenchmarkTLSServer(b *testing.B) {
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		b.Fatal(err)
	}
	if cpus.Count() < 2 {
		b.Skip("the system gives this process one CPU only")
	}
	const conns, warm = 100, 20
	for _, impl := range []string{"impl=turnstile", "impl=net"} {
		b.Run(impl, func(b *testing.B) {
			cmd := check.Self(b.Context())
			cmd.Env = append(os.Environ(), childEnv+"=tlsecho/"+impl, "GOMAXPROCS=1")
			cmd.Stderr = os.Stderr
			stdin, err1 := cmd.StdinPipe()
			stdout, err2 := cmd.StdoutPipe()
			if err := cmd.Start(); err != nil || err1 != nil || err2 != nil {
				b.Fatal(err, err1, err2)
			}
			first, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			addr, cert, _ := strings.Cut(strings.TrimSpace(first), " ")
			der, err := base64.StdEncoding.DecodeString(cert)
			if err != nil {
				b.Fatal(err)
			}
			parsed, err := x509.ParseCertificate(der)
			if err != nil {
				b.Fatal(err)
			}
			pool := x509.NewCertPool()
			pool.AddCert(parsed)
			var all []*tls.Conn
			for range conns {
				c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "host.example"})
				if err != nil {
					b.Fatal(err)
				}
				defer c.Close()
				all = append(all, c)
			}
			run := func(each int) {
				ended := make(chan error, conns)
				for _, c := range all {
					go func() {
						var msg [64]byte
						for range each {
							if _, err := c.Write(msg[:]); err != nil {
								ended <- err
								return
							}
							if _, err := io.ReadFull(c, msg[:]); err != nil {
								ended <- err
								return
							}
						}
						ended <- nil
					}()
				}
				for range conns {
					if err := <-ended; err != nil {
						b.Fatal(err)
					}
				}
			}
			run(warm)
			each := b.N/conns + 1
			before := cpuTime(b, cmd.Process.Pid)
			b.ResetTimer()
			run(each)
			b.StopTimer()
			b.ReportMetric((cpuTime(b, cmd.Process.Pid)-before)/float64(each*conns)*1e9, "server-ns/req")
			stdin.Close()
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
