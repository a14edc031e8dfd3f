package poll_test

import (
	"errors"
	"flag"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

// What the conformance suite needs of the system. All pairs are TCP connections over the
// loopback device. Numbers are small because Wine, where these tests run too, is slow.

// soon is the timeout of a Wait that must have something to report. Only a
// failing test waits for its end.
const soon = 60 * time.Second

const (
	slow           = 25    // by what the numbers of rounds are divided
	numbersReturn  = false // a new descriptor has the lowest free number
	late           = true  // what happens to a descriptor may be reported later
	tellsHalfClose = true
)

func extraVariants() []variant { return nil }

func setUp() {
	var data windows.WSAData
	if err := windows.WSAStartup(0x202, &data); err != nil {
		panic(err)
	}
	if err := flag.Set("rapid.checks", "5"); err != nil {
		panic(err)
	}
	// What the libraries of the system open on first use.
	r, w, err := pipe()
	if err != nil {
		panic(err)
	}
	closeFD(r)
	closeFD(w)
	// Go's own port comes with the first timer.
	started := make(chan struct{})
	time.AfterFunc(1, func() { close(started) })
	<-started
}

var (
	ntdll           = windows.NewLazySystemDLL("ntdll.dll")
	ws2             = windows.NewLazySystemDLL("ws2_32.dll")
	kernel32        = windows.NewLazySystemDLL("kernel32.dll")
	procQueryObject = ntdll.NewProc("NtQueryObject")
	procRecv        = ws2.NewProc("recv")
	procSend        = ws2.NewProc("send")
	procAccept      = ws2.NewProc("accept")
	procIoctlsocket = ws2.NewProc("ioctlsocket")
	procWSAPoll     = ws2.NewProc("WSAPoll")
	procHandleInfo  = kernel32.NewProc("GetHandleInformation")
)

// openFDs counts the handles below 8192 of files, to which sockets belong, of ports and of processes. Others, such as those
// of threads, come and go with Go's runtime.
func openFDs() int {
	n := 0
	for h := uintptr(4); h < 1<<13; h += 4 {
		var info struct {
			name windows.NTUnicodeString
			_    [512]byte
		}
		const objectTypeInformation = 2
		status, _, _ := procQueryObject.Call(h, objectTypeInformation, uintptr(unsafe.Pointer(&info)), unsafe.Sizeof(info), 0)
		if status != 0 {
			continue
		}
		switch info.name.String() {
		case "File", "IoCompletion", "Process":
			n++
		}
	}
	return n
}

// inherited reports whether fd goes to child processes.
func inherited(fd uintptr) bool {
	var flags uint32
	ok, _, _ := procHandleInfo.Call(fd, uintptr(unsafe.Pointer(&flags)))
	return ok == 0 || flags&windows.HANDLE_FLAG_INHERIT != 0
}

// A link is what is under way to a socket.
type link struct {
	to         int
	sent, read int
}

// links has for each socket of a pair the link that it sends on, by number.
var links = struct {
	sync.Mutex
	from map[int]*link
}{from: make(map[int]*link)}

// incoming returns the link to fd.
func incoming(fd int) (from int, l *link) {
	for from, l := range links.from {
		if l.to == fd {
			return from, l
		}
	}
	return -1, nil
}

func newPipe(tb testing.TB) *pair { return newTCP(tb) }

func newSockets(tb testing.TB) *pair { return newTCP(tb) }

// newTCP is a connection over the loopback device, w on the connecting side.
func newTCP(tb testing.TB) *pair {
	tb.Helper()
	r, w, err := pipe()
	must(tb, err)
	return own(tb, [2]int{r, w})
}

// pipe returns the ends of a connection, which do not block.
func pipe() (r, w int, err error) {
	l, addr, err := listener()
	if err != nil {
		return -1, -1, err
	}
	defer windows.Closesocket(l)
	s, err := windows.Socket(windows.AF_INET, windows.SOCK_STREAM, 0)
	if err != nil {
		return -1, -1, err
	}
	if err := windows.Connect(s, addr); err != nil {
		return -1, -1, err
	}
	a, _, err := procAccept.Call(uintptr(l), 0, 0)
	if windows.Handle(a) == windows.InvalidHandle {
		return -1, -1, err
	}
	r, w = int(a), int(s)
	nonblocking(r)
	nonblocking(w)
	links.Lock()
	defer links.Unlock()
	links.from[r], links.from[w] = &link{to: w}, &link{to: r}
	return r, w, nil
}

func listener() (windows.Handle, windows.Sockaddr, error) {
	l, err := windows.Socket(windows.AF_INET, windows.SOCK_STREAM, 0)
	if err != nil {
		return l, nil, err
	}
	if err := windows.Bind(l, &windows.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return l, nil, err
	}
	if err := windows.Listen(l, 8); err != nil {
		return l, nil, err
	}
	addr, err := windows.Getsockname(l)
	return l, addr, err
}

// listen opens a TCP port of the loopback device.
func listen(tb testing.TB) (int, windows.Sockaddr) {
	tb.Helper()
	l, addr, err := listener()
	must(tb, err)
	return int(l), addr
}

func nonblocking(fd int) {
	const fionbio = 0x8004667e
	on := uint32(1)
	if r, _, err := procIoctlsocket.Call(uintptr(fd), fionbio, uintptr(unsafe.Pointer(&on))); r != 0 {
		panic(err)
	}
}

func closeFD(fd int) {
	links.Lock()
	if l := links.from[fd]; l != nil {
		delete(links.from, fd)
	}
	if from, l := incoming(fd); l != nil {
		links.from[from].to = -1
	}
	links.Unlock()
	poll.CloseFD(fd)
}

func dup(testing.TB, int) int { panic("numbers do not return here") }

func read(fd int, p []byte) (int, error) {
	r, _, err := procRecv.Call(uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0)
	if int32(r) < 0 {
		return 0, err
	}
	links.Lock()
	defer links.Unlock()
	if _, l := incoming(fd); l != nil {
		l.read += int(r)
	}
	return int(r), nil
}

func write(fd int, p []byte) (int, error) {
	r, _, err := procSend.Call(uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0)
	if int32(r) < 0 {
		return 0, err
	}
	links.Lock()
	defer links.Unlock()
	if l := links.from[fd]; l != nil {
		l.sent += int(r)
	}
	return int(r), nil
}

func wouldBlock(err error) bool { return errors.Is(err, windows.WSAEWOULDBLOCK) }

const (
	readable = 0x300 // POLLIN
	writable = 0x10  // POLLOUT
)

// ready waits until fd is readable or writable, or ms milliseconds are over.
func ready(fd int, what int16, ms int) bool {
	p := struct {
		fd              uintptr
		events, revents int16
	}{uintptr(fd), what, 0}
	r, _, _ := procWSAPoll.Call(uintptr(unsafe.Pointer(&p)), 1, uintptr(ms))
	return int32(r) > 0
}

// arrived waits until something of what was written to fd is at the other end.
func arrived(tb testing.TB, fd int) {
	tb.Helper()
	links.Lock()
	l := links.from[fd]
	links.Unlock()
	if l != nil && l.to >= 0 && !ready(l.to, readable, int(soon.Milliseconds())) {
		tb.Fatal("what was written does not arrive")
	}
}

// full reports whether fd, of which a write would have waited, stays so: what is under way
// may leave room.
func full(_ testing.TB, fd int) bool { return !ready(fd, writable, 50) }

// drain reads until nothing is under way any more, or the end, and returns the number of bytes. Then
// the other end can write again.
func drain(tb testing.TB, fd int) int {
	tb.Helper()
	var buf [4096]byte
	for sum := 0; ; {
		n, err := read(fd, buf[:])
		if wouldBlock(err) {
			links.Lock()
			from, l := incoming(fd)
			missing := l != nil && l.read < l.sent
			links.Unlock()
			if !missing {
				if from >= 0 && !ready(from, writable, int(soon.Milliseconds())) {
					tb.Fatal("what was read leaves no room")
				}
				return sum
			}
			if !ready(fd, readable, int(soon.Milliseconds())) {
				tb.Fatal("what was written does not arrive")
			}
			continue
		}
		must(tb, err)
		if n == 0 {
			return sum
		}
		sum += n
	}
}

// smallBuffer makes writes to fd wait soon.
func smallBuffer(tb testing.TB, fd int) {
	must(tb, windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_SNDBUF, 4096))
}

// reset closes the writing end of a TCP connection so that the other learns of it as an error.
func (c *pair) reset(tb testing.TB) {
	must(tb, windows.SetsockoptLinger(windows.Handle(c.w), windows.SOL_SOCKET, windows.SO_LINGER, &windows.Linger{Onoff: 1}))
	c.closeW()
}

var endings = []ended{
	{name: "socket half-closed by the peer", ready: poll.Read, hup: true, make: func(t *testing.T) (int, func()) {
		c := newTCP(t)
		return c.r, func() { must(t, windows.Shutdown(windows.Handle(c.w), windows.SHUT_WR)) }
	}},
	{name: "socket closed by the peer", ready: poll.Read, hup: true, make: func(t *testing.T) (int, func()) {
		c := newTCP(t)
		return c.r, c.closeW
	}},
	{name: "connection reset", ready: poll.Read | poll.Write, hup: true, err: true, make: func(t *testing.T) (int, func()) {
		c := newTCP(t)
		return c.r, func() { c.reset(t) }
	}},
	{name: "connection refused", ready: poll.Read | poll.Write, err: true, hup: true, make: func(t *testing.T) (int, func()) {
		l, addr := listen(t)
		closeFD(l) // so that nobody listens there
		fd, err := windows.Socket(windows.AF_INET, windows.SOCK_STREAM, 0)
		must(t, err)
		t.Cleanup(func() { closeFD(int(fd)) })
		nonblocking(int(fd))
		return int(fd), func() {
			if err := windows.Connect(fd, addr); !wouldBlock(err) && !errors.Is(err, windows.WSAECONNREFUSED) {
				t.Fatal(err)
			}
		}
	}},
}

// unasked is a descriptor, an interest, and what makes an error of it that concerns only the other
// direction.
func unasked(t *testing.T) (fd int, interest poll.Mode, end func()) {
	c := newTCP(t)
	fill(t, c.r)
	return c.r, poll.Write, func() { c.reset(t) }
}
