package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// demo is a site with pages that are slow, fail twice, or never answer, and links in a loop, to other
// places, and into a depth without end.
func demo() http.Handler {
	pages := map[string]string{
		"/":       "/slow/1 slow/2 /flaky /never /gone /loop/a /deep/ #top mailto:a@b.example https://b.example",
		"/slow/1": "/",
		"/slow/2": "/slow/1 /slow/3?a=1&amp;b=2",
		"/slow/3": "",
		"/flaky":  "/loop/b",
		"/loop/a": "b",
		"/loop/b": "a ../loop/b",
	}
	var tries atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		links, ok := pages[r.URL.Path]
		switch area, _, _ := strings.Cut(r.URL.Path[1:], "/"); {
		case area == "never":
			<-r.Context().Done()
		case area == "deep":
			links = "deeper/"
		case area == "slow":
			_ = core.Sleep(r.Context(), 300*time.Millisecond)
		case area == "flaky" && tries.Add(1) <= 2:
			http.Error(w, "try again", http.StatusServiceUnavailable)
		case !ok:
			http.NotFound(w, r)
		}
		for link := range strings.FieldsSeq(links) {
			fmt.Fprintf(w, "<a class=link href=%q>see there</a>\n", link)
		}
	})
}
