package poll_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func TestSockAddrZero(t *testing.T) {
	var a poll.SockAddr
	if ip, ok := a.IP(); ok {
		t.Errorf("IP = %v", ip)
	}
	if name, ok := a.Unix(); ok {
		t.Errorf("Unix = %q", name)
	}
}

// TestSockAddrIP: what is set comes back, and is no address of a Unix socket.
func TestSockAddrIP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a poll.SockAddr
		if rapid.Bool().Draw(t, "used before") {
			if err := a.SetUnix(strings.Repeat("x", 100)); err != nil {
				t.Fatal(err)
			}
		}
		n := rapid.SampledFrom([]int{4, 16}).Draw(t, "length")
		ip, _ := netip.AddrFromSlice(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "ip"))
		switch {
		case n == 16 && rapid.Bool().Draw(t, "zone"):
			ip = ip.WithZone(strconv.FormatUint(uint64(rapid.Uint32Min(1).Draw(t, "number")), 10))
		case n == 4 && rapid.Bool().Draw(t, "mapped"):
			ip = netip.AddrFrom16(ip.As16())
		}
		want := netip.AddrPortFrom(ip, rapid.Uint16().Draw(t, "port"))
		if err := a.SetIP(want); err != nil {
			t.Fatal(err)
		}
		if got, ok := a.IP(); !ok || got != want {
			t.Fatalf("%v, %v; want %v", got, ok, want)
		}
		if name, ok := a.Unix(); ok {
			t.Fatalf("it has the name %q", name)
		}
	})
}

// TestSockAddrZone: a zone is a number or the name of an interface of this machine.
func TestSockAddrZone(t *testing.T) {
	ip := netip.IPv6LinkLocalAllNodes()
	var a poll.SockAddr
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Logf("the system does not tell its interfaces, as qemu-user: %v", err)
	}
	for _, i := range interfaces {
		if err := a.SetIP(netip.AddrPortFrom(ip.WithZone(i.Name), 1)); err != nil {
			t.Errorf("zone %q: %v", i.Name, err)
		}
		if got, _ := a.IP(); got.Addr().Zone() != strconv.Itoa(i.Index) {
			t.Errorf("zone %q is %q, want %d", i.Name, got.Addr().Zone(), i.Index)
		}
	}
	for _, zone := range []string{"no such interface", "4294967296", "-1"} {
		if err := a.SetIP(netip.AddrPortFrom(ip.WithZone(zone), 1)); err == nil {
			t.Errorf("zone %q is none", zone)
		}
		if got, ok := a.IP(); ok {
			t.Errorf("after a failure: %v", got)
		}
	}
	if err := a.SetIP(netip.AddrPort{}); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("no address: %v", err)
	}
}

// TestSockAddrUnix: names come back, and what is none is refused.
func TestSockAddrUnix(t *testing.T) {
	const longest = poll.SockAddrRoom - 3 // two bytes before it, one behind it
	for _, name := range []string{"", "a", "/tmp/x", "@a", "@a\x00b", "@\x00b", strings.Repeat("x", longest), "@" + strings.Repeat("x", longest-1)} {
		var a poll.SockAddr
		if err := a.SetUnix(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if got, ok := a.Unix(); !ok || got != name {
			t.Errorf("%q, %v; want %q", got, ok, name)
		}
		if ip, ok := a.IP(); ok {
			t.Errorf("it is the IP %v", ip)
		}
	}
	for _, name := range []string{strings.Repeat("x", longest+1), "a\x00b", "\x00a"} {
		var a poll.SockAddr
		if err := a.SetUnix(name); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%q: %v, want EINVAL", name, err)
		}
		if got, ok := a.Unix(); ok {
			t.Errorf("after a failure: %q", got)
		}
	}
}

// FuzzSockAddr: whatever bytes come from the system, they are an address of one kind at most, and
// one that can be sent to.
func FuzzSockAddr(f *testing.F) {
	for _, s := range []string{"", "x", "/tmp/x", "@x", strings.Repeat("x", 200)} {
		var a poll.SockAddr
		if a.SetUnix(s) == nil {
			f.Add(bytes.Clone(a.Raw()))
		}
		f.Add([]byte(s))
	}
	for _, s := range []string{"1.2.3.4:5", "[::1]:80", "[fe80::1%3]:65535"} {
		var a poll.SockAddr
		if err := a.SetIP(netip.MustParseAddrPort(s)); err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(a.Raw()))
		f.Add(bytes.Clone(a.Raw()[:10]))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		var a, b poll.SockAddr
		a.SetRaw(p)
		ip, isIP := a.IP()
		name, isUnix := a.Unix()
		if isIP && isUnix {
			t.Fatalf("both %v and %q", ip, name)
		}
		if isIP {
			if err := b.SetIP(ip); err != nil {
				t.Fatal(err)
			}
			if got, _ := b.IP(); got != ip {
				t.Fatalf("%v, want %v", got, ip)
			}
		}
		if isUnix && b.SetUnix(name) == nil {
			if got, _ := b.Unix(); got != name && strings.Trim(name, "@\x00") != "" {
				t.Fatalf("%q, want %q", got, name)
			}
		}
	})
}
