//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// client has many connections to a server on bare epoll, and one thread. Its system calls never block, and leave out the
// book-keeping of the scheduler.
type client struct {
	epoll int
	conns []conn
	buf   []byte
}

// conn is one connection, with what is missing of a message in both directions.
type conn struct {
	fd         int
	send, want int
}

// dial makes n connections.
func dial(addr string, n int) (*client, error) {
	to, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{buf: make([]byte, 256<<10)}
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	sa := &unix.SockaddrInet4{Port: to.Port, Addr: [4]byte(to.IP.To4())}
	for i := range n {
		if err := c.add(i, sa); err != nil {
			c.close()
			return nil, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	return c, nil
}

func (c *client) add(i int, sa unix.Sockaddr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	c.conns = append(c.conns, conn{fd: fd})
	if err := unix.Connect(fd, sa); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
		return err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return err
	}
	// Room for a whole message: the client never waits to send.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1<<20); err != nil {
		return err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
	return unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, fd, &ev)
}

func (c *client) close() {
	for _, k := range c.conns {
		unix.Close(k.fd)
	}
	unix.Close(c.epoll)
}

// pingPong sends a message of size bytes on each connection, gets an answer of answer bytes and sends the next one, until the time is
// over; then it waits for the answers that are missing. It returns how many came.
func (c *client) pingPong(message []byte, answer int, during time.Duration) (n int, err error) {
	return c.drive(during, func(k *conn, over bool) (bool, error) {
		for {
			for k.send > 0 {
				m, err := c.write(k.fd, message[len(message)-k.send:])
				if err == unix.EAGAIN {
					break
				}
				if err != nil {
					return false, err
				}
				k.send -= m
			}
			for k.want > 0 {
				m, err := c.read(k.fd, c.buf[:min(len(c.buf), k.want)])
				if err == unix.EAGAIN {
					return false, nil
				}
				if err != nil {
					return false, err
				}
				if k.want -= m; k.want == 0 {
					n++
				}
			}
			if k.send > 0 {
				return false, errors.New("an answer before the whole of the message")
			}
			if over {
				return true, nil
			}
			k.send, k.want = len(message), answer
		}
	}, &n)
}

// receive reads what comes, until the time is over, and returns how many bytes that were.
func (c *client) receive(during time.Duration) (n int, err error) {
	return c.drive(during, func(k *conn, over bool) (bool, error) {
		for range 4 { // and then the others
			m, err := c.read(k.fd, c.buf)
			if err == unix.EAGAIN {
				break
			}
			if err != nil {
				return false, err
			}
			n += m
		}
		return over, nil
	}, &n)
}

// drive calls step for each connection at first and whenever there is something to do, with over set once the time is over, until it
// answers that a connection is done for all of them.
func (c *client) drive(during time.Duration, step func(k *conn, over bool) (bool, error), n *int) (int, error) {
	end := time.Now().Add(during)
	over := false
	left := make([]bool, len(c.conns))
	open := len(c.conns)
	do := func(i int) error {
		if left[i] {
			return nil
		}
		done, err := step(&c.conns[i], over)
		if done {
			left[i] = true
			open--
		}
		return err
	}
	for i := range c.conns {
		if err := do(i); err != nil {
			return *n, err
		}
	}
	var events [256]unix.EpollEvent
	for rounds := 0; open > 0; rounds++ {
		if rounds%16 == 0 && !over && time.Now().After(end) {
			over = true
			for i := range c.conns { // those that nothing comes for any more
				if c.conns[i].want == 0 {
					if err := do(i); err != nil {
						return *n, err
					}
				}
			}
		}
		k, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(c.epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		if errno != 0 && errno != unix.EINTR {
			return *n, errno
		}
		if errno == 0 {
			for _, ev := range events[:k] {
				if err := do(int(ev.Fd)); err != nil {
					return *n, err
				}
			}
		}
	}
	return *n, nil
}

func (c *client) write(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (c *client) read(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	if n == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return int(n), nil
}
