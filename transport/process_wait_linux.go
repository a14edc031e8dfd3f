package transport

import "golang.org/x/sys/unix"

// sysAwaitExit waits until a child has ended, and does not collect it. It reports false if it cannot.
func sysAwaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return err == nil
		}
	}
}
