package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/seed-1e54c410/turnstile/core"
)

// Command says what a child process is to be. It is made by [NewCommand] or [ShellCommand], or as a
// struct of which Path alone is needed. It is only read: one Command may start any number
// of processes, at the same time too, if its readers and writers can be used so.
//
// [Command.Start] starts a process and returns; [Command.Run], [Command.Output],
// [Command.CombinedOutput] and [Command.Capture] stay with it until it has ended, and leave nothing of it
// behind. Package os/exec does the same without a dispatcher, with a goroutine
// for each stream and for each wait.
type Command struct {
	// Path is the program. A name without a separator is looked up in the directories of the
	// environment variable PATH of this process, as exec.LookPath does.
	Path string
	// Args are the arguments behind the name of the program, which is Path.
	Args []string
	// Dir is the working directory, that of this process if empty.
	Dir string
	// Env is the environment, each "key=value", that of this process if nil. See os.Environ.
	Env []string

	// Stdin, Stdout and Stderr are the standard streams: nil is the null device; an *os.File is handed to
	// the child; so is a *Pipe, whose end is still this process's too, and has to be closed here for the
	// other end to see the end of the child; [Piped] makes a pipe whose other end is in the Process.
	// Any other reader or writer is for Run and those like it, which copy; to Start it is an error.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// StderrToStdout sends both to Stdout. Stderr must be nil.
	StderrToStdout bool

	// Group makes the child the leader of a process group of its own: what it starts belongs to that, and
	// signals that are sent to the Process go to all of the group. It does not get those that the
	// terminal sends to this process. On Windows only the latter is so. Once the child itself has ended, what it
	// leaves behind in the group is out of reach of the Process; [Command.Run] kills that, too, when its ctx ends.
	Group bool

	// ExtraFiles are further open files of the child: the i-th is descriptor 3+i there. Not on Windows.
	ExtraFiles []*os.File
	// SysProcAttr are what else the system can do. Group adds to it.
	SysProcAttr *syscall.SysProcAttr
}

// Piped is a stream of a [Command] that becomes a pipe to the [Process], which has the other end.
const Piped = piped(0)

type piped byte

var errPiped = errors.New("transport: Piped is a mark for a Command")

func (piped) Read([]byte) (int, error)  { return 0, errPiped }
func (piped) Write([]byte) (int, error) { return 0, errPiped }

// NewCommand returns a Command for a program and its arguments.
func NewCommand(path string, args ...string) *Command { return &Command{Path: path, Args: args} }

// ShellCommand returns a Command that has a shell run line: /bin/sh -c on Unix, cmd.exe /c on
// Windows. Where the line starts several programs, set Group for all of them to be killed with it.
func ShellCommand(line string) *Command { return sysShell(line) }

// Start starts the process on the dispatcher of ctx, and waits in core.Blocking until the program is
// there: a fork takes a millisecond or so, in which the loop goes on. The ctx is that of
// the start alone; to end the process with it use Run.
//
// The error is one of os/exec, as it is: exec.ErrNotFound inside for an unknown program; or ctx.Err() if
// that has ended before the start, ErrNoDispatcher, dispatch.ErrClosed, or that of a stream. Nothing is
// left then. A process that was started is returned even if ctx has ended meanwhile.
//
// The process is collected when it has ended, whether somebody waits for it or not, so
// nobody else in this program may collect it. Call [Process.Close] for its pipes.
func (c *Command) Start(ctx context.Context) (*Process, error) { return c.start(ctx, false) }

// start is Start of a process that is not collected before Process.let, if it is to be kept.
func (c *Command) start(ctx context.Context, keep bool) (*Process, error) {
	d, err := home(ctx)
	if err != nil {
		return nil, err
	}
	p := &Process{
		d: d, group: c.Group, kept: keep,
		state: core.NewFuture[ExitState](), ended: core.NewFuture[struct{}](),
	}
	var theirs []io.Closer // for the child alone
	x := exec.Command(c.Path, c.Args...)
	x.Dir, x.Env, x.ExtraFiles = c.Dir, c.Env, c.ExtraFiles
	x.SysProcAttr = sysAttr(c)
	p.Stdin, err = handed(p, &theirs, c.Stdin, true, func(f *os.File) { x.Stdin = f })
	if err == nil {
		p.Stdout, err = handed(p, &theirs, c.Stdout, false, func(f *os.File) { x.Stdout = f })
	}
	switch {
	case err != nil:
	case !c.StderrToStdout:
		p.Stderr, err = handed(p, &theirs, c.Stderr, false, func(f *os.File) { x.Stderr = f })
	case c.Stderr != nil:
		err = errors.New("transport: Stderr is set, and StderrToStdout")
	default:
		x.Stderr = x.Stdout
	}
	if err != nil {
		closeAll(theirs)
		_ = p.Close()
		return nil, err
	}
	return blocking(ctx, func(context.Context) (*Process, error) {
		defer closeAll(theirs)
		if err := x.Start(); err != nil {
			_ = p.Close()
			return nil, err
		}
		p.Pid, p.os = x.Process.Pid, x.Process
		p.attend() // whether somebody waits for it or not
		return p, nil
	}, func() {
		closeAll(theirs)
		_ = p.Close()
	}, func(*Process) { _ = p.Close() })
}

// handed makes a stream of the child of what the Command says, hands that over to set, and returns our
// end if it is a new pipe.
func handed(p *Process, theirs *[]io.Closer, stream any, reads bool, set func(*os.File)) (*Pipe, error) {
	switch s := stream.(type) {
	case nil:
	case *os.File:
		set(s)
	case piped:
		ours, f, err := childPipe(p.d, reads)
		if err != nil {
			return nil, pipeError("pipe", "", err)
		}
		*theirs = append(*theirs, f)
		set(f)
		return ours, nil
	case *Pipe:
		if s == nil {
			return nil, fmt.Errorf("transport: a nil *Pipe as a stream: %w", syscall.EINVAL)
		}
		f, mine, err := s.forChild()
		if err != nil {
			return nil, s.wrap("dup", err)
		}
		if mine {
			*theirs = append(*theirs, f)
		}
		set(f)
	default:
		return nil, fmt.Errorf("transport: a %T is no stream for Start, only for Run", stream)
	}
	return nil, nil
}

func closeAll(all []io.Closer) {
	for _, c := range all {
		_ = c.Close() // nothing was written to it
	}
}
