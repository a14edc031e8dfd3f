package poll

import (
	"errors"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// process is a watch of the end of a process: a thread of the system waits for it and calls back.
type process struct {
	p      *iocp
	id     uintptr
	tag    Tag
	handle windows.Handle
	wait   windows.Handle // 0 if it had ended already
	close  sync.Once
	err    error
}

// watched has all processes by a number that is never used again: the system is given it
// instead of a pointer, so a call that comes late finds nothing.
var watched = struct {
	sync.Mutex
	last uintptr
	by   map[uintptr]*process
}{by: make(map[uintptr]*process)}

// processEnded is a callback of the system. There is one for all, since it cannot be freed.
var processEnded = sync.OnceValue(func() uintptr {
	return windows.NewCallback(func(id, _ uintptr) uintptr {
		// The port cannot be closed before the process has left the table.
		watched.Lock()
		defer watched.Unlock()
		if f := watched.by[id]; f != nil {
			_ = post(f.p.port, keyProcess, id) // it fails only for want of memory
		}
		return 0
	})
})

func (p *iocp) AddProcess(pid int, tag Tag) (Process, error) {
	const access = windows.SYNCHRONIZE | windows.PROCESS_QUERY_LIMITED_INFORMATION
	if pid <= 0 || uint64(pid) > 1<<32-1 {
		return nil, os.NewSyscallError("OpenProcess", syscall.ESRCH)
	}
	if tag == reservedTag {
		return nil, os.NewSyscallError("register", syscall.EINVAL)
	}
	h, err := windows.OpenProcess(access, false, uint32(pid))
	if errors.Is(err, windows.ERROR_INVALID_PARAMETER) {
		err = syscall.ESRCH
	}
	if err != nil {
		return nil, os.NewSyscallError("OpenProcess", err)
	}
	// The last two bits of a number are ignored by OpenProcess.
	if got, err := windows.GetProcessId(h); err == nil && got != uint32(pid) {
		windows.CloseHandle(h)
		return nil, os.NewSyscallError("OpenProcess", syscall.ESRCH)
	}
	f := &process{p: p, tag: tag, handle: h}
	if err := f.start(); err != nil {
		windows.CloseHandle(h)
		return nil, err
	}
	return f, nil
}

// start puts f into the tables and lets the system wait.
func (f *process) start() error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.p.closed {
		return ErrClosed
	}
	watched.Lock()
	watched.last++
	f.id = watched.last
	watched.by[f.id] = f
	watched.Unlock()
	f.p.processes[f.id] = f
	if f.ended() {
		return f.tell()
	}
	const once = 0x8 // WT_EXECUTEONLYONCE
	r, _, errno := syscall.SyscallN(procRegisterWait.Addr(), uintptr(unsafe.Pointer(&f.wait)), uintptr(f.handle),
		processEnded(), f.id, windows.INFINITE, once)
	if r == 0 {
		f.leave()
		return os.NewSyscallError("RegisterWaitForSingleObject", errno)
	}
	return nil
}

// tell has an event reported by the next Wait, or the one that blocks. The caller holds the poller's mu.
func (f *process) tell() error {
	if !f.p.blocked {
		f.p.ended = append(f.p.ended, f)
		return nil
	}
	err := post(f.p.port, keyProcess, f.id)
	if err != nil {
		f.leave()
	}
	return os.NewSyscallError("PostQueuedCompletionStatus", err)
}

// ended reports whether the process has. Its exit code does not tell, since it may be that of one
// that runs.
func (f *process) ended() bool {
	r, err := windows.WaitForSingleObject(f.handle, 0)
	return err == nil && r == windows.WAIT_OBJECT_0
}

// leave takes f out of the tables. The caller holds the poller's mu.
func (f *process) leave() {
	delete(f.p.processes, f.id)
	watched.Lock()
	delete(watched.by, f.id)
	watched.Unlock()
}

func (f *process) State() ExitState {
	var code uint32
	if !f.ended() || windows.GetExitCodeProcess(f.handle, &code) != nil {
		return ExitState{Code: -1}
	}
	return ExitState{Known: true, Code: int(code)}
}

func (f *process) Close() error {
	f.close.Do(func() {
		f.p.mu.Lock()
		f.leave()
		f.p.mu.Unlock()
		// With this handle it returns when no callback runs any more, and none can wait for us.
		if f.wait != 0 {
			r, _, errno := syscall.SyscallN(procUnregisterWait.Addr(), uintptr(f.wait), uintptr(windows.InvalidHandle))
			if r == 0 {
				f.err = os.NewSyscallError("UnregisterWaitEx", errno)
			}
		}
		f.err = errors.Join(f.err, os.NewSyscallError("CloseHandle", windows.CloseHandle(f.handle)))
	})
	return f.err
}
