package transport_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

func TestAcceptInOrder(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		defer l.Close()
		const n = 8
		conns := make([]*transport.Conn, n)
		var tasks []*core.Task
		for i := range n {
			tasks = append(tasks, w.start(func(ctx context.Context) (err error) {
				conns[i], err = l.AcceptConn(ctx)
				return err
			}))
			w.until(func() bool { return l.Waiting() == i+1 })
		}
		for i := range n {
			c, err := transport.Dial(w.on, "tcp", l.Addr().String())
			if err != nil {
				w.Fatal(err)
			}
			w.join(tasks[i])
			if conns[i].RemoteAddr().String() != c.LocalAddr().String() {
				w.Errorf("call %d has accepted another connection", i)
			}
			c.Close()
			conns[i].Close()
		}
	})
}

func TestAcceptEnds(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		accept := func(ctx context.Context) error {
			c, err := l.AcceptConn(ctx)
			if err == nil {
				c.Close()
			}
			return err
		}
		ctx, cancel := context.WithCancel(w.ctx)
		task := w.start(func(context.Context) error { return accept(ctx) })
		w.until(func() bool { return l.Waiting() == 1 })
		cancel()
		w.isOpError(task.Wait(w.ctx), "accept", context.Canceled)
		w.isOpError(accept(ctx), "accept", context.Canceled)

		task = w.start(accept)
		w.until(func() bool { return l.Waiting() == 1 })
		if err := l.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.Error(err)
		}
		w.isOpError(task.Wait(w.ctx), "accept", os.ErrDeadlineExceeded)
		if err := l.SetDeadline(time.Time{}); err != nil {
			w.Error(err)
		}

		// Nothing of this has harmed the listener.
		c, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		if err := accept(w.ctx); err != nil {
			w.Error(err)
		}

		task = w.start(accept)
		w.until(func() bool { return l.Waiting() == 1 })
		if err := l.Close(); err != nil {
			w.Error(err)
		}
		w.isOpError(task.Wait(w.ctx), "accept", net.ErrClosed)
		w.isOpError(accept(w.ctx), "accept", net.ErrClosed)
		if c, err := l.Accept(); c != nil {
			w.Error("Accept has returned a connection")
		} else {
			w.isOpError(err, "accept", net.ErrClosed)
		}
		w.isOpError(l.Close(), "close", net.ErrClosed)
	})
}

// The port of a listener that was closed can be had again at once, though connections from it
// are still there.
func TestListenAgain(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		l := w.listen()
		c, err := transport.Dial(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		defer c.Close()
		s, err := l.AcceptConn(w.ctx)
		if err != nil {
			w.Fatal(err)
		}
		defer s.Close()
		_, err = transport.Listen(w.on, "tcp", l.Addr().String())
		w.isOpError(err, "listen", inUse)
		l.Close()
		again, err := transport.Listen(w.on, "tcp", l.Addr().String())
		if err != nil {
			w.Fatal(err)
		}
		again.Close()
	})
}

// net/http runs over it, on both sides.
func TestHTTP(t *testing.T) {
	everyWay(t, func(w *world) {
		l := w.listen()
		server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprint(rw, string(body), r.URL.Path)
		})}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return transport.Dial(core.On(ctx, w.d), network, addr)
			},
		}}
		_, err := core.Blocking(w.ctx, func(context.Context) (int, error) {
			for i := range 5 {
				body := strings.Repeat("x", i*10000)
				resp, err := client.Post("http://"+l.Addr().String()+"/path", "text/plain", strings.NewReader(body))
				if err != nil {
					return 0, err
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(got) != body+"/path" {
					return 0, fmt.Errorf("%d bytes, %w", len(got), err)
				}
			}
			client.CloseIdleConnections()
			if err := server.Shutdown(context.Background()); err != nil {
				return 0, err
			}
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				return 0, err
			}
			return 0, nil
		})
		if err != nil {
			w.Error(err)
		}
	})
}

// bufio and http.ReadRequest run in a task.
func TestReadRequest(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		server := w.start(func(context.Context) error {
			r, err := http.ReadRequest(bufio.NewReader(b))
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(b, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.URL.Path), r.URL.Path)
			return err
		})
		if _, err := io.WriteString(a, "GET /there HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			w.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(a), nil)
		if err != nil {
			w.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "/there" || err != nil {
			w.Errorf("%q, %v", body, err)
		}
		w.join(server)
	})
}
