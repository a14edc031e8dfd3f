package turnstileprom

import (
	"errors"
	"math"
	"path"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

// Collector is a prometheus.Collector. It is made by [New], and registered at any registry, once at
// each. It is safe for concurrent use.
type Collector struct {
	mu    sync.Mutex
	loops map[string]*loop
}

// New returns a collector that shows the tracking, and the dispatchers that are added to it.
func New() *Collector { return &Collector{loops: map[string]*loop{}} }

// Add makes the collector show d, with name as the value of the label dispatcher, until remove is
// called. It panics if there is one of this name already: each needs its own. A dispatcher that
// is closed is still shown, as that. Calling remove again does nothing.
func (c *Collector) Add(name string, d *dispatch.Dispatcher) (remove func()) {
	if d == nil {
		panic("turnstileprom: Add of a nil dispatcher")
	}
	l := &loop{d: d}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loops[name] != nil {
		panic("turnstileprom: there is a dispatcher " + strconv.Quote(name) + " already")
	}
	c.loops[name] = l
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.loops[name] == l {
			delete(c.loops, name)
		}
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	for _, m := range sums {
		out <- m.desc
	}
	for _, m := range gauges {
		out <- m.desc
	}
	for _, d := range []*prometheus.Desc{open, lag, coroutines, pending, created, finished, dropped} {
		out <- d
	}
}

// Collect implements prometheus.Collector. It does not wait for a loop.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	loops := make(map[string]*loop, len(c.loops))
	for name, l := range c.loops {
		loops[name] = l
	}
	c.mu.Unlock()
	for name, l := range loops {
		l.collect(out, name)
	}
	collectSites(out)
}

// measure is one figure of dispatch.Stats.
type measure struct {
	desc *prometheus.Desc
	of   func(s dispatch.Stats) float64
}

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("turnstile_dispatcher_"+name, help, append([]string{"dispatcher"}, labels...), nil)
}

var sums = []measure{
	{newDesc("turns_total", "Turns that the loop has made."), func(s dispatch.Stats) float64 { return float64(s.Turns) }},
	{newDesc("callbacks_total", "Callbacks that have run, resumed tasks among them."), func(s dispatch.Stats) float64 { return float64(s.Callbacks) }},
	{newDesc("polls_total", "Times the operating system was asked which descriptors are ready."), func(s dispatch.Stats) float64 { return float64(s.Polls) }},
	{newDesc("wakes_total", "Sleeps of the loop that were ended by posts and other calls."), func(s dispatch.Stats) float64 { return float64(s.Wakes) }},
}

var gauges = []measure{
	{newDesc("ready_callbacks", "Callbacks that are posted or in the ready FIFO."), func(s dispatch.Stats) float64 { return float64(s.Ready) }},
	{newDesc("idle_callbacks", "Callbacks that wait for an idle turn."), func(s dispatch.Stats) float64 { return float64(s.Idle) }},
	{newDesc("timers", "Timers that are armed."), func(s dispatch.Stats) float64 { return float64(s.Timers) }},
	{newDesc("watches", "Watches of descriptors and processes."), func(s dispatch.Stats) float64 { return float64(s.Watches) }},
	{newDesc("processes", "Watches of processes that have not ended."), func(s dispatch.Stats) float64 { return float64(s.Processes) }},
	{newDesc("operations", "Operations under way."), func(s dispatch.Stats) float64 { return float64(s.Operations) }},
	{newDesc("holds", "Holds, also those of tasks."), func(s dispatch.Stats) float64 { return float64(s.Holds) }},
	{newDesc("descriptors", "Registered descriptors, those of connections among them."), func(s dispatch.Stats) float64 { return float64(s.Descriptors) }},
	{newDesc("events", "Registered events."), func(s dispatch.Stats) float64 { return float64(s.Events) }},
	{newDesc("signals", "Watches of signals."), func(s dispatch.Stats) float64 { return float64(s.Signals) }},
	{newDesc("tasks", "Tasks that have begun and not ended."), func(s dispatch.Stats) float64 { return float64(s.Tasks) }},
	{newDesc("blocking_functions", "Functions of core.Blocking that run."), func(s dispatch.Stats) float64 { return float64(s.Blocking) }},
}

var (
	open       = newDesc("open", "1, or 0 once the dispatcher is closed.")
	lag        = newDesc("lag_seconds", "Time from a post to its turn, as last measured, or for as long as a probe has been waiting.")
	coroutines = newDesc("coroutines", "Coroutines without a task.", "state")
)

var siteLabels = []string{"function", "file", "line"}

var (
	pending  = prometheus.NewDesc("turnstile_futures_pending", "Futures and tasks that have not ended, by the place they were made at.", siteLabels, nil)
	created  = prometheus.NewDesc("turnstile_futures_created_total", "Futures and tasks that were made, by place.", siteLabels, nil)
	finished = prometheus.NewDesc("turnstile_futures_finished_total", "Futures and tasks that have ended, by the place they were made at.", siteLabels, nil)
	dropped  = prometheus.NewDesc("turnstile_futures_dropped_total", "Futures that nobody can reach any more and that were never finished, by the place they were made at.", siteLabels, nil)
)

// loop is a dispatcher and its probe.
type loop struct {
	d *dispatch.Dispatcher

	mu       sync.Mutex
	posted   time.Time // zero: no probe is under way
	measured bool
	last     time.Duration
}

func (l *loop) collect(out chan<- prometheus.Metric, name string) {
	late, known, isOpen := l.probe()
	s := l.d.Stats()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{name}, labels...)...)
	}
	for _, m := range sums {
		out <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, m.of(s), name)
	}
	for _, m := range gauges {
		gauge(m.desc, m.of(s))
	}
	gauge(coroutines, float64(s.IdleCoroutines), "idle")
	gauge(coroutines, float64(s.ParkedCoroutines), "parked")
	if isOpen {
		gauge(open, 1)
	} else {
		gauge(open, 0)
	}
	if known {
		gauge(lag, late.Seconds())
	}
}

// probe returns the lag of the loop, if it is known, and posts the next probe, if there is none.
func (l *loop) probe() (late time.Duration, known, isOpen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	late, known = l.last, l.measured
	now := time.Now()
	if !l.posted.IsZero() {
		if closed(l.d) {
			return 0, false, false
		}
		return max(late, now.Sub(l.posted)), true, true
	}
	if l.d.Post(l.ran) != nil {
		return 0, false, false
	}
	l.posted = now
	return late, known, true
}

// closed reports whether d refuses what is new, without leaving anything there.
func closed(d *dispatch.Dispatcher) bool {
	t, err := d.AddTimer(math.MaxInt64, true, func() bool { return true })
	if err == nil {
		t.Stop()
	}
	return errors.Is(err, dispatch.ErrClosed)
}

// ran comes on the loop.
func (l *loop) ran() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last, l.measured, l.posted = time.Since(l.posted), true, time.Time{}
}

// collectSites tells what tracking has counted.
func collectSites(out chan<- prometheus.Metric) {
	type labels struct{ function, file, line string }
	sites := map[labels]core.SiteInfo{} // of two files with one name the sum
	for _, s := range core.Sites() {
		l := labels{s.Function, path.Base(s.File), strconv.Itoa(s.Line)}
		sum := sites[l]
		sum.Pending += s.Pending
		sum.Created += s.Created
		sum.Finished += s.Finished
		sum.Dropped += s.Dropped
		sites[l] = sum
	}
	for l, s := range sites {
		tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64) {
			out <- prometheus.MustNewConstMetric(d, kind, v, l.function, l.file, l.line)
		}
		tell(pending, prometheus.GaugeValue, float64(s.Pending))
		tell(created, prometheus.CounterValue, float64(s.Created))
		tell(finished, prometheus.CounterValue, float64(s.Finished))
		tell(dropped, prometheus.CounterValue, float64(s.Dropped))
	}
}
