//go:build linux

package transport_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/internal/check"
	"github.com/seed-1e54c410/turnstile/transport"
)

func init() {
	children["echo/impl=turnstile"] = func() {
		err := core.Run(context.Background(), func(ctx context.Context) error {
			l, err := transport.Listen(ctx, "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Println(l.Addr())
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
	children["echo/impl=net"] = func() {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(l.Addr())
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

// untilParentCloses waits for the end of the standard input.
func untilParentCloses(ctx context.Context) error {
	_, err := core.Blocking(ctx, func(context.Context) (int64, error) { return io.Copy(io.Discard, os.Stdin) })
	return err
}

// BenchmarkEchoPinned has a server in a process that is bound to one CPU, one task or
// goroutine for each of 100 connections, and a client without any scheduler on another. An
// operation is one message of 64 bytes there and back. It reports the CPU time that the
// server took for it, besides the requests a second.
func BenchmarkEchoPinned(b *testing.B) {
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		b.Fatal(err)
	}
	var own []int
	for i := range 1024 {
		if cpus.IsSet(i) {
			own = append(own, i)
		}
	}
	if len(own) < 2 {
		b.Skip("the system gives this process one CPU only")
	}
	for _, impl := range []string{"impl=turnstile", "impl=net"} {
		b.Run(impl, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			defer unix.SchedSetaffinity(0, &cpus)
			pin(b, own[0])
			cmd := check.Self(b.Context())
			cmd.Env = append(os.Environ(), childEnv+"=echo/"+impl, "GOMAXPROCS=1")
			cmd.Stderr = os.Stderr
			stdin, err1 := cmd.StdinPipe()
			stdout, err2 := cmd.StdoutPipe()
			// The child and all its threads inherit the CPU of this thread.
			if err := cmd.Start(); err != nil || err1 != nil || err2 != nil {
				b.Fatal(err, err1, err2)
			}
			pin(b, own[1])
			addr, err := bufio.NewReader(stdout).ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			c := newTightClient(b, strings.TrimSpace(addr), 100)
			c.run(b, 5000) // so that everything is there that is made once
			before := cpuTime(b, cmd.Process.Pid)
			b.ResetTimer()
			c.run(b, b.N)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.ReportMetric((cpuTime(b, cmd.Process.Pid)-before)/float64(b.N)*1e9, "server-ns/req")
			c.close()
			stdin.Close()
			if err := cmd.Wait(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// pin binds the calling thread to a CPU.
func pin(b *testing.B, cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		b.Fatal(err)
	}
}

// cpuTime returns the seconds of CPU time that the threads of a process have used, as the scheduler
// of the system counts them.
func cpuTime(b *testing.B, pid int) (sum float64) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range tasks {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, t.Name()))
		if err != nil {
			continue // it has just ended
		}
		var ns float64
		if _, err := fmt.Sscan(string(stat), &ns); err != nil {
			b.Fatal(err)
		}
		sum += ns / 1e9
	}
	return sum
}

// tightClient sends on many connections from one thread, on bare epoll.
type tightClient struct {
	epoll int
	fds   []int
	msg   [64]byte
}

func newTightClient(b *testing.B, addr string, conns int) *tightClient {
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	c := &tightClient{}
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		b.Fatal(err)
	}
	sa := &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
	for range conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		c.fds = append(c.fds, fd)
		if err := unix.Connect(fd, sa); err != nil {
			b.Fatal(err)
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			b.Fatal(err)
		}
		ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err := unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

// run sends n messages, one at a time on each connection, and gets them back.
func (c *tightClient) run(b *testing.B, n int) {
	sent, got := 0, 0
	send := func(fd int) {
		if sent < n {
			sent++
			if m, err := unix.Write(fd, c.msg[:]); m != len(c.msg) {
				b.Fatal(m, err)
			}
		}
	}
	for _, fd := range c.fds {
		send(fd)
	}
	var events [128]unix.EpollEvent
	for got < n {
		k, err := unix.EpollWait(c.epoll, events[:], 0)
		if err != nil && err != unix.EINTR {
			b.Fatal(err)
		}
		for _, ev := range events[:max(k, 0)] {
			if m, err := unix.Read(int(ev.Fd), c.msg[:]); m != len(c.msg) {
				b.Fatal(m, err)
			}
			got++
			send(int(ev.Fd))
		}
	}
}

func (c *tightClient) close() {
	for _, fd := range c.fds {
		unix.Close(fd)
	}
	unix.Close(c.epoll)
}
