package transport

import (
	"context"
	"io"
	"net/netip"
	"time"
)

// Contest is what a race is given: functions that look for addresses of the preferred and of the other
// family (nil: none), and addresses that are known.
type Contest[C io.Closer] struct {
	Ask     [2]func(ctx context.Context) ([]netip.Addr, error)
	Known   [2][]netip.Addr
	Delay   time.Duration
	Connect func(ctx context.Context, to netip.Addr) (C, error)
}

// Race runs a race.
func Race[C io.Closer](ctx context.Context, c Contest[C]) (C, netip.Addr, error) {
	r := race[C]{connect: c.Connect, delay: c.Delay, known: c.Known}
	for rank, ask := range c.Ask {
		if ask != nil {
			r.lookups = append(r.lookups, lookup{rank, ask})
		}
	}
	return r.run(ctx)
}

// ErrNoAddress is the error when names have no addresses that fit.
var ErrNoAddress = errNoAddress

// Passing makes an error Temporary after which a listener goes on.
func Passing(err error) error { return passing(err) }
