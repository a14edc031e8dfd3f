package transport

import (
	"iter"
	"math"
	"os"
	"time"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

// wheelSize is how many ticks ahead the wheel tells apart.
const wheelSize = 64

// never is the list of connections without a timeout.
const never = wheelSize

// wheel has all connections of an eventLoop in lists: those with a timeout in the list of the tick
// at which it is worth looking whether it has passed. What is read leaves a connection where it
// is, and only notes the tick: so a timeout costs each connection one look in the time that it lasts,
// and no reading of the clock.
//
// One timer counts the ticks, as long as one of the connections has a timeout.
type wheel struct {
	lists [wheelSize + 1]*EventConn // each the first
	timer *dispatch.Timer           // made by the first that has a timeout
	tick  uint32                    // wraps around: only differences count
	at    int64                     // when that came, in loop time
	armed bool
	timed int // connections in the lists of ticks
}

// ticks returns how many ticks are never less than d, whenever they begin; 0 if d is no timeout.
func (l *eventLoop) ticks(d time.Duration) uint32 {
	if d <= 0 {
		return 0
	}
	// A quarter of the circle, so that differences are told from what is past.
	return uint32(min((d-1)/l.srv.cfg.Tick+2, 1<<30))
}

// due returns in how many ticks c has to be looked at: not at all if ok is false.
func (l *eventLoop) due(c *EventConn) (left int32, ok bool) {
	if c.idle != 0 {
		left, ok = int32(c.active+c.idle-l.tick), true
	}
	if m := c.more; m != nil && m.timed {
		// Rounded up, so that it has passed when this is 0.
		res := int64(l.srv.cfg.Tick)
		if d := int32(min((m.deadline-l.at+res-1)/res, 1<<30)); !ok || d < left {
			left, ok = d, true
		}
	}
	return left, ok
}

// insert puts c into the list where it belongs now.
func (l *eventLoop) insert(c *EventConn) {
	i := never
	if !l.armed {
		l.at = l.loop.Now()
	}
	if left, ok := l.due(c); ok {
		if l.timed++; !l.armed {
			l.arm()
		}
		i = int((l.tick + uint32(min(max(left, 1), wheelSize))) % wheelSize)
	}
	c.list, c.prev, c.next = uint8(i), nil, l.lists[i]
	if c.next != nil {
		c.next.prev = c
	}
	l.lists[i] = c
}

// remove takes c out of its list.
func (l *eventLoop) remove(c *EventConn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.lists[c.list] = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	if c.list != never {
		if l.timed--; l.timed == 0 && l.timer.Stop() {
			l.armed = false
		}
	}
}

// all returns the connections. They must not be inserted or removed meanwhile.
func (l *eventLoop) all() iter.Seq[*EventConn] {
	return func(yield func(*EventConn) bool) {
		for _, c := range l.lists {
			for ; c != nil; c = c.next {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// arm arms the timer for the next tick.
func (l *eventLoop) arm() {
	if l.armed = true; l.timer == nil {
		l.timer = l.h.d.AfterFunc(l.srv.cfg.Tick, l.next)
	} else {
		l.timer.Reset(l.srv.cfg.Tick)
	}
}

// next comes at a tick. A loop that was kept does not make up for ticks: what came in meanwhile is noted
// as of the last one, and would have its time counted twice.
func (l *eventLoop) next() {
	l.at = l.loop.Now()
	l.tick++
	for c := l.lists[l.tick%wheelSize]; c != nil; {
		behind := c.next
		l.look(c)
		c = behind
	}
	if l.armed = false; l.timed > 0 {
		l.arm()
	}
}

// look ends c if its time is over, and else puts it where it belongs.
func (l *eventLoop) look(c *EventConn) {
	if left, _ := l.due(c); left <= 0 && c.state&eventQueued == 0 {
		c.end(c.wrap("serve", os.ErrDeadlineExceeded))
		return
	}
	// Also if something has come for it in this very turn.
	l.timed++ // so that the timer stays
	l.remove(c)
	l.insert(c)
	l.timed--
}

// setDeadline has c end at t; the zero Time is none.
func (l *eventLoop) setDeadline(c *EventConn, t time.Time) {
	if t.IsZero() {
		if m := c.more; m != nil {
			m.timed = false
			c.slim()
		}
	} else {
		now := l.loop.Now()
		m := c.need()
		m.timed, m.deadline = true, now+min(max(int64(t.Sub(l.loop.Time(now))), 0), math.MaxInt64/2-now)
	}
	l.remove(c)
	l.insert(c)
}

// setIdle sets the idle timeout of c to d; 0 is none.
func (l *eventLoop) setIdle(c *EventConn, d time.Duration) {
	c.idle, c.active = l.ticks(d), l.tick
	l.remove(c)
	l.insert(c)
}
