package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

var tlsVersions = map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}

// Both ends send more than all buffers hold and receive at the same time, so that each waits to
// write while it reads.
func TestTLSBothWaysAtOnce(t *testing.T) {
	for name, version := range tlsVersions {
		t.Run(name, func(t *testing.T) {
			everyWay(t, func(w *world) {
				a, b := w.tlsPair(version)
				start := func(fn func() error) func() error {
					task := w.start(func(context.Context) error { return fn() })
					return func() error { return task.Wait(w.ctx) }
				}
				const n = 2 * tooMuch
				other := w.start(func(ctx context.Context) error { return talk(ctx, b, n, tooMuch, start) })
				if err := talk(w.ctx, a, n, 100_000, start); err != nil {
					w.Error(err)
				}
				w.join(other)
			})
		})
	}
}

// The other end is one of package net and crypto/tls.
func TestTLSWithPackageNet(t *testing.T) {
	goStart := func(fn func() error) func() error {
		ended := make(chan error, 1)
		go func() { ended <- fn() }()
		return func() error { return <-ended }
	}
	for name, version := range tlsVersions {
		for _, client := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/client=%t", name, client), func(t *testing.T) {
				everyWay(t, func(w *world) {
					scfg, ccfg := tlsOf(version)
					c, peer := w.mixed()
					w.small(c, peer)
					ours, theirs := transport.TLSClient(c, ccfg), tls.Server(peer, scfg)
					if !client {
						ours, theirs = transport.TLSServer(c, scfg), tls.Client(peer, ccfg)
					}
					start := func(fn func() error) func() error {
						task := w.start(func(context.Context) error { return fn() })
						return func() error { return task.Wait(w.ctx) }
					}
					const n = tooMuch
					other := goStart(func() error { return talk(context.Background(), theirs, n, 50_000, goStart) })
					if err := talk(w.ctx, ours, n, 70_000, start); err != nil {
						w.Error(err)
					}
					if _, err := core.Blocking(w.ctx, func(context.Context) (struct{}, error) { return struct{}{}, other() }); err != nil {
						w.Error(err)
					}
				})
			})
		}
	}
}

// A Write that is canceled, or meets its deadline, leaves a stream that can be gone on with.
func TestTLSWriteEndsEarly(t *testing.T) {
	for _, how := range []string{"cancel", "deadline"} {
		t.Run(how, func(t *testing.T) {
			everyWay(t, func(w *world) {
				a, b := w.tlsReady(tls.VersionTLS13)
				defer a.Close()
				defer b.Close()
				all := make([]byte, 2*tooMuch)
				_, _ = new(pattern).Read(all)
				ctx, cancel := core.WithCancel(w.ctx)
				defer cancel()
				n := 0
				writer := w.start(func(context.Context) error {
					var err error
					n, err = a.With(ctx).Write(all)
					return err
				})
				w.writeWaits(a.NetConn().(*transport.Conn), 1)
				want := context.Canceled
				if how == "cancel" {
					cancel()
				} else {
					want = os.ErrDeadlineExceeded
					if err := a.SetWriteDeadline(time.Unix(1, 0)); err != nil {
						w.Fatal(err)
					}
				}
				if err := writer.Wait(w.ctx); !errors.Is(err, want) || n == 0 || n == len(all) {
					w.Fatal(n, err)
				}
				// Nothing more is taken while the rest is in the way.
				short, stop := core.WithCancel(w.ctx)
				stop()
				if k, err := a.With(short).Write(all[n:]); k != 0 || !errors.Is(err, context.Canceled) {
					w.Fatal(k, err)
				}
				if err := a.SetWriteDeadline(time.Time{}); err != nil {
					w.Fatal(err)
				}
				reader := w.start(func(context.Context) error { return getPattern(b, len(all)) })
				if k, err := a.Write(all[n:]); k != len(all)-n || err != nil {
					w.Fatal(k, err)
				}
				w.join(reader)
			})
		})
	}
}

// What a Write that was canceled has left is sent by a Read.
func TestTLSRestIsSentByARead(t *testing.T) {
	everyWay(t, func(w *world) {
		scfg, ccfg := tlsConfigs()
		ca, cb := w.pair() // with buffers that take all of the rest
		a, b := transport.TLSClient(ca, ccfg), transport.TLSServer(cb, scfg)
		defer a.Close()
		defer b.Close()
		other := w.start(b.HandshakeContext)
		if err := a.HandshakeContext(w.ctx); err != nil {
			w.Fatal(err)
		}
		w.join(other)
		all := make([]byte, 16<<20)
		_, _ = new(pattern).Read(all)
		ctx, cancel := core.WithCancel(w.ctx)
		defer cancel()
		n := 0
		writer := w.start(func(context.Context) error {
			n, _ = a.With(ctx).Write(all)
			return nil
		})
		w.writeWaits(a.NetConn().(*transport.Conn), 1)
		cancel()
		w.join(writer)
		reader := w.start(func(context.Context) error {
			if err := getPattern(b, n-100<<10); err != nil {
				return err
			}
			_, err := b.Write([]byte("more"))
			return err
		})
		w.join(reader)
		var p [4]byte
		if _, err := io.ReadFull(a, p[:]); err != nil || string(p[:]) != "more" {
			w.Fatal(err, p)
		}
		rest := &pattern{at: uint64(n - 100<<10)}
		if _, err := io.CopyN(rest, onlyReader{b}, 100<<10); err != nil {
			w.Fatal(err)
		}
	})
}

// A Read that ends early has taken nothing, even in the middle of a record.
func TestTLSReadEndsEarly(t *testing.T) {
	everyWay(t, func(w *world) {
		scfg, ccfg := tlsOf(tls.VersionTLS13)
		c, peer := w.mixed()
		h := &held{Conn: peer}
		theirs := tls.Client(h, ccfg)
		ours := transport.TLSServer(c, scfg)
		defer ours.Close()
		shaken := make(chan error, 1)
		go func() { shaken <- theirs.Handshake() }()
		if err := ours.HandshakeContext(w.ctx); err != nil {
			w.Fatal(err)
		}
		<-shaken
		h.on = true
		if _, err := theirs.Write([]byte("hello")); err != nil {
			w.Fatal(err)
		}
		record := h.buf.Bytes()
		p := make([]byte, 10)
		for i := range record {
			if _, err := peer.Write(record[i : i+1]); err != nil {
				w.Fatal(err)
			}
			if i == len(record)-1 {
				break
			}
			ctx, cancel := core.WithCancel(w.ctx)
			reader := w.start(func(context.Context) error {
				_, err := ours.With(ctx).Read(p)
				return err
			})
			w.readWaits(c, 1)
			cancel()
			if err := reader.Wait(w.ctx); !errors.Is(err, context.Canceled) {
				w.Fatal(err)
			}
			if i%7 == 0 {
				if err := ours.SetReadDeadline(time.Unix(1, 0)); err != nil {
					w.Fatal(err)
				}
				if _, err := ours.Read(p); !os.IsTimeout(err) {
					w.Fatal(err)
				}
				if err := ours.SetReadDeadline(time.Time{}); err != nil {
					w.Fatal(err)
				}
			}
		}
		if n, err := ours.Read(p); string(p[:n]) != "hello" || err != nil {
			w.Fatal(n, err)
		}
		// The stream ends in a record, or between two.
		_, _ = peer.Write(record[:7])
		peer.Close()
		for range 2 {
			if n, err := ours.Read(p); n != 0 || err != io.ErrUnexpectedEOF {
				w.Fatal(n, err)
			}
		}
	})
}

// Calls of Read, and of Write, are served in order of arrival, on one loop too.
func TestTLSCallsQueue(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.tlsReady(tls.VersionTLS13)
		defer a.Close()
		defer b.Close()
		var got [3]byte
		var readers []*core.Task
		for i := range got {
			readers = append(readers, w.start(func(context.Context) error {
				_, err := b.Read(got[i : i+1])
				return err
			}))
			w.until(func() bool { return b.Readers() == min(i, 1)+max(i-1, 0) })
			w.readWaits(b.NetConn().(*transport.Conn), 1)
		}
		if _, err := a.Write([]byte("xyz")); err != nil {
			w.Fatal(err)
		}
		w.join(readers...)
		if string(got[:]) != "xyz" {
			w.Fatalf("%q", got)
		}
	})
}

func TestTLSClose(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.tlsReady(tls.VersionTLS13)
		reader := w.start(func(context.Context) error {
			_, err := a.Read(make([]byte, 1))
			w.isOpError(err, "read", net.ErrClosed)
			return nil
		})
		w.readWaits(a.NetConn().(*transport.Conn), 1)
		if _, err := a.Write([]byte("last")); err != nil {
			w.Fatal(err)
		}
		if err := a.Close(); err != nil {
			w.Fatal(err)
		}
		w.join(reader)
		w.isOpError(a.Close(), "close", net.ErrClosed)
		_, err := a.Read(make([]byte, 1))
		w.isOpError(err, "read", net.ErrClosed)
		_, err = a.Write(make([]byte, 1))
		w.isOpError(err, "write", net.ErrClosed)
		if err := a.CloseWrite(); !errors.Is(err, net.ErrClosed) {
			w.Fatal(err)
		}
		if all, err := io.ReadAll(b); err != nil || string(all) != "last" {
			w.Fatal(string(all), err)
		}
		if err := b.Close(); err != nil {
			w.Fatal(err)
		}
	})
}

// Close ends a Write that waits, and does not wait for it.
func TestTLSCloseInAWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.tlsReady(tls.VersionTLS13)
		defer b.Close()
		writer := w.start(func(context.Context) error {
			_, err := a.Write(make([]byte, 2*tooMuch))
			w.isOpError(err, "write", net.ErrClosed)
			return nil
		})
		w.writeWaits(a.NetConn().(*transport.Conn), 1)
		second := w.start(func(context.Context) error {
			_, err := a.Write([]byte("behind it"))
			w.isOpError(err, "write", net.ErrClosed)
			return nil
		})
		w.until(func() bool { return a.Writers() == 1 })
		if err := a.Close(); err != nil {
			w.Fatal(err)
		}
		w.join(writer, second)
		if _, err := io.Copy(io.Discard, b); err == nil {
			w.Fatal("an end in the middle of a Write looks like one that was meant")
		}
	})
}

// A peer that resets the connection is an error in both directions.
func TestTLSReset(t *testing.T) {
	everyWay(t, func(w *world) {
		scfg, ccfg := tlsOf(tls.VersionTLS13)
		c, peer := w.mixed()
		ours := transport.TLSServer(c, scfg)
		defer ours.Close()
		go tls.Client(peer, ccfg).Handshake()
		if err := ours.HandshakeContext(w.ctx); err != nil {
			w.Fatal(err)
		}
		if err := peer.SetLinger(0); err != nil {
			w.Fatal(err)
		}
		reader := w.start(func(context.Context) error {
			_, err := ours.Read(make([]byte, 1))
			if err == nil || err == io.EOF {
				return fmt.Errorf("Read: %v", err)
			}
			return nil
		})
		w.readWaits(c, 1)
		peer.Close()
		w.join(reader)
		if _, err := ours.Write(make([]byte, 1)); err == nil {
			if _, err = ours.Write(make([]byte, 1)); err == nil {
				w.Fatal("no error")
			}
		}
	})
}
