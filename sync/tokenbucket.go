package xsync

import (
	"context"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/park"
)

// FillMode says when the tokens of a [TokenBucket] come.
type FillMode int

const (
	// Continuous spreads the capacity evenly over the fill time: each token comes when it is due.
	Continuous FillMode = iota
	// Discrete adds the whole capacity at the end of each fill time, counted from the
	// making of the bucket.
	Discrete
)

// Clock is where a [TokenBucket] has its time from. T is its kind of timer: a
// *dispatch.Dispatcher is a Clock[*dispatch.Timer], which a simulation turns by hand.
//
// Both methods must be safe for concurrent use. They, and Stop of the timer, are called while the
// bucket is locked: they must not use it, nor wait for fn, which locks it, too.
type Clock[T interface{ Stop() bool }] interface {
	// Now returns the time. One that goes back is ignored until it is back where it was.
	Now() time.Time
	// AfterFunc calls fn once d has passed, unless the timer is stopped first.
	AfterFunc(d time.Duration, fn func()) T
}

// TokenBucket bounds how often something happens: each time takes tokens, and tokens come at a
// fixed rate, up to a capacity. It is made by [NewTokenBucket] or [NewTokenBucketOn], and
// starts full; all methods of the zero value panic.
//
// Prefer [Semaphore] to bound how much of something is in use at a time.
//
// The arithmetic is exact: at any time the bucket holds what the formula says, rounded down to
// whole tokens, however often it was asked in between. In mode [Continuous] a fraction of a token
// is kept as long as the bucket is not full, and lost when it is.
//
// Fairness: strictly by arrival. The first that waits has all tokens there are and that come, until it
// has enough, be that more than the capacity; meanwhile nobody else gets any, not even by
// [TokenBucket.TryConsume].
//
// Cancellation: a wait that is canceled leaves the queue, and its tokens to those behind it. If it
// had enough first, Consume succeeds all the same, and the cancel shows in the next wait with
// that context.
//
// Memory ordering: a Replenish happens before the return of the Consume and TryConsume that
// take its tokens.
type TokenBucket struct {
	capacity int64
	fill     int64 // nanoseconds in which capacity tokens come; 0: none comes by itself
	mode     FillMode
	now      func() int64 // nanoseconds since the bucket was made
	after    func(d time.Duration, fn func()) (stop func() bool)

	mu    sync.Mutex
	level int64 // tokens; at most capacity while nobody waits, else less than the first wants
	// last is the time up to which tokens have come. In mode Continuous, frac/fill of another
	// one has come too.
	last  int64
	frac  uint64
	alarm *alarm // nil: none is armed
	queue WaitQueue[int64]
}

// alarm is a timer that is armed for the moment in which the first waiter has enough.
type alarm struct {
	due  int64
	stop func() bool
}

// NewTokenBucket returns a full bucket in which capacity tokens come in each fill time, by
// package time. With a fill time of 0 tokens come by [TokenBucket.Replenish] alone. A capacity below
// 1 panics, and so do a negative fill time and an unknown mode.
func NewTokenBucket(capacity int, fill time.Duration, mode FillMode) *TokenBucket {
	start := time.Now()
	return newTokenBucket(capacity, fill, mode,
		func() int64 { return int64(time.Since(start)) },
		func(d time.Duration, fn func()) func() bool {
			park.Real()
			return time.AfterFunc(d, fn).Stop
		})
}

// NewTokenBucketOn is [NewTokenBucket] with another clock. That of a dispatcher goes on when it is
// closed, but wakes nobody then: a Consume that has to wait for the time ends with its ctx, or when
// another call finds that its tokens have come.
func NewTokenBucketOn[T interface{ Stop() bool }](clock Clock[T], capacity int, fill time.Duration, mode FillMode) *TokenBucket {
	start := clock.Now()
	return newTokenBucket(capacity, fill, mode,
		func() int64 { return int64(clock.Now().Sub(start)) },
		func(d time.Duration, fn func()) func() bool { return clock.AfterFunc(d, fn).Stop })
}

func newTokenBucket(capacity int, fill time.Duration, mode FillMode, now func() int64, after func(time.Duration, func()) func() bool) *TokenBucket {
	switch {
	case capacity < 1:
		panic("xsync: capacity of a TokenBucket below 1")
	case fill < 0:
		panic("xsync: negative fill time of a TokenBucket")
	case mode != Continuous && mode != Discrete:
		panic("xsync: unknown mode of a TokenBucket")
	}
	return &TokenBucket{
		capacity: int64(capacity), fill: int64(fill), mode: mode, now: now, after: after, level: int64(capacity),
	}
}

// TryConsume takes n tokens if they are there and nobody waits, and reports whether it did. An n of 0
// takes nothing and succeeds. A negative n panics.
func (b *TokenBucket) TryConsume(n int) bool {
	b.check(n)
	if n == 0 {
		return true
	}
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.tryLocked(now, int64(n))
}

// Consume waits until all who came before have had their tokens and n have come since, and takes
// them. So n may be larger than the capacity. If ctx ends first, or is done at the call, it
// returns ctx.Err() and has taken nothing. An n of 0 takes nothing and does not wait; with a ctx that is
// done it fails all the same. A negative n panics.
func (b *TokenBucket) Consume(ctx context.Context, n int) error {
	b.check(n)
	if err := ctx.Err(); err != nil {
		return park.Failed(err)
	}
	if n == 0 {
		return nil
	}
	now := b.now()
	b.mu.Lock()
	if b.begin(now, int64(n)) {
		b.mu.Unlock()
		return nil
	}
	return b.wait(ctx, int64(n))
}

// wait waits for n tokens behind those who wait already. The mutex is held at the call and free at
// the return.
func (b *TokenBucket) wait(ctx context.Context, n int64) error {
	served := false
	defer func() { // also when a panic takes the call away
		if served {
			return
		}
		// The first may be another one now, and there may be too much for an empty queue.
		now := b.now()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.settle(now)
	}()
	_, err := b.queue.WaitLocked(ctx, &b.mu, n, b.take)
	served = err == nil
	return err
}

// ConsumeCase returns the case of a [Select] that takes n tokens as [TokenBucket.Consume] does. A negative n panics.
func (b *TokenBucket) ConsumeCase(n int) Case {
	b.check(n)
	if n == 0 {
		return After(0) // takes nothing and does not wait
	}
	return b.queue.MatchCase(&b.mu, int64(n), b.selectTake, b.selectSettle, nil)
}

// selectTake is tryLocked at the beginning of a Select. A panic of the clock unlocks the mutex.
func (b *TokenBucket) selectTake(n *int64) (ok bool, err error) {
	returned := false
	defer b.guard(&returned)
	ok = b.tryLocked(b.now(), *n)
	returned = true
	return ok, nil
}

// selectSettle is settle for a Select that has come to wait, or has left. A panic of the clock unlocks the mutex.
func (b *TokenBucket) selectSettle() {
	returned := false
	defer b.guard(&returned)
	b.settle(b.now())
	returned = true
}

// guard is deferred around calls of the clock: if one panics, the mutex is unlocked.
func (b *TokenBucket) guard(returned *bool) {
	if !*returned {
		b.mu.Unlock()
	}
}

// begin is tryLocked, and sets the alarm for a caller that will be the first to wait. It unlocks
// the mutex if the clock panics.
func (b *TokenBucket) begin(now, n int64) (ok bool) {
	returned := false
	defer b.guard(&returned)
	waited := b.settle(now)
	if !waited {
		if ok, _ = b.take(&n); !ok {
			b.arm(now, n)
		}
	}
	returned = true
	return ok
}

func (b *TokenBucket) tryLocked(now, n int64) bool {
	if b.settle(now) {
		return false
	}
	ok, _ := b.take(&n)
	return ok
}

// Replenish adds n tokens, first for those who wait, in their order; what is left of them is added
// up to the capacity. The times at which others come stay as they are. A negative n panics.
func (b *TokenBucket) Replenish(n int) {
	b.check(n)
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance(now)
	b.give(uint64(n))
	b.settle(now)
}

// Available returns the number of tokens that can be taken at the moment: 0 while anybody waits.
func (b *TokenBucket) Available() int { return b.Stats().Available }

// TokenBucketStats is what a [TokenBucket] knows of itself at one moment.
type TokenBucketStats struct {
	Capacity  int  // tokens in the full bucket
	Available int  // tokens that can be taken; 0 while anybody waits
	Waiting   int  // callers in the queue
	Who       *Who // who waits, while core.Track is on; else nil
}

// Stats returns the state of the bucket at this moment of its clock.
func (b *TokenBucket) Stats() TokenBucketStats {
	b.check(0)
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	waited := b.settle(now)
	s := TokenBucketStats{Capacity: int(b.capacity), Waiting: b.queue.Len(), Who: b.queue.Who()}
	if !waited {
		s.Available = int(b.level)
	}
	return s
}

func (b *TokenBucket) check(n int) {
	switch {
	case n < 0:
		panic("xsync: negative number of tokens")
	case b.now == nil:
		panic("xsync: TokenBucket not made by NewTokenBucket")
	}
}

// take takes tokens for one who is first. Every token is taken here.
func (b *TokenBucket) take(n *int64) (bool, error) {
	if *n > b.level {
		return false, nil
	}
	b.level -= *n
	return true, nil
}

// give adds n tokens, more than the capacity if need be. Every token is given here.
func (b *TokenBucket) give(n uint64) {
	if n > uint64(math.MaxInt64-b.level) {
		b.level = math.MaxInt64
	} else {
		b.level += int64(n)
	}
}

// settle brings everything up to date: the tokens, those who can have theirs, and the alarm. It reports whether
// anybody waits: to ask the queue once more is to hear of a Select that has won something else since, and has
// left more tokens than an empty queue may have.
func (b *TokenBucket) settle(now int64) (waited bool) {
	b.advance(now)
	b.queue.Settle(b.take)
	if first := b.queue.First(); first != nil {
		b.arm(now, *first)
		return true
	}
	b.disarm()
	if b.level >= b.capacity {
		b.level, b.frac = b.capacity, 0
	}
	return false
}

// advance gives the tokens that have come up to now.
func (b *TokenBucket) advance(now int64) {
	if b.fill == 0 || now <= b.last {
		return
	}
	d, capacity, fill := uint64(now-b.last), uint64(b.capacity), uint64(b.fill)
	if b.mode == Discrete {
		periods := d / fill
		b.last += int64(periods * fill)
		b.give(times(periods, capacity))
		return
	}
	b.last = now
	// What comes in d is d·capacity/fill, which can take 128 bits.
	hi, lo := bits.Mul64(d, capacity)
	lo, carry := bits.Add64(lo, b.frac, 0)
	hi += carry
	if hi >= fill {
		b.frac = 0
		b.give(math.MaxUint64)
		return
	}
	n, rest := bits.Div64(hi, lo, fill)
	b.frac = rest
	b.give(n)
}

// due returns the time at which there will be n tokens, which is later than last.
func (b *TokenBucket) due(n int64) int64 {
	missing, capacity, fill := uint64(n-b.level), uint64(b.capacity), uint64(b.fill)
	var wait uint64
	if b.mode == Discrete {
		wait = times((missing-1)/capacity+1, fill)
	} else {
		// The smallest d for which d·capacity + frac ≥ missing·fill.
		hi, lo := bits.Mul64(missing, fill)
		lo, borrow := bits.Sub64(lo, b.frac, 0)
		lo, carry := bits.Add64(lo, capacity-1, 0)
		hi += carry - borrow
		if hi >= capacity {
			return math.MaxInt64
		}
		wait, _ = bits.Div64(hi, lo, capacity)
	}
	if wait > uint64(math.MaxInt64-b.last) {
		return math.MaxInt64
	}
	return b.last + int64(wait)
}

// times returns the product, or the largest number if that is too small for it.
func times(a, b uint64) uint64 {
	if hi, lo := bits.Mul64(a, b); hi == 0 {
		return lo
	}
	return math.MaxUint64
}

// arm sets the alarm for the moment when there will be n tokens.
func (b *TokenBucket) arm(now, n int64) {
	if b.fill == 0 {
		return
	}
	due := b.due(n)
	if b.alarm != nil && b.alarm.due == due {
		return
	}
	b.disarm()
	a := &alarm{due: due}
	a.stop = b.after(time.Duration(due-max(now, b.last)), func() { b.ring(a) })
	b.alarm = a
}

func (b *TokenBucket) disarm() {
	if b.alarm != nil {
		b.alarm.stop()
		b.alarm = nil
	}
}

func (b *TokenBucket) ring(a *alarm) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.alarm == a {
		b.alarm = nil // or it would count as armed, if the clock says that it is too early
	}
	b.settle(now)
}
