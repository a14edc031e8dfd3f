package timer_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/seed-1e54c410/turnstile/internal/timer"
)

type alarm struct {
	t    timer.Timer
	when int64
	n    int // order of arming
}

func (a *alarm) Timer() *timer.Timer { return &a.t }

// model is a queue as its documentation describes it: a sorted slice, beside a real one.
type model struct {
	tb    rapid.TB
	queue timer.Queue
	list  []*alarm
	armed int   // so far
	next  int64 // what Next has answered last; the end of time if nothing was armed
	told  bool  // Add has said since that there is an earlier one
}

// place is where a stands in the list, or would.
func (m *model) place(a *alarm) int {
	i, _ := slices.BinarySearchFunc(m.list, a, func(x, y *alarm) int {
		return cmp.Or(cmp.Compare(x.when, y.when), cmp.Compare(x.n, y.n))
	})
	return i
}

func (m *model) add(a *alarm, when int64) {
	a.when, a.n = when, m.armed
	m.armed++
	i := m.place(a)
	m.list = slices.Insert(m.list, i, a)
	m.told = m.queue.Add(a, when) || m.told
	if !m.told && when < m.next {
		m.tb.Fatalf("Add says nothing of a deadline of %d, before %d", when, m.next)
	}
	m.checkLen()
}

func (m *model) remove(a *alarm) {
	was := a.t.Armed()
	if i := m.place(a); was != (i < len(m.list) && m.list[i] == a) {
		m.tb.Fatalf("Armed = %t", was)
	} else if was {
		m.list = slices.Delete(m.list, i, i+1)
	}
	if got := m.queue.Remove(&a.t); got != was || a.t.Armed() {
		m.tb.Fatalf("Remove = %t, then armed %t; it was armed: %t", got, a.t.Armed(), was)
	}
	m.checkLen()
}

func (m *model) pop(now int64) *alarm {
	got, when := m.queue.Pop(now)
	if len(m.list) == 0 || m.list[0].when > now {
		if got != nil {
			m.tb.Fatalf("popped %v, which is not due at %d", got, now)
		}
		return nil
	}
	a := m.list[0]
	m.list = m.list[1:]
	if got != timer.Timed(a) || when != a.when || a.t.Armed() {
		m.tb.Fatalf("popped %v of %d, want %v", got, when, a)
	}
	m.checkLen()
	return a
}

func (m *model) clear() {
	var owners []*alarm
	for _, v := range m.queue.Clear() {
		owners = append(owners, v.(*alarm))
	}
	slices.SortFunc(owners, func(a, b *alarm) int { return m.place(a) - m.place(b) })
	if !slices.Equal(owners, m.list) {
		m.tb.Fatalf("cleared %v, want %v", owners, m.list)
	}
	for _, a := range owners {
		if a.t.Armed() {
			m.tb.Fatal("armed after Clear")
		}
	}
	m.list = nil
	m.checkLen()
}

func (m *model) checkLen() {
	if m.queue.Len() != len(m.list) {
		m.tb.Fatalf("Len = %d, want %d", m.queue.Len(), len(m.list))
	}
}

func (m *model) checkNext() {
	when, ok := m.queue.Next()
	if ok != (len(m.list) > 0) || ok && when != m.list[0].when {
		m.tb.Fatalf("Next = %d, %t with %d armed", when, ok, len(m.list))
	}
	m.next, m.told = when, false
	if !ok {
		m.next = math.MaxInt64
	}
}

// deadlines has few of each kind, so that many are equal.
var deadlines = []int64{0, 1, 2, 3, 4, 5, math.MinInt64, -1, 1 << 40, math.MaxInt64 - 1, math.MaxInt64}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := model{tb: t}
		alarms := make([]alarm, 40)
		one := rapid.Custom(func(t *rapid.T) *alarm { return &alarms[rapid.IntRange(0, len(alarms)-1).Draw(t, "i")] })
		when := rapid.SampledFrom(deadlines)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				if a := one.Draw(t, "alarm"); !a.t.Armed() {
					m.add(a, when.Draw(t, "when"))
				}
			},
			"again": func(t *rapid.T) {
				a := one.Draw(t, "alarm")
				m.remove(a)
				m.add(a, when.Draw(t, "when"))
			},
			"remove": func(t *rapid.T) { m.remove(one.Draw(t, "alarm")) },
			"pop":    func(t *rapid.T) { m.pop(when.Draw(t, "now")) },
			"next":   func(*rapid.T) { m.checkNext() },
			"clear": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "really") == 0 {
					m.clear()
				}
			},
			"": func(t *rapid.T) {
				m.checkLen()
				m.queue.Check(t)
			},
		})
	})
}

// FuzzModel reads pairs of bytes: which alarm, and what becomes of it.
func FuzzModel(f *testing.F) {
	f.Add([]byte{1, 5, 2, 5, 1, 200, 0, 240, 2, 4, 0, 250})
	f.Add([]byte("several timers that are armed in no order at all, and stopped"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		m := model{tb: t}
		var alarms [256]alarm
		for ; len(ops) > 1; ops = ops[2:] {
			a, what := &alarms[ops[0]], ops[1]
			switch {
			case what == 255:
				m.clear()
			case what >= 250:
				m.checkNext()
			case what >= 240:
				m.pop(deadlines[what%uint8(len(deadlines))])
			case what >= 160:
				m.remove(a)
			default:
				m.remove(a)
				m.add(a, int64(what/4))
			}
		}
		m.queue.Check(t)
		for m.pop(math.MaxInt64) != nil {
		}
	})
}

// TestModelLarge makes many operations on a queue that grows to thousands of timers and shrinks
// again, several times.
func TestModelLarge(t *testing.T) {
	m := model{tb: t}
	r := rand.New(rand.NewPCG(1, 2))
	alarms := make([]alarm, 5000)
	now := int64(0)
	near, far := 0, 0 // the most there were
	for i := range 100_000 {
		a := &alarms[r.IntN(len(alarms))]
		growing := i/10_000%2 == 0
		switch r.IntN(4) {
		case 0:
			m.remove(a)
		case 1:
			if !growing && m.pop(now) == nil {
				now += 50
			}
		default:
			if growing || r.IntN(4) == 0 {
				m.remove(a)
				m.add(a, now+r.Int64N(2000))
			}
		}
		if i%10 == 0 {
			m.checkNext()
		}
		if i%1000 == 0 {
			m.queue.Check(t)
		}
		near, far = max(near, m.queue.Len()-m.queue.Far()), max(far, m.queue.Far())
	}
	if near < 200 || far < 2000 {
		t.Errorf("at most %d were near and %d far: it tests too little", near, far)
	}
}

// TestBurst: room that a burst needed is given back, and nothing in what is left of it keeps
// a timer alive.
func TestBurst(t *testing.T) {
	const n = 200_000
	var q timer.Queue
	alarms := make([]alarm, n)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range alarms {
		q.Add(&alarms[i], r.Int64())
	}
	if most := n + n/2; q.Cap() > most {
		t.Errorf("room for %d timers, though %d are armed", q.Cap(), n)
	}
	for i := 0; i < n; i += 2 {
		q.Remove(&alarms[i].t)
	}
	last := int64(-1)
	for left := n / 2; left > 0; left-- {
		if left == n/10 {
			if most := 4*left + 4; q.Cap() > most {
				t.Errorf("room for %d timers, though %d are armed", q.Cap(), left)
			}
			if k := q.Kept(); k != 0 {
				t.Errorf("%d timers behind the end are not let go", k)
			}
		}
		v, when := q.Pop(math.MaxInt64)
		if v == nil || when < last {
			t.Fatalf("deadline %d after %d, with %d left", when, last, left)
		}
		last = when
	}
	if v, _ := q.Pop(math.MaxInt64); v != nil || q.Len() != 0 {
		t.Error("timers left over")
	}
	if most := 2 * 1024; q.Cap() > most || q.Kept() != 0 {
		t.Errorf("the empty queue has room for %d, and keeps %d", q.Cap(), q.Kept())
	}
}

// TestEdge: about one in 17 is put in order, more may join them, but when they have doubled the
// edge moves back.
func TestEdge(t *testing.T) {
	const n = 20_000
	var q timer.Queue
	alarms := make([]alarm, 2*n)
	r := rand.New(rand.NewPCG(7, 8))
	for i := range n {
		q.Add(&alarms[i], 1000+r.Int64N(1_000_000))
	}
	if near := q.Len() - q.Far(); near != 0 {
		t.Errorf("%d are near before anybody asks", near)
	}
	q.Next()
	near := q.Len() - q.Far()
	if near < 200 || near > n/2 {
		t.Fatalf("%d of %d are near", near, n)
	}
	more := near
	for i := range more {
		q.Add(&alarms[n+i], 1000-int64(i))
	}
	if got := q.Len() - q.Far(); got != near+more {
		t.Errorf("%d are near, want %d and %d", got, near, more)
	}
	q.Add(&alarms[2*n-1], 0)
	if got := q.Len() - q.Far(); got > near {
		t.Errorf("%d are near behind the move of the edge", got)
	}
	q.Check(t)
	if when, _ := q.Next(); when != min(0, 1001-int64(more)) {
		t.Errorf("Next = %d", when)
	}
}

func TestClear(t *testing.T) {
	m := model{tb: t}
	alarms := make([]alarm, 10)
	for i := range alarms {
		m.add(&alarms[i], int64(i))
	}
	m.clear()
	for i := range alarms {
		m.remove(&alarms[i])
	}
	m.add(&alarms[3], 7)
	if m.pop(6) != nil || m.pop(7) != &alarms[3] {
		t.Fatal("the queue cannot be used after Clear")
	}
}

// TestAllocs: in a heap that has room nothing is allocated.
func TestAllocs(t *testing.T) {
	var q timer.Queue
	var alarms [100]alarm
	if n := testing.AllocsPerRun(100, func() {
		for i := range alarms {
			q.Add(&alarms[i], int64(i*7%100))
		}
		for i := range alarms[:50] {
			q.Remove(&alarms[i].t)
		}
		for q.Len() > 0 {
			q.Pop(100)
		}
	}); n != 0 {
		t.Errorf("100 timers allocate %v times", n)
	}
}

// TestMemory holds what the documentation of dispatch.AfterFunc says of a timer's place.
func TestMemory(t *testing.T) {
	if word := strconv.IntSize; word == 64 && timer.ItemSize != 32 {
		t.Errorf("a place has %d bytes, want 32", timer.ItemSize)
	}
	if size := unsafe.Sizeof(timer.Timer{}); size != 8 {
		t.Errorf("a Timer has %d bytes, want 8", size)
	}
}
