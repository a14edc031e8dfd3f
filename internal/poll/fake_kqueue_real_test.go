//go:build linux

package poll

import "golang.org/x/sys/unix"

// This file is the descriptors and processes of the real kernel, as a FakeKernel shows them.

func (k *FakeKernel) attachRealProcess(n *fakeKnote) error {
	fd, err := unix.PidfdOpen(int(n.ident), 0)
	if err != nil {
		return err
	}
	err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if child := err == nil; !child && k.AskForStatus && n.fflags&fakeExitStatus != 0 {
		unix.Close(fd)
		return unix.EACCES
	}
	if k.ZombiesAreESR && revents(fd, unix.POLLIN) != 0 {
		unix.Close(fd)
		return unix.ESRCH
	}
	n.pidfd = fd
	return nil
}

// revents is what poll(2) says now.
func revents(fd int, want int16) int16 {
	set := [1]unix.PollFd{{Fd: int32(fd), Events: want}}
	for {
		if _, err := unix.Poll(set[:], 0); err == nil {
			return set[0].Revents
		}
	}
}

// realActive asks for the state of a real descriptor.
func realActive(n *fakeKnote, out *kevent) bool {
	var got int16
	if n.filter == filterRead {
		got = revents(int(n.ident), unix.POLLIN|unix.POLLRDHUP)
		got &= unix.POLLIN | unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
		if got&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0 {
			out.flags |= evEOF
		}
	} else {
		got = revents(int(n.ident), unix.POLLOUT)
		if got&(unix.POLLHUP|unix.POLLERR) != 0 {
			out.flags |= evEOF
		}
	}
	if got&unix.POLLERR != 0 {
		if kind, _, _ := (*FakeKernel)(nil).fileType(int(n.ident)); kind == unix.S_IFSOCK {
			out.fflags = uint32(unix.ECONNRESET) // to ask which would clear it
		}
	}
	return got != 0
}
