//go:build linux

package main

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
)

// serverEnv names the server that this program is, in place of measuring.
const serverEnv = "TURNSTILE_BENCH_SERVER"

//go:embed testdata/epoll.c
var epollC []byte

// compileC compiles the server in C, to a file that remove removes.
func compileC() (program string, remove func(), err error) {
	dir, err := os.MkdirTemp("", "turnstile-bench")
	if err != nil {
		return "", nil, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	source := filepath.Join(dir, "epoll.c")
	program = filepath.Join(dir, "epoll")
	if err = os.WriteFile(source, epollC, 0o600); err == nil {
		var text []byte
		if text, err = exec.Command("cc", "-O2", "-o", program, source).CombinedOutput(); err != nil {
			err = fmt.Errorf("the C compiler: %w\n%s", err, text)
		}
	}
	if err != nil {
		remove()
		return "", nil, err
	}
	return program, remove, nil
}

// child is a server that runs as a process of its own, on a CPU of its own.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	addr  string
}

// start starts the server of a name, "kind:workload", on the server's CPU.
func start(name string, where cpus, cserver string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{name: name, cmd: exec.Command(self)}
	if kind, what, _ := strings.Cut(name, ":"); kind == "C epoll" {
		c.cmd = exec.Command(cserver, what)
	}
	c.cmd.Env = append(os.Environ(), serverEnv+"="+name, "GOMAXPROCS=1")
	c.cmd.Stderr = os.Stderr
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := pin(where.server); err != nil {
		return nil, err
	}
	err = c.cmd.Start() // all threads of the child inherit the CPU of this one
	if pinned := pin(where.client); err == nil && pinned != nil {
		c.stop()
		err = pinned
	}
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(stdout)
	line, err := c.out.ReadString('\n')
	if err != nil {
		c.stop()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.addr = strings.TrimSpace(line)
	return c, nil
}

// memory returns the bytes of heap and stacks that a Go server has in use, and of all its memory otherwise.
func (c *child) memory() (float64, error) {
	if strings.HasPrefix(c.name, "C epoll") {
		return resident(c.cmd.Process.Pid)
	}
	if _, err := io.WriteString(c.stdin, "memory\n"); err != nil {
		return 0, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	var bytes float64
	_, err = fmt.Sscan(line, &bytes)
	return bytes, err
}

// stop ends the server.
func (c *child) stop() {
	c.stdin.Close()
	_ = c.cmd.Wait()
}

// listening tells the parent where the server is.
func listening(addr fmt.Stringer) { fmt.Println(addr) }

// obey answers what the parent asks for, until it ends.
func obey() error {
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadString('\n'); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		debug.FreeOSMemory()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapAlloc + m.StackInuse)
	}
}
