package turnstileprom_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	turnstileprom "github.com/seed-1e54c410/turnstile/contrib/prometheus"
	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func newDispatcher(t *testing.T) *dispatch.Dispatcher {
	t.Helper()
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// scrape returns what a registry with c shows, over HTTP and in the text format.
func scrape(t *testing.T, c prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		t.Fatalf("%s: %s", response.Status, text)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// gather is scrape without the network, for bubbles.
func gather(t *testing.T, c prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(c)
	list, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	families := map[string]*dto.MetricFamily{}
	for _, f := range list {
		families[f.GetName()] = f
	}
	return families
}

// value returns the value of the one series whose labels contain these pairs.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) (v float64, ok bool) {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && have[labels[i]] == labels[i+1]
		}
		if !matches {
			continue
		}
		if ok {
			t.Errorf("%s%q: more than one", name, labels)
		}
		ok = true
		if v = m.GetGauge().GetValue(); m.Counter != nil {
			v = m.GetCounter().GetValue()
		}
	}
	return v, ok
}

func want(t *testing.T, families map[string]*dto.MetricFamily, v float64, name string, labels ...string) {
	t.Helper()
	if got, ok := value(t, families, name, labels...); got != v || !ok {
		t.Errorf("%s%q = %v, %t, want %v", name, labels, got, ok, v)
	}
}

func wantNone(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) {
	t.Helper()
	if got, ok := value(t, families, name, labels...); ok {
		t.Errorf("%s%q = %v, want none", name, labels, got)
	}
}

// TestScrape: a server with the collector is scraped, and what it says is what Stats and Sites say.
func TestScrape(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	d, idle := newDispatcher(t), newDispatcher(t)
	c := turnstileprom.New()
	c.Add("main", d)
	c.Add("idle", idle)
	if err := core.RunOn(t.Context(), d, func(ctx context.Context) error {
		gate := core.NewOwned[int](func(error) {})
		for range 3 {
			core.Start(ctx, func(ctx context.Context) error { _, err := gate.Await(ctx); return err })
		}
		done := core.Completed(1)
		_, _ = done.Await(ctx)
		d.AfterFunc(time.Hour, func() {})
		var sites []core.SiteInfo
		families, err := core.Blocking(ctx, func(context.Context) (map[string]*dto.MetricFamily, error) {
			for d.Stats().Tasks < 4 { // until the loop has told that it is about to sleep
				runtime.Gosched()
			}
			sites = core.Sites()
			return scrape(t, c), nil
		})
		if err != nil {
			return err
		}
		s := d.Stats()
		for name, v := range map[string]float64{
			"turns_total": float64(s.Turns), "callbacks_total": float64(s.Callbacks), "polls_total": float64(s.Polls), "wakes_total": float64(s.Wakes),
			"tasks": 4, "timers": 1, "holds": 4, "blocking_functions": 1, "operations": 0,
			"watches": 0, "processes": 0, "descriptors": 0, "events": 0, "signals": 0, "open": 1,
		} {
			if strings.HasSuffix(name, "_total") { // the loop has gone on since
				if got, ok := value(t, families, "turnstile_dispatcher_"+name, "dispatcher", "main"); !ok || got > v {
					t.Errorf("%s = %v, %t, want at most %v", name, got, ok, v)
				}
				continue
			}
			want(t, families, v, "turnstile_dispatcher_"+name, "dispatcher", "main")
		}
		want(t, families, 0, "turnstile_dispatcher_tasks", "dispatcher", "idle")
		want(t, families, 0, "turnstile_dispatcher_coroutines", "dispatcher", "main", "state", "idle")
		want(t, families, 0, "turnstile_dispatcher_coroutines", "dispatcher", "main", "state", "parked")
		for _, s := range sites {
			labels := []string{"function", s.Function, "file", s.File[strings.LastIndexByte(s.File, '/')+1:], "line", strconv.Itoa(s.Line)}
			want(t, families, float64(s.Pending), "turnstile_futures_pending", labels...)
			want(t, families, float64(s.Created), "turnstile_futures_created_total", labels...)
			want(t, families, float64(s.Finished), "turnstile_futures_finished_total", labels...)
			want(t, families, float64(s.Dropped), "turnstile_futures_dropped_total", labels...)
		}
		n := 0
		for _, m := range families["turnstile_futures_pending"].GetMetric() {
			n += int(m.GetGauge().GetValue())
		}
		if turns, _ := value(t, families, "turnstile_dispatcher_turns_total", "dispatcher", "main"); turns == 0 {
			t.Error("no turns")
		}
		if n != 6 { // main, the future of Blocking, the gate, and those that wait for it
			t.Errorf("%d pending, want 6", n)
		}
		gate.Complete(1)
		return nil
	}); err != nil {
		t.Error(err)
	}
	core.Track(false)
	if families := scrape(t, c); families["turnstile_futures_pending"] != nil {
		t.Error("there are figures of the tracking, which is off")
	}
	closeAll(t, d, idle)
}

func closeAll(t *testing.T, ds ...*dispatch.Dispatcher) {
	t.Helper()
	for _, d := range ds {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLint: Prometheus has nothing to say against the names and texts.
func TestLint(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	f := core.NewFuture[int]()
	defer f.Complete(1)
	d := newDispatcher(t)
	c := turnstileprom.New()
	c.Add("main", d)
	problems, err := testutil.CollectAndLint(c)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if n := testutil.CollectAndCount(c); n < 20 {
		t.Errorf("%d series", n)
	}
	closeAll(t, d)
}

// TestLag: the lag is that of the last probe, or of the one that still waits.
func TestLag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const lag = "turnstile_dispatcher_lag_seconds"
		d := newDispatcher(t)
		c := turnstileprom.New()
		c.Add("d", d)
		wantNone(t, gather(t, c), lag) // posts the first probe, and nobody turns the loop
		for seconds := range 3 {
			want(t, gather(t, c), float64(seconds), lag)
			if n := d.Pending(); n != 1 {
				t.Errorf("%d pending, want one probe", n)
			}
			time.Sleep(time.Second)
		}
		turn := func() {
			t.Helper()
			if n, err := d.Poll(0); n != 1 || err != nil {
				t.Errorf("Poll = %d, %v", n, err)
			}
		}
		turn()
		time.Sleep(time.Minute)
		want(t, gather(t, c), 3, lag)
		time.Sleep(time.Second)
		turn()
		want(t, gather(t, c), 1, lag)
		turn()
		want(t, gather(t, c), 0, lag)
		want(t, gather(t, c), 0, lag)
		time.Sleep(time.Second)
		// A scrape does not wait for a loop that hangs.
		held, release := make(chan struct{}), make(chan struct{})
		d.CallSoon(func() { close(held); <-release })
		go func() { _, _ = d.Poll(0) }()
		<-held
		_, _ = value(t, gather(t, c), lag)
		time.Sleep(time.Hour)
		want(t, gather(t, c), 3600, lag)
		close(release)
		synctest.Wait()
		closeAll(t, d)
		families := gather(t, c)
		wantNone(t, families, lag)
		want(t, families, 0, "turnstile_dispatcher_open")
	})
}

// TestClosedWithProbe: a dispatcher that is closed before its probe has run has no lag.
func TestClosedWithProbe(t *testing.T) {
	d := newDispatcher(t)
	c := turnstileprom.New()
	c.Add("d", d)
	d.CallSoon(func() {
		gather(t, c)
		want(t, gather(t, c), 1, "turnstile_dispatcher_open")
		_ = d.Close() // ErrRunning: it is closing from now on
		families := gather(t, c)
		wantNone(t, families, "turnstile_dispatcher_lag_seconds")
		want(t, families, 0, "turnstile_dispatcher_open")
	})
	if _, err := d.Poll(0); err != dispatch.ErrClosed {
		t.Errorf("Poll() = %v", err)
	}
	families := gather(t, c)
	wantNone(t, families, "turnstile_dispatcher_lag_seconds")
	want(t, families, 0, "turnstile_dispatcher_open")
}

// TestAddRemove: names are unique, and free again after remove.
func TestAddRemove(t *testing.T) {
	d := newDispatcher(t)
	c := turnstileprom.New()
	remove := c.Add("d", d)
	for _, add := range []func(){
		func() { c.Add("d", d) },
		func() { c.Add("e", nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			add()
		}()
	}
	remove()
	if len(gather(t, c)) != 0 {
		t.Error("it is still shown")
	}
	defer c.Add("d", d)()
	remove() // of the one before
	want(t, gather(t, c), 1, "turnstile_dispatcher_open", "dispatcher", "d")
	closeAll(t, d)
}

// TestTogether: scrapes, changes and a running loop at the same time.
func TestTogether(t *testing.T) {
	core.Track(true)
	defer core.Track(false)
	c := turnstileprom.New()
	d := newDispatcher(t)
	c.Add("main", d)
	var wg sync.WaitGroup
	if err := core.RunOn(t.Context(), d, func(ctx context.Context) error {
		for range 2 {
			wg.Go(func() {
				for range 50 {
					gather(t, c)
				}
			})
		}
		wg.Go(func() {
			for range 50 {
				c.Add("other", d)()
			}
		})
		for range 200 {
			if err := core.Start(ctx, func(ctx context.Context) error { return core.Yield(ctx) }).Wait(ctx); err != nil {
				return err
			}
		}
		_, err := core.Blocking(ctx, func(context.Context) (int, error) { wg.Wait(); return 0, nil })
		return err
	}); err != nil {
		t.Error(err)
	}
	closeAll(t, d)
}
