package transport_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/proptest"
	"github.com/seed-1e54c410/turnstile/transport"
)

const never = 1000 * time.Hour

// answer is how a lookup ends.
type answer struct {
	after time.Duration
	ips   string // separated by blanks
	err   error
}

// fate is how an attempt ends.
type fate struct {
	after time.Duration
	err   error
}

// track is where fake attempts run, and what they tell.
type track struct {
	mu    sync.Mutex
	start time.Time
	log   []string
	fates map[string]fate // those that are not there hang
	open  map[string]bool
}

func (k *track) note(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.log = append(k.log, fmt.Sprintf("%v %s", time.Since(k.start), fmt.Sprintf(format, args...)))
}

func (k *track) connect(ctx context.Context, to netip.Addr) (*lane, error) {
	k.note("try %v", to)
	f, ok := k.fates[to.String()]
	if !ok {
		f.after = never
	}
	if err := core.Sleep(ctx, f.after); err != nil {
		k.note("end %v", to)
		return nil, err
	}
	if f.err != nil {
		return nil, f.err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open[to.String()] = true
	return &lane{k, to.String()}, nil
}

// lane is a fake connection.
type lane struct {
	k  *track
	to string
}

func (l *lane) Close() error {
	l.k.mu.Lock()
	defer l.k.mu.Unlock()
	if !l.k.open[l.to] {
		return net.ErrClosed
	}
	delete(l.k.open, l.to)
	return nil
}

func ips(list string) (out []netip.Addr) {
	for _, s := range strings.Fields(list) {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func (a *answer) ask(ctx context.Context) ([]netip.Addr, error) {
	if err := core.Sleep(ctx, a.after); err != nil {
		return nil, err
	}
	return ips(a.ips), a.err
}

var (
	errRefused  = errors.New("refused")
	errBroken   = errors.New("broken")
	errServer   = &net.DNSError{Err: "server misbehaving"}
	errNotFound = &net.DNSError{Err: "no such host", IsNotFound: true}
)

const ms = time.Millisecond

// What RFC 8305 wants, at the times at which it wants it.
func TestRace(t *testing.T) {
	for _, c := range []struct {
		name   string
		six    *answer
		four   *answer
		known  [2]string
		delay  time.Duration
		cancel time.Duration
		fates  map[string]fate
		log    string // attempts, and those that were given up
		won    string // or
		err    error
		at     string // of the error
	}{
		{
			name: "the first one wins", six: &answer{ips: "::1 ::2"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {100 * ms, nil}},
			log:   "0s try ::1", won: "::1",
		},
		{
			name: "one that hangs does not hold up", six: &answer{ips: "::1"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"1.1.1.1": {20 * ms, nil}},
			log:   "0s try ::1, 250ms try 1.1.1.1, 270ms end ::1", won: "1.1.1.1",
		},
		{
			name: "one that is late may still win", six: &answer{ips: "::1"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {260 * ms, nil}},
			log:   "0s try ::1, 250ms try 1.1.1.1, 260ms end 1.1.1.1", won: "::1",
		},
		{
			name: "one that fails makes the next begin", six: &answer{ips: "::1"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {10 * ms, errRefused}, "1.1.1.1": {10 * ms, nil}},
			log:   "0s try ::1, 10ms try 1.1.1.1", won: "1.1.1.1",
		},
		{
			name: "so does one that is not the last", six: &answer{ips: "::1 ::2"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {300 * ms, errRefused}, "::2": {10 * ms, nil}},
			log:   "0s try ::1, 250ms try 1.1.1.1, 300ms try ::2, 310ms end 1.1.1.1", won: "::2",
		},
		{
			name: "the families take turns", six: &answer{ips: "::1 ::2 ::3"}, four: &answer{ips: "1.1.1.1 1.1.1.2"},
			fates: map[string]fate{"::3": {0, nil}},
			log: "0s try ::1, 250ms try 1.1.1.1, 500ms try ::2, 750ms try 1.1.1.2, 1s try ::3, " +
				"1s end ::1, 1s end 1.1.1.1, 1s end ::2, 1s end 1.1.1.2",
			won: "::3",
		},
		{
			name: "IPv4 waits 50 ms for IPv6", six: &answer{after: 30 * ms, ips: "::1"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {0, nil}},
			log:   "30ms try ::1", won: "::1",
		},
		{
			name: "and not longer", six: &answer{after: never, ips: "::1"}, four: &answer{after: ms, ips: "1.1.1.1"},
			fates: map[string]fate{"1.1.1.1": {0, nil}},
			log:   "51ms try 1.1.1.1", won: "1.1.1.1",
		},
		{
			name: "nor when there is no IPv6", six: &answer{after: 20 * ms, err: errNotFound}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"1.1.1.1": {0, nil}},
			log:   "20ms try 1.1.1.1", won: "1.1.1.1",
		},
		{
			name: "IPv6 does not wait for IPv4", six: &answer{ips: "::1"}, four: &answer{after: never},
			fates: map[string]fate{"::1": {0, nil}},
			log:   "0s try ::1", won: "::1",
		},
		{
			name: "late addresses join in", six: &answer{after: 200 * ms, ips: "::1"}, four: &answer{ips: "1.1.1.1 1.1.1.2"},
			fates: map[string]fate{"::1": {0, nil}},
			log:   "50ms try 1.1.1.1, 300ms try ::1, 300ms end 1.1.1.1", won: "::1",
		},
		{
			name: "also when all others have failed", six: &answer{ips: "::1"}, four: &answer{after: 400 * ms, ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {5 * ms, errRefused}, "1.1.1.1": {0, nil}},
			log:   "0s try ::1, 400ms try 1.1.1.1", won: "1.1.1.1",
		},
		{
			name: "without delay each waits for the one before", delay: -1,
			six: &answer{ips: "::1"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {time.Hour, errRefused}, "1.1.1.1": {0, nil}},
			log:   "0s try ::1, 1h0m0s try 1.1.1.1", won: "1.1.1.1",
		},
		{
			name: "the error is that of the first", six: &answer{ips: "::1"}, four: &answer{ips: "1.1.1.1"},
			fates: map[string]fate{"::1": {time.Second, errRefused}, "1.1.1.1": {0, errBroken}},
			log:   "0s try ::1, 250ms try 1.1.1.1", err: errRefused, at: "::1",
		},
		{
			name: "nobody could be asked", six: &answer{err: errServer}, four: &answer{err: errNotFound},
			err: errServer,
		},
		{
			name: "nor the other way round", six: &answer{err: errNotFound}, four: &answer{err: errServer},
			err: errServer,
		},
		{
			name: "no address", six: &answer{}, four: &answer{},
			err: transport.ErrNoAddress,
		},
		{
			name: "a cancel ends all attempts", six: &answer{ips: "::1"}, four: &answer{ips: "1.1.1.1"}, cancel: 300 * ms,
			log: "0s try ::1, 250ms try 1.1.1.1, 300ms end ::1, 300ms end 1.1.1.1", err: context.DeadlineExceeded, at: "::1",
		},
		{
			name: "and the lookups", six: &answer{after: never}, four: &answer{after: never}, cancel: 300 * ms,
			err: context.DeadlineExceeded,
		},
		{
			name: "addresses that are known", known: [2]string{"1.1.1.1", "::1"},
			fates: map[string]fate{"1.1.1.1": {0, errRefused}, "::1": {0, nil}},
			log:   "0s try 1.1.1.1, 0s try ::1", won: "::1",
		},
	} {
		body := func(t *testing.T, ctx context.Context) {
			k := &track{start: time.Now(), fates: c.fates, open: map[string]bool{}}
			in := transport.Contest[*lane]{Connect: k.connect, Delay: 250 * ms}
			for rank, a := range []*answer{c.six, c.four} {
				in.Known[rank] = ips(c.known[rank])
				if a != nil {
					in.Ask[rank] = a.ask
				}
			}
			if c.delay != 0 {
				in.Delay = c.delay
			}
			if c.cancel != 0 {
				var cancel context.CancelFunc
				ctx, cancel = core.WithTimeout(ctx, c.cancel)
				defer cancel()
			}
			won, at, err := transport.Race(ctx, in)
			if got := strings.Join(k.log, ", "); sorted(got) != sorted(c.log) {
				t.Errorf("got  %s\nwant %s", got, c.log)
			}
			switch {
			case c.err != nil:
				if err != c.err || c.at != "" && at != netip.MustParseAddr(c.at) || c.at == "" && at.IsValid() {
					t.Errorf("got %v at %v, want %v at %q", err, at, c.err, c.at)
				}
			case err != nil:
				t.Error(err)
			case won.to != c.won:
				t.Errorf("%s has won, not %s", won.to, c.won)
			default:
				won.Close()
			}
			if len(k.open) > 0 {
				t.Errorf("left open: %v", k.open)
			}
		}
		t.Run(c.name+"/goroutine", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { body(t, t.Context()) })
		})
		t.Run(c.name+"/task", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := core.Run(t.Context(), func(ctx context.Context) error {
					body(t, ctx)
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// sorted puts what happens at the end in order: attempts are given up in any.
func sorted(log string) string {
	parts := strings.Split(log, ", ")
	i := len(parts)
	for i > 0 && strings.Contains(parts[i-1], " end ") {
		i--
	}
	slices.Sort(parts[i:])
	return strings.Join(parts, ", ")
}

// A panic in an attempt, which a hook may cause, is that of the caller.
func TestRacePanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &track{start: time.Now(), open: map[string]bool{}}
		defer func() {
			if p, ok := recover().(*core.PanicError); !ok || p.Value != "hook" {
				t.Errorf("recovered %v", p)
			}
			if len(k.log) != 3 || !strings.HasSuffix(k.log[2], "end ::1") {
				t.Errorf("%q", k.log)
			}
		}()
		_, _, err := transport.Race(t.Context(), transport.Contest[*lane]{
			Known: [2][]netip.Addr{ips("::1"), ips("1.1.1.1")},
			Delay: ms,
			Connect: func(ctx context.Context, to netip.Addr) (*lane, error) {
				if to.Is4() {
					k.note("panic")
					panic("hook")
				}
				return k.connect(ctx, to)
			},
		})
		t.Errorf("returned %v", err)
	})
}

// However attempts and lookups end, in whatever order, and whenever the caller is canceled: what was
// opened is returned or closed, and nothing but the winner is returned.
func TestRaceProperties(t *testing.T) {
	proptest.Check(t, func(p *proptest.P) {
		durations := []time.Duration{0, ms, 50 * ms, 250 * ms, 251 * ms, time.Second}
		draw := func(name string) time.Duration { return durations[p.IntRange(0, len(durations)-1, name)] }
		k := &track{fates: map[string]fate{}, open: map[string]bool{}}
		in := transport.Contest[*lane]{Connect: k.connect, Delay: draw("delay") - ms}
		works := false
		for rank, format := range []string{"::%d", "1.1.1.%d"} {
			var a answer
			for i := range p.IntRange(0, 3, "addresses") {
				ip := fmt.Sprintf(format, i+1)
				f := fate{after: draw("attempt")}
				if p.IntRange(0, 1, "fails") == 0 {
					f.err = errRefused
				} else {
					works = true
				}
				k.fates[ip] = f
				a.ips += " " + ip
			}
			a.after = draw("lookup")
			in.Ask[rank] = a.ask
		}
		var won *lane
		returned, failed := false, false
		p.Go("race", func(ctx context.Context) error {
			var err error
			won, _, err = transport.Race(ctx, in)
			returned, failed = true, err != nil
			if err == nil && !k.open[won.to] {
				p.Fatalf("%s has won and is closed", won.to)
			}
			if len(k.open) > 1 || err != nil && len(k.open) > 0 {
				p.Fatalf("left open: %v, %v", k.open, err)
			}
			if err != nil && ctx.Err() == nil && works {
				p.Fatalf("failed, though an address works: %v", err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return nil
		})
		p.Finally("it ends", func() bool { return returned && (failed || won != nil) })
	}, proptest.Cancels(1))
}
