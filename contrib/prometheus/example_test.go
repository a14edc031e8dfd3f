package turnstileprom_test

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	turnstileprom "github.com/seed-1e54c410/turnstile/contrib/prometheus"
	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
)

func ExampleCollector() {
	core.Track(true)
	defer core.Track(false)
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	collector := turnstileprom.New()
	collector.Add("main", d)
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector)

	err = core.RunOn(context.Background(), d, func(ctx context.Context) error {
		core.Start(ctx, func(ctx context.Context) error { return core.Yield(ctx) })
		return nil
	})
	fmt.Println(err, d.Close())

	response := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(response, httptest.NewRequest("GET", "/metrics", nil))
	text, _ := io.ReadAll(response.Body)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "turnstile_dispatcher_open") {
			fmt.Print(line)
		}
	}
	// Output:
	// <nil> <nil>
	// turnstile_dispatcher_open{dispatcher="main"} 0
}
