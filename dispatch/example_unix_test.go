//go:build unix

package dispatch_test

import (
	"fmt"
	"syscall"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// Reads a pipe for as long as there is something in it.
func ExampleWatch() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		fmt.Println(err)
		return
	}
	defer syscall.Close(p[1])
	r := dispatch.FD(p[0])
	if err := syscall.SetNonblock(p[0], true); err != nil {
		fmt.Println(err)
		return
	}
	if err := d.Register(r); err != nil {
		fmt.Println(err)
		return
	}
	w, err := d.AddRead(r, func(e dispatch.FDEvent) (done bool) {
		if e.Err != nil {
			fmt.Println(e.Err)
			return true
		}
		var b [2]byte // what does not fit keeps the pipe readable
		n, err := syscall.Read(int(e.FD), b[:])
		fmt.Printf("%q %v\n", b[:n], err)
		return false
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := syscall.Write(p[1], []byte("abc")); err != nil {
		fmt.Println(err)
	}
	for range 2 {
		if _, err := d.Poll(-1); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(w.Stop(), w.Stop())
	fmt.Println(d.CloseFD(r))
	// Output:
	// "ab" <nil>
	// "c" <nil>
	// true false
	// <nil>
}

// Watches hear of the end of their descriptor, and must not use it then.
func ExampleFDEvent() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer syscall.Close(fds[1])
	fd := dispatch.FD(fds[0])
	if err := d.Register(fd); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := d.AddWrite(fd, func(e dispatch.FDEvent) bool {
		if e.Err == nil {
			fmt.Println("writable")
			if err := d.CloseFD(e.FD); err != nil {
				fmt.Println(err)
			}
			return false
		}
		fmt.Println(e.Err)
		return true
	}); err != nil {
		fmt.Println(err)
	}
	for d.Pending() > 0 {
		if _, err := d.Poll(-1); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// writable
	// dispatch: descriptor closed
}

// A descriptor is known to a dispatcher from Register to CloseFD.
func ExampleFD() {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		fmt.Println(err)
		return
	}
	defer syscall.Close(p[1])
	fd := dispatch.FD(p[0])
	fmt.Println(d.Register(fd))
	fmt.Println(d.Register(fd))
	fmt.Println(d.CloseFD(fd))
	fmt.Println(d.CloseFD(fd))
	// Output:
	// <nil>
	// dispatch: already registered
	// <nil>
	// dispatch: descriptor not registered
}
