package dispatch_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/internal/seam"
)

// addTimer is AddTimer where it must succeed.
func addTimer(tb testing.TB, d *dispatch.Dispatcher, t time.Duration, oneshot bool, cb func() bool) *dispatch.Timer {
	tb.Helper()
	tm, err := d.AddTimer(t, oneshot, cb)
	must(tb, err)
	return tm
}

// TestAddTimer has the times at which a timer runs that was added at time 100 with a period of 10,
// for what the callback takes, and for how late the loop comes.
func TestAddTimer(t *testing.T) {
	for _, c := range []struct {
		name string
		late map[int]int64 // the loop comes that much after the time of run i
		busy map[int]int64 // run i takes that long
		want []int64
	}{
		{name: "in time", want: []int64{110, 120, 130, 140}},
		{name: "late", late: map[int]int64{0: 3, 1: 9}, want: []int64{113, 129, 130, 140}},
		{name: "late by a period", late: map[int]int64{1: 10}, want: []int64{110, 130, 140, 150}},
		{name: "late by many", late: map[int]int64{0: 35}, want: []int64{145, 150, 160, 170}},
		{name: "busy", busy: map[int]int64{0: 9}, want: []int64{110, 120, 130}},
		{name: "busy for a period", busy: map[int]int64{0: 10}, want: []int64{110, 120, 130}},
		// That of 120 is late, those of 130 are not made up for.
		{name: "busy for many", busy: map[int]int64{0: 25}, want: []int64{110, 135, 140, 150}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, v := openVirtual(t)
			v.now = 100
			var at []int64
			addTimer(t, d, 10, false, func() bool {
				at = append(at, v.now)
				v.now += c.busy[len(at)-1]
				return len(at) == len(c.want)
			})
			s := v.sim()
			s.Sleep = func(next int64, armed bool) bool {
				v.now = max(v.now, next) + c.late[len(at)]
				return armed
			}
			simulate(d, s)
			for d.Pending() > 0 {
				_, err := d.Poll(-1)
				must(t, err)
			}
			if !slices.Equal(at, c.want) {
				t.Errorf("ran at %v, want %v", at, c.want)
			}
		})
	}
}

func TestAddTimerRefused(t *testing.T) {
	d := open(t, dispatch.Config{})
	never := func() bool { t.Error("ran"); return true }
	refuses := func(length time.Duration, want error) {
		t.Helper()
		for _, oneshot := range []bool{false, true} {
			if tm, err := d.AddTimer(length, oneshot, never); tm != nil || err != want {
				t.Errorf("AddTimer(%v, %t) = %v, %v, want %v", length, oneshot, tm, err, want)
			}
		}
	}
	for _, length := range []time.Duration{0, -1, math.MinInt64} {
		refuses(length, dispatch.ErrDuration)
	}
	if p := panicOf(func() { _, _ = d.AddTimer(1, false, nil) }); p != "dispatch: nil callback" {
		t.Errorf("AddTimer(nil): %v", p)
	}
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	left := addTimer(t, d, time.Hour, false, never)
	d.CallSoon(func() { refuses(1, dispatch.ErrClosed) }) // Close has begun
	must(t, d.Close())
	refuses(1, dispatch.ErrClosed)
	if left.Stop() || left.Reset(1) || left.Stop() {
		t.Error("a timer was armed on a closed dispatcher")
	}
}

// TestStopAfterClose: a timer that had expired when Close came to its end is not armed either.
func TestStopAfterClose(t *testing.T) {
	d, v := openVirtual(t)
	fn := func() { panic("keeps the others from their turn") }
	for range 3 * dispatch.LastTurns {
		_ = d.Post(fn)
	}
	tm := d.AfterFunc(1, func() { t.Error("ran") })
	v.now = 5 * int64(time.Second)
	_ = panicOf(func() { turn(t, d) }) // it is behind the others in the FIFO
	v.now = math.MaxInt64              // Close has no time left
	_ = panicOf(func() { _ = d.Close() })
	if tm.Stop() {
		t.Error("Stop = true on a closed dispatcher")
	}
}

func TestAddTimerOneshot(t *testing.T) {
	d, v := openVirtual(t)
	var at []int64
	tm := addTimer(t, d, 10, true, func() bool { at = append(at, v.now); return false })
	for range 2 {
		_, err := d.Poll(-1)
		must(t, err)
		if n := d.Pending(); n != 0 || tm.Stop() {
			t.Errorf("%d pending after the only run", n)
		}
		tm.Reset(5)
	}
	tm.Reset(-5)
	turn(t, d)
	if want := []int64{10, 15, 15}; !slices.Equal(at, want) {
		t.Errorf("ran at %v, want %v", at, want)
	}
}

// TestAddTimerEnds: a run may end the timer by Stop, by its answer, or by both, and a Reset
// starts it again.
func TestAddTimerEnds(t *testing.T) {
	for _, stop := range []bool{false, true} {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprint(stop, done), func(t *testing.T) {
				d, v := openVirtual(t)
				var at []int64
				var tm *dispatch.Timer
				tm = addTimer(t, d, 10, false, func() bool {
					at = append(at, v.now)
					if stop && len(at) == 2 && !tm.Stop() {
						t.Error("Stop = false for a timer that would run again")
					}
					if done && len(at) == 2 {
						tm.Reset(1) // for nothing
						return true
					}
					return false
				})
				for range 2 {
					_, err := d.Poll(-1)
					must(t, err)
				}
				if stop || done {
					if n, err := d.Poll(-1); n != 0 || err != dispatch.ErrIdle {
						t.Errorf("Poll = %d, %v", n, err)
					}
				}
				if was := tm.Stop(); was == (stop || done) {
					t.Errorf("Stop = %t", was)
				}
				if tm.Reset(3) {
					t.Error("Reset = true for a stopped timer")
				}
				for range 2 {
					_, err := d.Poll(-1)
					must(t, err)
				}
				if want := []int64{10, 20, 23, 26}; !slices.Equal(at, want) {
					t.Errorf("ran at %v, want %v", at, want)
				}
			})
		}
	}
}

// TestAddTimerStopInSameTurn: Stop and Reset undo a run that is in the FIFO already.
func TestAddTimerStopInSameTurn(t *testing.T) {
	d, v := openVirtual(t)
	var r record
	var tm *dispatch.Timer
	d.CallSoon(func() {
		if !tm.Stop() || tm.Stop() {
			t.Error("want true, then false")
		}
	})
	tm = addTimer(t, d, 10, false, func() bool { r.does("run")(); return false })
	v.now = 10
	turn(t, d)
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
	tm.Reset(10)
	d.CallSoon(func() {
		if !tm.Reset(7) {
			t.Error("Reset = false")
		}
	})
	v.now = 20
	turn(t, d)
	r.want(t)
	_, err := d.Poll(-1)
	must(t, err)
	r.want(t, "run")
	if v.now != 27 {
		t.Errorf("it ran at %d, want 27", v.now)
	}
}

func TestAddTimerReset(t *testing.T) {
	d, v := openVirtual(t)
	var at []int64
	tm := addTimer(t, d, 10, false, func() bool { at = append(at, v.now); return false })
	run := func(n int) {
		for range n {
			_, err := d.Poll(-1)
			must(t, err)
		}
	}
	run(1) // 10
	tm.Reset(3)
	run(2) // 13, 16
	tm.Reset(100)
	run(2)
	for _, length := range []time.Duration{0, -1, math.MinInt64} {
		if p := panicOf(func() { tm.Reset(length) }); p != "dispatch: period not positive" {
			t.Errorf("Reset(%d): %v", length, p)
		}
	}
	run(1)
	if want := []int64{10, 13, 16, 116, 216, 316}; !slices.Equal(at, want) {
		t.Errorf("ran at %v, want %v", at, want)
	}
	// The end of time is one deadline, with none behind it.
	for _, length := range []time.Duration{math.MaxInt64, math.MaxInt64 - 400, math.MaxInt64/2 + 1} {
		at, v.now = nil, 316
		tm.Reset(length)
		v.now = math.MaxInt64
		if n := turn(t, d); n != 1 || len(at) != 1 {
			t.Errorf("%d runs at the end of time", n)
		}
		if n := d.Pending(); n != 0 {
			t.Errorf("%d pending behind the end of time", n)
		}
	}
}

// TestAddTimerPanics: the panic leaves Poll, and the next run comes at its time.
func TestAddTimerPanics(t *testing.T) {
	d, v := openVirtual(t)
	var at []int64
	tm := addTimer(t, d, 10, false, func() bool {
		if at = append(at, v.now); len(at) == 1 {
			panic("first")
		}
		return false
	})
	if p := panicOf(func() { _, _ = d.Poll(-1) }); p != "first" {
		t.Errorf("the panic left Poll as %v", p)
	}
	_, err := d.Poll(-1)
	must(t, err)
	if want := []int64{10, 20}; !slices.Equal(at, want) {
		t.Errorf("ran at %v, want %v", at, want)
	}
	if !tm.Stop() {
		t.Error("Stop = false")
	}
}

// TestAddTimerOneRunQueued: while a run waits for its turn no other joins it.
func TestAddTimerOneRunQueued(t *testing.T) {
	d, v := openVirtual(t)
	ran := false
	tm := addTimer(t, d, 10, false, func() bool { ran = true; return false })
	s := v.sim()
	waits, most := 40, 0
	s.Choose = func(fifo []seam.Runnable) int {
		ready := len(fifo)
		most = max(most, ready)
		return ready - 1 // the callback that adds itself, which is not ahead of the timer for long
	}
	s.Step = func() bool { v.now++; return true }
	simulate(d, s)
	var again func()
	again = func() {
		if waits--; waits > 0 {
			d.CallSoon(again)
		}
	}
	d.AfterFunc(10, again)
	for !ran {
		_, err := d.Poll(-1)
		must(t, err)
	}
	if waits > 0 || most > 2 {
		t.Errorf("%d were ready at once, with %d periods to wait", most, waits/10)
	}
	tm.Stop()
}

// TestAddTimerFromElsewhere stops and resets timers on other goroutines while they run: behind
// Stop and one more turn there is no run.
func TestAddTimerFromElsewhere(t *testing.T) {
	d := open(t, dispatch.Config{})
	loop := start(t, d)
	const workers, each = 4, 100
	done := make(chan bool, workers)
	for w := range workers {
		go func() {
			ran, turned := make(chan bool, 1), make(chan bool)
			var stopped atomic.Bool
			for range each {
				stopped.Store(false)
				tm, err := d.AddTimer(time.Duration(w+1)*10*time.Microsecond, false, func() bool {
					if stopped.Load() {
						t.Error("ran after Stop")
					}
					select {
					case ran <- true:
					default:
					}
					return false
				})
				if err != nil {
					t.Error(err)
					break
				}
				<-ran
				tm.Reset(time.Duration(w+1) * 5 * time.Microsecond)
				<-ran
				if !tm.Stop() {
					t.Error("Stop = false for a timer that repeats")
				}
				_ = d.Post(func() { turned <- true })
				<-turned
				stopped.Store(true)
				select {
				case <-ran:
				default:
				}
			}
			done <- true
		}()
	}
	for range workers {
		<-done
	}
	loop()
	if n := d.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

// TestPatience: among others, a deadline that is over when the loop is about to sleep is not
// taken for one that never comes.
func TestPatience(t *testing.T) {
	for _, c := range []struct {
		limit, next int64
		armed       bool
		want        int64
	}{
		{-1, 0, false, -1},
		{7, 0, false, 7},
		{math.MaxInt64, 0, false, -1},
		{-1, 130, true, 30},
		{7, 130, true, 7},
		{70, 130, true, 30},
		{-1, 100, true, 0},
		{-1, 99, true, 0},
		{7, 0, true, 0},
		{-1, math.MaxInt64, true, math.MaxInt64 - 100},
		{7, math.MaxInt64, true, 7},
		{math.MaxInt64, math.MaxInt64, true, math.MaxInt64 - 100},
	} {
		if got := dispatch.Patience(c.limit, c.next, c.armed, 100); got != c.want {
			t.Errorf("%+v at 100: sleeps for %d", c, got)
		}
	}
}

// TestManyTimers: of a hundred thousand most are stopped, others reset, and the rest run in
// order, each once.
func TestManyTimers(t *testing.T) {
	d, v := openVirtual(t)
	r := rand.New(rand.NewPCG(1, 2))
	const n = 100_000
	last, runs := int64(0), 0
	timers := make([]*dispatch.Timer, n)
	for i := range timers {
		timers[i] = d.AfterFunc(time.Duration(r.Int64N(int64(time.Hour))), func() {
			if runs++; v.now < last {
				t.Errorf("time went back from %d to %d", last, v.now)
			}
			last = v.now
		})
	}
	for i, tm := range timers {
		switch {
		case i%4 != 0:
			tm.Stop()
		case i%8 == 0:
			tm.Reset(time.Duration(r.Int64N(int64(time.Minute))))
		}
	}
	for d.Pending() > 0 {
		if _, err := d.Poll(-1); err != nil {
			t.Fatal(err)
		}
	}
	if runs != n/4 {
		t.Errorf("%d ran, want %d", runs, n/4)
	}
}

// TestTimerMemory holds what AfterFunc's documentation says.
func TestTimerMemory(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) == 8 && unsafe.Sizeof(dispatch.Timer{}) != 32 {
		t.Errorf("a Timer has %d bytes, want 32", unsafe.Sizeof(dispatch.Timer{}))
	}
	d, _ := openVirtual(t)
	fn, cb := func() {}, func() bool { return false }
	for name, arm := range map[string]func(){
		"AfterFunc": func() { d.AfterFunc(time.Hour, fn).Stop() },
		"AddTimer": func() {
			tm, _ := d.AddTimer(time.Hour, false, cb)
			tm.Stop()
		},
	} {
		if n := testing.AllocsPerRun(100, arm); n != 1 {
			t.Errorf("%s allocates %v times, want 1", name, n)
		}
	}

	// What a burst takes, and that it is given back.
	heap := func() int64 {
		runtime.GC()
		runtime.GC() // what has finalizers goes in the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const n = 100_000
	timers := make([]*dispatch.Timer, n)
	before := heap()
	for i := range timers {
		timers[i] = d.AfterFunc(time.Hour, fn)
	}
	if each := (heap() - before) / n; each > 64+64/3 { // the slice may have room for a quarter more
		t.Errorf("an armed timer takes %d bytes", each)
	}
	for i, tm := range timers {
		tm.Stop()
		timers[i] = nil
	}
	if left := heap() - before; left > n {
		t.Errorf("%d bytes are left of %d stopped timers", left, n)
	}
	runtime.KeepAlive(timers)
}
