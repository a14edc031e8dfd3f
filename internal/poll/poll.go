// Package poll asks the operating system which descriptors are ready. Several
// native mechanisms ("backends") stand behind one contract, [Poller]; the
// conformance suite of this package runs over each of them.
//
// # Readiness and completion
//
// Every backend watches descriptors: [Poller.Add] and its companions say which,
// [Poller.Wait] reports them, and the caller does the I/O itself. A completion
// backend (IOCP) can moreover be handed whole operations by [Poller.Submit],
// whose end it reports. On the others Submit fails with an error that errors.Is
// errors.ErrUnsupported, and the caller tries an operation itself, with [Op.Try],
// when its descriptor is ready. A descriptor is watched or has operations, not both
// at a time.
//
// # Tags
//
// The caller labels each registration with a [Tag], and events carry the tag,
// not the descriptor. With a generation in it, an event that was collected
// before its descriptor was removed, closed and its number given out again
// cannot be taken for one of the successor. A Wait that begins after Remove
// returned never reports the removed tag.
//
// # Level and edge
//
// A Level registration is reported by every Wait while the condition holds.
//
// An Edge registration is for callers that try the operation first. The
// promise: when an I/O call answered EAGAIN and Arm was called for that
// direction, at least one event with that direction is reported after the
// EAGAIN, once the condition holds; it makes no difference whether it came to
// hold before or after Arm. With Wait in another goroutine that event may be
// reported before Arm returns (epoll needs no arming, so it does not wait for
// it), so the caller keeps a latch per direction. A short read counts as EAGAIN
// for a TCP socket of which no event has had Hup, Err or Urgent; otherwise, and
// for writing, it does not: on a Unix socket a receive also stops at passed
// descriptors (SCM_RIGHTS), with more behind them. Events nobody armed may come
// as well; they mean "try again", no more. A report uses the arming up: one Arm,
// one guaranteed event.
//
// # Hang-up and error
//
// Err and Hup cannot be masked, and an I/O call in either direction would
// return at once. So an event with Err, or with a Hup of both directions,
// names both directions as ready, also one outside the interest. When only the
// peer's writing half is closed, Read is ready, and Hup is set where the
// system tells (Linux) and Read is of interest.
//
// # Closing descriptors
//
// Remove comes before close. When it was forgotten, epoll and kqueue forget the
// descriptor silently; poll and IOCP report one Err and forget it. On kqueue Add of
// its number is EEXIST for ever after an Edge registration of which nothing was armed.
package poll

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

var (
	// ErrAlwaysReady is returned by Add for a descriptor that is not worth
	// watching because reading and writing it never wait: regular files and
	// directories on every backend, with epoll also devices without a poll
	// operation such as /dev/null. IOCP watches sockets only: there pipes and
	// consoles are an error that errors.Is errors.ErrUnsupported. Nothing was
	// registered.
	ErrAlwaysReady = errors.New("poll: descriptor is always ready")

	// ErrClosed is returned by every method but Close after Close.
	ErrClosed = errors.New("poll: poller is closed")

	// ErrBound is returned by Bind for a descriptor that belongs to somebody else.
	ErrBound = errors.New("poll: descriptor is bound to another poller")
)

// Mode is a set of directions.
type Mode uint8

// The directions of I/O.
const (
	Read Mode = 1 << iota
	Write
)

// Trigger says how often a condition that holds is reported.
type Trigger uint8

const (
	// Level reports a condition in every Wait while it holds.
	Level Trigger = iota
	// Edge reports a condition at least once after each Arm.
	Edge
)

// Tag is the caller's label of a registration, by convention a slot index and
// a generation. ^Tag(0) is reserved for the poller's own descriptors.
type Tag uint64

// Event reports what became possible for one registration, or one completion.
type Event struct {
	Tag   Tag
	Ready Mode // the directions in which an I/O call would not wait
	Hup   bool // the peer closed at least its writing half
	Err   bool // an error is pending on the descriptor
	// Urgent, in an event of an Edge registration where the system has edges: urgent data has
	// come in, so that a read may be cut short with more to read behind it.
	Urgent bool
	Op     *Op // the completed operation, whose event has nothing else; nil otherwise
}

// WaitStyle says what a Wait with nothing to report does to its thread.
type WaitStyle uint8

const (
	// Auto is Park where the backend can, else Block.
	Auto WaitStyle = iota
	// Park parks the goroutine on Go's own network poller. It holds neither a
	// thread nor a P.
	Park
	// Block blocks the thread in the system call. The runtime takes the P away
	// when it notices, which makes waking up dearer.
	Block
)

// Config selects a poller. The zero value is the best for the platform.
type Config struct {
	Backend string // one of Backends(), or "" for the first that has the WaitStyle
	Wait    WaitStyle
}

// Poller is one instance of a backend. Wait is called by one goroutine at a
// time, and Close not during a Wait; everything else may be called by any
// goroutine at any time, also while a Wait is blocked, which then takes the
// change into account. Nothing but Wait ever blocks.
type Poller interface {
	// Name is the backend's name, as in Backends.
	Name() string

	// FD is the poller's own descriptor, readable while an event is pending,
	// or ^uintptr(0) if it has none. Wake does not make it readable.
	FD() uintptr

	// Add registers fd. With Edge, interest holds the directions that Arm may
	// name. Errors: ErrAlwaysReady, EEXIST if fd is registered, EBADF, EINVAL
	// for an empty interest or the reserved tag. After an error nothing is
	// registered.
	Add(fd int, tag Tag, interest Mode, trigger Trigger) error

	// Modify is Remove and Add in one step; an Edge registration must be
	// armed again. Errors: ENOENT if fd is not registered, and those of Add.
	// After an error the old registration stands.
	Modify(fd int, tag Tag, interest Mode, trigger Trigger) error

	// Remove ends the registration of fd. ENOENT if there is none.
	Remove(fd int) error

	// Arm asks for one more event of an Edge registration, for each direction
	// in mode; those outside the interest are ignored, and so is Arm of a
	// Level registration. On epoll it does nothing and costs nothing; on poll,
	// ENOENT if fd is not registered.
	Arm(fd int, mode Mode) error

	// Wait fills events, which must not be empty, and returns how many it
	// filled. It returns 0 after a Wake or when timeout is over, and never
	// before: timeouts are rounded up to what the backend can do, and an
	// interrupted system call is continued. A timeout of 0 does not block, a
	// negative one is endless. When more is ready than fits, the rest comes
	// in the next calls before anything is reported twice, as long as the
	// registrations do not change. What happens before Wake happens before
	// the return of the Wait that consumes it.
	Wait(events []Event, timeout time.Duration) (int, error)

	// Wake makes a Wait that is blocked, or else the next one that would
	// block, return at once. A Wait that has no need to block does not use it
	// up. Several calls before that return coalesce.
	Wake() error

	// AddProcess watches for the end of a process. Waits report {Tag: tag, Ready: Read} once it
	// has ended, also if that was before, until the Process is closed. Errors: ESRCH if there is
	// no such process, errors.ErrUnsupported where the system cannot tell.
	AddProcess(pid int, tag Tag) (Process, error)

	// Operations reports whether Submit and Cancel work.
	Operations() bool

	// Bind prepares the socket fd for operations, where there are any, and makes it
	// non-blocking. It is for life: ErrBound if fd belongs to another poller, or to
	// the one that Go itself has.
	Bind(fd int) error

	// Submit starts op, whose descriptor has been bound. Exactly one Event with it
	// follows, unless Submit returned an error, from a Wait and never from within Submit.
	// Operations of one direction of a descriptor that are submitted at the same time are
	// served and reported in no order.
	Submit(op *Op) error

	// Cancel requests the end of op. It does not change the number of Events:
	// op completes once, with its result or canceled. A canceled one has moved nothing.
	Cancel(op *Op) error

	// Close releases the poller's descriptors, not those registered. It is
	// idempotent. All operations must have completed, and all Processes be closed.
	Close() error
}

// backend is an entry of backends, the platform's list, best first.
type backend struct {
	name string
	open func(WaitStyle) (Poller, error)
}

// Backends names the backends that can run here, best first.
func Backends() []string {
	names := make([]string, len(backends))
	for i, b := range backends {
		names[i] = b.name
	}
	return names
}

// Open makes a poller. A choice this platform cannot satisfy is an error that
// errors.Is errors.ErrUnsupported.
func Open(cfg Config) (Poller, error) {
	if cfg.Wait > Block {
		return nil, fmt.Errorf("poll: wait style %d: %w", cfg.Wait, errors.ErrUnsupported)
	}
	for _, b := range backends {
		if cfg.Backend != "" && cfg.Backend != b.name {
			continue
		}
		p, err := b.open(cfg.Wait)
		if err != nil && cfg.Backend == "" && errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		return p, err
	}
	if cfg.Backend == "" {
		return nil, fmt.Errorf("poll: no backend with this wait style on %s/%s: %w", runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
	}
	return nil, fmt.Errorf("poll: no backend %q on %s/%s: %w", cfg.Backend, runtime.GOOS, runtime.GOARCH, errors.ErrUnsupported)
}
