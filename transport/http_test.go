package transport_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// The server and the client of net/http, unchanged, over a Listener and Dial: plain, over TLS with HTTP/1.1,
// and with HTTP/2. They run on goroutines, the connections on a dispatcher.
func TestHTTPServerAndClient(t *testing.T) {
	needsSockets(t)
	for _, scheme := range []string{"http", "https", "https with HTTP/2", "https over a TLSListener"} {
		t.Run(scheme, func(t *testing.T) {
			scfg, ccfg := tlsConfigs()
			d := dispatcher(t)
			on := core.On(t.Context(), d)
			l, err := transport.Listen(on, "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{TLSConfig: scfg.Clone(), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				fmt.Fprintf(w, "%s %s %d %v", r.Method, r.Proto, len(body), err)
			})}
			tr := &http.Transport{
				DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
					return transport.Dial(on, network, addr)
				},
				TLSClientConfig:   ccfg.Clone(),
				ForceAttemptHTTP2: scheme == "https with HTTP/2",
			}
			if scheme == "https" {
				tr.Protocols = new(http.Protocols)
				tr.Protocols.SetHTTP1(true)
			}
			if scheme == "https over a TLSListener" {
				tr.DialTLSContext = func(_ context.Context, network, addr string) (net.Conn, error) {
					return transport.DialTLS(on, network, addr, ccfg)
				}
			}
			ended := make(chan error, 1)
			go func() {
				switch scheme {
				case "http":
					ended <- srv.Serve(l)
				case "https over a TLSListener":
					ended <- srv.Serve(transport.NewTLSListener(l, scfg))
				default:
					ended <- srv.ServeTLS(l, "", "")
				}
			}()
			client := &http.Client{Transport: tr}
			url, proto, _ := strings.Cut(scheme, " ")
			want := "HTTP/1.1"
			if proto == "with HTTP/2" {
				want = "HTTP/2.0"
			}
			for i := range 3 {
				n := i * 300_000
				resp, err := client.Post(url+"://"+l.Addr().String(), "text/plain", io.LimitReader(new(pattern), int64(n)))
				if err != nil {
					t.Fatal(err)
				}
				all, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if got := string(all); got != fmt.Sprintf("POST %s %d <nil>", want, n) || err != nil {
					t.Fatal(got, err)
				}
			}
			tr.CloseIdleConnections()
			if err := srv.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if err := <-ended; err != http.ErrServerClosed {
				t.Error(err)
			}
		})
	}
}

// dispatcher returns one that a goroutine turns until the test ends.
func dispatcher(t *testing.T) (d *dispatch.Dispatcher) {
	d, err := dispatch.New(dispatch.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- d.Run(context.Background()) }()
	t.Cleanup(func() {
		if err := errors.Join(d.Close(), <-ended); err != nil && !errors.Is(err, dispatch.ErrClosed) {
			t.Error(err)
		}
	})
	return d
}

// http.ReadRequest, http.ReadResponse, bufio and net/textproto in tasks, both ends on one loop.
func TestHTTPInTasks(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprint("tls=", secure), func(t *testing.T) {
			everyWay(t, func(w *world) {
				var a, b net.Conn
				if secure {
					a, b = w.tlsPair(tls.VersionTLS13)
				} else {
					a, b = w.pair()
				}
				defer a.Close()
				defer b.Close()
				server := w.start(func(context.Context) error {
					r := bufio.NewReader(b)
					for range 3 {
						req, err := http.ReadRequest(r)
						if err != nil {
							return err
						}
						n, err := io.Copy(io.Discard, req.Body)
						if err != nil {
							return err
						}
						resp := &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, ContentLength: n, Body: io.NopCloser(io.LimitReader(new(pattern), n))}
						if err := resp.Write(b); err != nil {
							return err
						}
					}
					tp := textproto.NewConn(b)
					line, err := tp.ReadLine()
					if err != nil {
						return err
					}
					return tp.PrintfLine("220 %s", line)
				})
				r := bufio.NewReader(a)
				for i := range 3 {
					n := int64(i * 500_000)
					req, err := http.NewRequest("PUT", "http://host.example/", io.LimitReader(new(pattern), n))
					if err != nil {
						w.Fatal(err)
					}
					if err := req.Write(a); err != nil {
						w.Fatal(err)
					}
					resp, err := http.ReadResponse(r, req)
					if err != nil {
						w.Fatal(err)
					}
					if k, err := io.Copy(new(pattern), resp.Body); k != n || err != nil {
						w.Fatal(k, err)
					}
				}
				tp := textproto.NewConn(struct {
					io.Reader
					io.Writer
					io.Closer
				}{r, a, a})
				if err := tp.PrintfLine("hello"); err != nil {
					w.Fatal(err)
				}
				if _, text, err := tp.ReadResponse(220); text != "hello" || err != nil {
					w.Fatal(text, err)
				}
				w.join(server)
			})
		})
	}
}
