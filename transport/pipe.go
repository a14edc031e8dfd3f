package transport

import (
	"context"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/park"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// Pipe is a stream that is no connection: one end of a pipe, a FIFO, a terminal, a file, or
// whatever a standard stream of the process is. It is made by [NewPipe], [OpenPipe],
// [PipeFromFile], [PipeFromFD], [Stdin], [Stdout] and [Stderr], and by [Command.Start] for the streams of
// a child process; the calls of the zero value fail with syscall.EINVAL. It is an [io.ReadWriteCloser], whose Read
// fails on an end for writing and the other way round, and safe for concurrent use by tasks of any
// dispatcher and by goroutines.
//
// Calls of Read are served one at a time in order of arrival, and so are calls of Write,
// whose bytes are never mixed. A call without a ctx ends with its deadline, with Close and, in a
// task, with the cancel of that task; see [Pipe.With] for calls with a ctx. However a call
// ends, the pipe stays as usable as it was: a Read that was canceled has taken no byte.
//
// Errors are [*net.OpError] with the network "pipe", but for io.EOF. A Write to a pipe that nobody
// reads is an error that is EPIPE, on the standard streams too: unlike os.Stdout, a Pipe
// never ends the process by SIGPIPE.
//
// # How it waits
//
// O_NONBLOCK belongs to the open file description, which is shared with other processes when a
// descriptor was inherited, and with other descriptors when it was duplicated. So no call
// changes it on a description that may be somebody else's. Instead,
//
//   - what this package has opened, and a socket, goes by the poller of the dispatcher;
//   - so does a pipe, FIFO or terminal on Linux: it is opened anew through /proc/self/fd, which gives
//     it a description of its own;
//   - so does any pipe or FIFO that is in that mode already, but on darwin, whose kqueue
//     does not tell the end of a FIFO;
//   - everything else is read and written by [core.Blocking]: regular files and devices, which no
//     poller takes, and on other systems, or without /proc, inherited pipes and terminals.
//     Such a call waits in poll(2) first, so it ends with its ctx as any other; one
//     that has begun to move data is waited for.
//
// # Windows
//
// Everything goes by core.Blocking and os.File. What NewPipe makes, and the streams of a child, are named pipes with
// overlapped ends. A call on any other handle may stay inside the system when its ctx ends, its
// deadline passes or the Pipe is closed, until there is something to read.
//
// On systems without pipes NewPipe is an error that is errors.ErrUnsupported.
type Pipe struct {
	sock sock      // where the poller takes it
	slow *slowFile // else
	name string
}

// NewPipe makes a pipe, whose both ends are on the dispatcher of ctx: what is written to w is read
// from r, which is at its end when w is closed. The system buffers some, 64 KiB on
// Linux; further writes wait for the reader. Both have to be closed, and stay open if
// the dispatcher closes. NewPipe does not wait.
//
// The error is a *net.OpError, with ErrNoDispatcher inside if ctx belongs to no
// dispatcher, and ctx.Err() if ctx has ended.
func NewPipe(ctx context.Context) (r, w *Pipe, err error) {
	d, err := home(ctx)
	if err == nil {
		r, w, err = newPipe(d)
	}
	if err != nil {
		return nil, nil, pipeError("pipe", "", err)
	}
	return r, w, nil
}

// OpenPipe opens the FIFO, terminal, device or file of this name, with flag as for os.OpenFile:
// os.O_RDONLY, os.O_WRONLY or os.O_RDWR, and what else the system takes. A FIFO is open when
// somebody has opened its other end (fifo(7)): OpenPipe waits for that in core.Blocking. If ctx ends
// first, it opens the other end itself for a moment, to be let go, and the error has ctx.Err()
// inside; somebody who waits to open the FIFO may see an end that was closed at once.
func OpenPipe(ctx context.Context, name string, flag int) (*Pipe, error) {
	d, err := home(ctx)
	var p *Pipe
	if err == nil {
		p, err = openPipe(ctx, d, name, flag)
	}
	if err != nil {
		return nil, pipeError("open", name, err)
	}
	return p, nil
}

// PipeFromFile returns a Pipe of what f is: a pipe, a FIFO, a terminal, a socket, a device or a
// regular file, with which it shares the offset. It has a descriptor of its own: f stays as it
// is, open and the caller's. Where the module knows no descriptors, as on Windows, the
// Pipe works on f itself, and its Close leaves f open. It does not wait.
func PipeFromFile(ctx context.Context, f *os.File) (*Pipe, error) {
	d, err := home(ctx)
	var p *Pipe
	if err == nil {
		p, err = pipeFromFile(d, f)
	}
	if err != nil {
		return nil, pipeError("pipe", "", err)
	}
	return p, nil
}

// PipeFromFD is PipeFromFile for a descriptor of the system, or a handle on Windows. It takes fd over, and Close
// closes it; after an error it is the caller's as before. Where the Pipe has another
// descriptor for it, as on Linux, fd is closed when PipeFromFD returns.
func PipeFromFD(ctx context.Context, fd dispatch.FD) (*Pipe, error) {
	d, err := home(ctx)
	var p *Pipe
	if err == nil {
		p, err = pipeFromFD(d, fd)
	}
	if err != nil {
		return nil, pipeError("pipe", "", err)
	}
	return p, nil
}

// Stdin returns a Pipe of the standard input of the process, which is os.Stdin as it is at the call.
// It holds nothing back: what it has not read, others who use os.Stdin can read.
// Close ends its calls and leaves os.Stdin open.
func Stdin(ctx context.Context) (*Pipe, error) { return PipeFromFile(ctx, os.Stdin) }

// Stdout returns a Pipe of the standard output of the process, which is os.Stdout as it is at the call.
// Close leaves os.Stdout open: who reads it sees no end before that is closed too. If
// nobody reads it any more a Write is EPIPE, where one to os.Stdout would end the process.
func Stdout(ctx context.Context) (*Pipe, error) { return PipeFromFile(ctx, os.Stdout) }

// Stderr is [Stdout] for os.Stderr.
func Stderr(ctx context.Context) (*Pipe, error) { return PipeFromFile(ctx, os.Stderr) }

// home returns the dispatcher of ctx, if that is not done and the dispatcher not closed.
func home(ctx context.Context) (*dispatch.Dispatcher, error) {
	if err := ctx.Err(); err != nil {
		return nil, park.Failed(err)
	}
	d := core.DispatcherOf(ctx)
	if d == nil {
		return nil, ErrNoDispatcher
	}
	if seam.Of(d).Closed() {
		return nil, dispatch.ErrClosed
	}
	return d, nil
}

// Read waits until there is something to read, and reads up to len(b) bytes. It returns io.EOF at the
// end: when a file is read, or nobody has the other end of a pipe open for writing.
// With an empty b it returns at once.
func (p *Pipe) Read(b []byte) (int, error) { return p.read(ownCtx, b) }

func (p *Pipe) read(ctx context.Context, b []byte) (int, error) {
	if len(b) == 0 || p.zero() {
		return 0, p.wrap("read", p.alive(false))
	}
	if p.slow != nil {
		n, err := p.slow.rd.read(ctx, b)
		return n, p.wrap("read", err)
	}
	o := op{buf: b}
	err := p.sock.rd.call(ctx, &o)
	return o.n, p.wrap("read", err)
}

// Write waits until all of b is handed to the system. With an error it returns how many bytes were. A
// pipe that nobody has open for reading is EPIPE. With an empty b it returns at once.
func (p *Pipe) Write(b []byte) (int, error) { return p.write(ownCtx, b) }

func (p *Pipe) write(ctx context.Context, b []byte) (int, error) {
	if len(b) == 0 || p.zero() {
		return 0, p.wrap("write", p.alive(true))
	}
	if p.slow != nil {
		n, err := p.slow.wr.writeAll(ctx, b)
		return n, p.wrap("write", err)
	}
	o := op{verb: writing, buf: b}
	err := p.sock.wr.call(ctx, &o)
	return o.n, p.wrap("write", err)
}

// zero reports whether the pipe is the zero value, which has no descriptor.
func (p *Pipe) zero() bool { return p.slow == nil && p.sock.d == nil }

// alive returns the error of all calls in a direction.
func (p *Pipe) alive(write bool) error {
	if p.zero() {
		return syscall.EINVAL
	}
	if p.slow != nil {
		return p.slow.side(write).alive()
	}
	return p.side(write).do(func(int) error { return nil })
}

func (p *Pipe) side(write bool) *side {
	if write {
		return &p.sock.wr
	}
	return &p.sock.rd
}

// Close closes the pipe. Calls that wait fail with net.ErrClosed, and so do all to come, a
// second Close among them. It does not wait: a call that is moving data by core.Blocking goes
// on for that one system call, and the descriptor is closed behind it.
func (p *Pipe) Close() error {
	if p.zero() {
		return p.wrap("close", syscall.EINVAL)
	}
	if p.slow != nil {
		return p.wrap("close", p.slow.close())
	}
	return p.wrap("close", p.sock.close())
}

// SetDeadline sets the time, on the clock of the dispatcher, at which calls of Read and Write fail
// with os.ErrDeadlineExceeded, those that wait already among them. The zero Time is
// none. Calls work again once a later deadline is set.
func (p *Pipe) SetDeadline(t time.Time) error {
	if p.zero() {
		return p.wrap("set", syscall.EINVAL)
	}
	if p.slow != nil {
		return p.wrap("set", p.slow.setDeadline(t))
	}
	return p.wrap("set", p.sock.setDeadline(t))
}

// SetReadDeadline is SetDeadline for Read alone.
func (p *Pipe) SetReadDeadline(t time.Time) error {
	if p.zero() {
		return p.wrap("set", syscall.EINVAL)
	}
	if p.slow != nil {
		return p.wrap("set", p.slow.rd.setDeadline(t))
	}
	return p.wrap("set", p.sock.rd.setDeadline(t))
}

// SetWriteDeadline is SetDeadline for Write alone. A Write that it ends may have
// written a part, and says how much.
func (p *Pipe) SetWriteDeadline(t time.Time) error {
	if p.zero() {
		return p.wrap("set", syscall.EINVAL)
	}
	if p.slow != nil {
		return p.wrap("set", p.slow.wr.setDeadline(t))
	}
	return p.wrap("set", p.sock.wr.setDeadline(t))
}

// SyscallConn returns the descriptor for system calls of one's own. Read and Write of what it returns
// call f, wait until the descriptor is ready if f answers false, and call it again; they wait
// in line with the calls of the pipe, and end as those do. The descriptor does not block,
// or f is called by core.Blocking. f must not keep it or close it, and that of Read and Write must not call
// the pipe; that of Control may, also to close it: the descriptor stays open until f returns.
func (p *Pipe) SyscallConn() (syscall.RawConn, error) {
	if err := p.alive(false); err != nil {
		return nil, p.wrap("raw", err)
	}
	return pipeRaw{p}, nil
}

type pipeRaw struct{ p *Pipe }

func (r pipeRaw) Control(f func(fd uintptr)) error { return r.p.wrap("raw-control", r.control(f)) }

func (r pipeRaw) control(f func(fd uintptr)) error {
	if r.p.slow != nil {
		return r.p.slow.control(f)
	}
	return r.p.sock.use(func(fd int) { f(uintptr(fd)) })
}

func (r pipeRaw) Read(f func(fd uintptr) bool) error {
	return r.p.wrap("raw-read", r.call(false, f))
}

func (r pipeRaw) Write(f func(fd uintptr) bool) error {
	return r.p.wrap("raw-write", r.call(true, f))
}

func (r pipeRaw) call(write bool, f func(fd uintptr) bool) error {
	if r.p.slow != nil {
		return r.p.slow.side(write).ask(f)
	}
	x := newExtra()
	defer x.free()
	x.ask = func(fd int) (bool, error) { return f(uintptr(fd)), nil }
	return r.p.side(write).call(ownCtx, &op{verb: asking, x: x})
}

func (p *Pipe) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return pipeError(op, p.name, err)
}

func pipeError(op, name string, err error) error {
	e := &net.OpError{Op: op, Net: "pipe", Err: inside(err)}
	if name != "" {
		e.Addr = pipeName(name)
	}
	return e
}

// pipeName is what was opened, for errors.
type pipeName string

func (pipeName) Network() string  { return "pipe" }
func (n pipeName) String() string { return string(n) }
