//go:build unix

package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-1e54c410/turnstile/internal/check"
)

func TestMain(m *testing.M) { check.Main(m) }

// site listens inside the process, so that the server and its clients live in virtual time.
type site struct {
	conns chan net.Conn
	gone  chan struct{}
	close func()
}

func (s *site) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.gone:
		return nil, net.ErrClosed
	}
}

func (s *site) Close() error { s.close(); return nil }

func (s *site) Addr() net.Addr { return s }
func (*site) Network() string  { return "pipe" }
func (*site) String() string   { return "site.example" }

func (s *site) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case s.conns <- server:
		return client, nil
	case <-s.gone:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// crawl runs the program on a site that h serves, in virtual time. Its arguments may end with a URL.
func crawl(t *testing.T, h http.HandlerFunc, check func(code int, out string, took time.Duration), args ...string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		gone := make(chan struct{})
		s := &site{make(chan net.Conn), gone, sync.OnceFunc(func() { close(gone) })}
		server := &httptest.Server{Listener: s, Config: &http.Server{Handler: h}}
		server.Start()
		defer server.Close()
		client := &http.Client{Transport: &http.Transport{DialContext: s.dial}}
		var out, errs bytes.Buffer
		began := time.Now()
		if !strings.HasPrefix(args[len(args)-1], server.URL) {
			args = append(args, server.URL)
		}
		code := run(t.Context(), args, client, &out, &errs)
		check(code, strings.ReplaceAll(out.String(), server.URL, ""), time.Since(began))
		if errs.Len() > 0 {
			t.Errorf("stderr %q", &errs)
		}
	})
}

const demoPages = `200 /
      /slow/1
      /slow/2
      /flaky
      /never
      /gone
      /loop/a
      /deep/
      /
      https://b.example/
200 /slow/1
      /
200 /slow/2
      /slow/1
      /slow/3?a=1&b=2
200 /flaky (3 tries)
      /loop/b
000 /never: no page within 2s
404 /gone
200 /loop/a
      /loop/b
200 /deep/
      /deep/deeper/
200 /slow/3?a=1&b=2
200 /loop/b
      /loop/a
      /loop/b
200 /deep/deeper/
      /deep/deeper/deeper/
11 pages, 2 failed
`

// TestDemo crawls the site of -demo: however many pages are fetched at the same time, they come in the
// same order, and no page is fetched twice, but for what failed.
func TestDemo(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		parallel, interval string
		busy               int32 // so many at the same time, without the silent one
		from, to           time.Duration
	}{
		// The slow pages take 300 ms each, the flaky one from 150 to 300 ms, and the silent one 2 s.
		{"1", "1ms", 1, 3050 * ms, 3250 * ms},
		// All of them go on beside the silent one.
		{"8", "1ms", 3, 2000 * ms, 2050 * ms},
		// The last of eleven begins after ten intervals, and is there at once.
		{"8", "500ms", 1, 5000 * ms, 5000 * ms},
	} {
		var busy, most, requests atomic.Int32
		handler := demo()
		crawl(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/never" { // which may notice late that it was given up
				defer busy.Add(-1)
				most.Store(max(most.Load(), busy.Add(1)))
			}
			requests.Add(1)
			handler.ServeHTTP(w, r)
		}, func(code int, out string, took time.Duration) {
			if code != 1 || out != demoPages {
				t.Errorf("code %d, output\n%swant\n%s", code, out, demoPages)
			}
			if requests.Load() != 11+2 {
				t.Errorf("%d requests", requests.Load())
			}
			if took < c.from || took > c.to || most.Load() != c.busy {
				t.Errorf("%s at a time, each %s: %v, %d at the same time", c.parallel, c.interval, took, most.Load())
			}
		}, "-parallel", c.parallel, "-interval", c.interval, "-depth", "2")
	}
}

// TestTries: what fails each time is tried as often as was asked for, and what is wrong for ever once.
func TestTries(t *testing.T) {
	for path, want := range map[string]string{
		"/":     "502 / (4 tries): 502 Bad Gateway\n1 pages, 1 failed\n",
		"/none": "404 /none\n1 pages, 1 failed\n",
	} {
		tried := 0
		crawl(t, func(w http.ResponseWriter, r *http.Request) {
			tried++
			if path == "/" {
				w.WriteHeader(http.StatusBadGateway)
			} else {
				http.NotFound(w, r)
			}
		}, func(code int, out string, took time.Duration) {
			// 1 + 2 + 4 s, or half of it.
			if path == "/" && (tried != 4 || took < 3500*time.Millisecond || took > 7*time.Second) || path != "/" && tried != 1 {
				t.Errorf("%s: %d tries in %v", path, tried, took)
			}
			if code != 1 || out != want {
				t.Errorf("code %d, output %q, want %q", code, out, want)
			}
		}, "-tries", "4", "-delay", "1s", "-timeout", "10s", "http://site.example"+path)
	}
}

// TestReal serves the site over TCP. Which pages come within the time is for the machine to say.
func TestReal(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"-demo", "-depth", "1", "-timeout", "500ms", "-interval", "1ms"}, &http.Client{}, &out, &errs)
	if code != 1 || errs.Len() > 0 || !strings.Contains(out.String(), "/never: no page within 500ms\n") {
		t.Errorf("code %d, stderr %q\n%s", code, &errs, &out)
	}
}

// TestCanceled cancels the program at many moments; TestMain sees that nothing is left.
func TestCanceled(t *testing.T) {
	for i := range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*200*time.Microsecond)
		var out, errs bytes.Buffer
		if code := run(ctx, []string{"-demo", "-interval", "1us"}, &http.Client{}, &out, &errs); code != 130 {
			t.Errorf("code %d, stderr %q\n%s", code, &errs, &out)
		}
		cancel()
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		nil,
		{"a", "b"},
		{"ftp://a.example"},
		{"http://["},
		{"-demo", "http://a.example"},
		{"-demo", "-parallel", "0"},
		{"-demo", "-timeout", "0"},
		{"-nonsense"},
	} {
		var errs bytes.Buffer
		if code := run(t.Context(), args, nil, &bytes.Buffer{}, &errs); code != 2 || !strings.Contains(errs.String(), "Usage of crawler") {
			t.Errorf("%q: code %d, stderr %q", args, code, &errs)
		}
	}
	if code := run(t.Context(), []string{"-h"}, nil, &bytes.Buffer{}, &bytes.Buffer{}); code != 0 {
		t.Errorf("-h: code %d", code)
	}
}
