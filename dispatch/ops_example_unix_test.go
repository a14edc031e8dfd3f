//go:build unix

package dispatch_test

import (
	"fmt"
	"net/netip"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// A server that sends back what it receives, and a client, both made of operations. The sockets
// are made with package syscall, and closed by the dispatcher.
func ExampleOp() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	var socks [2]dispatch.FD // one that listens, one that connects
	for i := range socks {
		s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
		if err != nil {
			fmt.Println(err)
			return
		}
		syscall.SetNonblock(s, true)
		socks[i] = dispatch.FD(s)
		d.Register(socks[i])
	}
	listener, client := socks[0], socks[1]
	syscall.Bind(int(listener), &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	syscall.Listen(int(listener), 1)
	name, err := syscall.Getsockname(int(listener))
	if err != nil {
		fmt.Println(err)
		return
	}
	port := uint16(name.(*syscall.SockaddrInet4).Port)

	// The server. One Op receives and sends in turn, always with the same buffer.
	buf := make([]byte, 512)
	accept := d.NewOp(func(o *dispatch.Op) {
		if o.Err() != nil {
			return
		}
		conn, sent := o.Accepted(), true
		d.Register(conn)
		d.NewOp(func(o *dispatch.Op) {
			switch sent = !sent; {
			case o.Err() != nil || !sent && o.N() == 0:
				d.CloseFD(conn)
			case sent:
				o.Recv(conn, buf)
			default:
				o.Send(conn, buf[:o.N()])
			}
		}).Recv(conn, buf)
	})
	if err := accept.Accept(listener); err != nil {
		fmt.Println(err)
	}

	// The client.
	answer := make([]byte, 512)
	recv := d.NewOp(func(o *dispatch.Op) {
		fmt.Printf("%q %v\n", answer[:o.N()], o.Err())
		d.CloseFD(client)
		d.CloseFD(listener)
	})
	send := d.NewOp(func(o *dispatch.Op) {
		fmt.Println(o.N(), o.Err())
		recv.Recv(client, answer)
	})
	connect := d.NewOp(func(o *dispatch.Op) {
		fmt.Println("connected:", o.Err())
		send.Send(client, []byte("hello"))
	})
	to := dispatch.Addr{IP: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	if err := connect.Connect(client, to); err != nil {
		fmt.Println(err)
	}
	for d.Pending() > 0 {
		if _, err := d.Poll(-1); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// connected: <nil>
	// 5 <nil>
	// "hello" <nil>
}

// A receive is given up when nothing comes. Its callback runs even so.
func ExampleOp_Cancel() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer syscall.Close(pair[1])
	fd := dispatch.FD(pair[0])
	syscall.SetNonblock(pair[0], true)
	if err := d.Register(fd); err != nil {
		fmt.Println(err)
		return
	}
	defer d.CloseFD(fd)
	o := d.NewOp(func(o *dispatch.Op) { fmt.Println(o.N(), o.Err()) })
	if err := o.Recv(fd, make([]byte, 100)); err != nil {
		fmt.Println(err)
	}
	fmt.Println(o.Cancel(), o.Cancel())
	if _, err := d.Poll(0); err != nil {
		fmt.Println(err)
	}
	// Output:
	// true false
	// 0 context canceled
}

// The address of a socket.
func ExampleAddr() {
	for _, a := range []dispatch.Addr{
		{IP: netip.MustParseAddrPort("[fe80::1%2]:80")},
		{Unix: "/run/server.sock"},
		{Unix: "@abstract"},
	} {
		fmt.Println(a.IP.IsValid(), a)
	}
	// Output:
	// true {[fe80::1%2]:80 }
	// false {invalid AddrPort /run/server.sock}
	// false {invalid AddrPort @abstract}
}
