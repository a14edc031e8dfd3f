package main

import (
	"context"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
)

// get is one try to fetch p, of which it reads 1 MiB at most. It fails where another one may go better.
func (c *crawler) get(ctx context.Context, p *page) error {
	p.status, p.links = 0, nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url.String(), nil)
	if err != nil {
		return err
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	switch p.status = resp.StatusCode; {
	case p.status >= 500, p.status == http.StatusTooManyRequests:
		return errors.New(resp.Status)
	case p.status != http.StatusOK:
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	p.links = links(resp.Request.URL, string(body)) // the URL is another one behind a redirect
	return err
}

// href finds links in HTML, also in its comments, unlike a parser, which the standard library does not have.
var href = regexp.MustCompile(`(?i)<a\s[^>]*?\bhref\s*=\s*["']([^"']*)`)

// links returns where the page at base links to.
func links(base *url.URL, body string) (found []*url.URL) {
	for _, m := range href.FindAllStringSubmatch(body, -1) {
		if link, err := base.Parse(html.UnescapeString(m[1])); err == nil && clean(link) {
			found = append(found, link)
		}
	}
	return found
}

// clean makes u the one name of its page, and reports whether that is one of a web site.
func clean(u *url.URL) bool {
	u.Fragment = ""
	if u.Path == "" {
		u.Path = "/"
	}
	return (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
