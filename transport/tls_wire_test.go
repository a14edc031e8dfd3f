package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/transport"
)

// heldPeer returns an end of ours, and the peer with what keeps the records that it writes. The handshake is over.
func (w *world) heldPeer(version uint16) (ours *transport.TLSConn, theirs *tls.Conn, h *held) {
	w.Helper()
	scfg, ccfg := tlsOf(version)
	scfg.SessionTicketsDisabled = true
	c, peer := w.mixed()
	h = &held{Conn: peer}
	ours, theirs = transport.TLSServer(&oddConn{Conn: c}, scfg), tls.Client(h, ccfg)
	ended := make(chan error, 1)
	go func() { ended <- theirs.Handshake() }()
	if err := ours.HandshakeContext(w.ctx); err != nil {
		w.Fatal(err)
	}
	if err := <-ended; err != nil {
		w.Fatal(err)
	}
	h.on = true
	return ours, theirs, h
}

// A record that comes in two parts, the second together with the next record: neither is held up.
func TestTLSRecordInParts(t *testing.T) {
	everyWay(t, func(w *world) {
		ours, theirs, h := w.heldPeer(tls.VersionTLS13)
		defer ours.Close()
		defer theirs.Close()
		for _, msg := range []string{"one", "two"} {
			if _, err := io.WriteString(theirs, msg); err != nil {
				w.Fatal(err)
			}
		}
		reader := w.start(func(context.Context) error {
			p := make([]byte, 100)
			for _, want := range []string{"one", "two"} {
				if n, err := ours.Read(p); string(p[:n]) != want || err != nil {
					w.Errorf("got %q, %v, want %q", p[:n], err, want)
				}
			}
			return nil
		})
		odd := ours.NetConn().(*oddConn)
		w.readWaits(odd.Conn, 1)
		before := odd.reads.Load()
		if _, err := h.Conn.Write(h.buf.Next(10)); err != nil {
			w.Fatal(err)
		}
		w.until(func() bool { return odd.reads.Load() > before })
		if _, err := h.Conn.Write(h.buf.Bytes()); err != nil {
			w.Fatal(err)
		}
		w.join(reader)
	})
}

// A Read that gets the last bytes learns that they are, as with crypto/tls, if the peer's word for it is there.
func TestTLSEndWithTheLastBytes(t *testing.T) {
	everyWay(t, func(w *world) {
		ours, theirs, h := w.heldPeer(tls.VersionTLS12)
		defer ours.Close()
		defer h.Conn.Close()
		if _, err := io.WriteString(theirs, "last"); err != nil {
			w.Fatal(err)
		}
		if err := theirs.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		// After its last words crypto/tls lets nothing out any more.
		if err := h.Conn.SetWriteDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if _, err := h.Conn.Write(h.buf.Bytes()); err != nil {
			w.Fatal(err)
		}
		p := make([]byte, 100)
		if n, err := ours.Read(p); string(p[:n]) != "last" || err != io.EOF {
			w.Errorf("got %q, %v", p[:n], err)
		}
	})
}

// Close tells the peer that nothing follows.
func TestTLSCloseSendsAnAlert(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.tlsReady(tls.VersionTLS13)
		defer b.Close()
		if err := a.Close(); err != nil {
			w.Fatal(err)
		}
		const alert = 5 + 2 + 1 + 16 // the header, the alert, its type and the tag
		if all, err := io.ReadAll(b.NetConn()); len(all) != alert || err != nil {
			w.Errorf("%d bytes, %v", len(all), err)
		}
	})
}

// oddConn is a connection one of whose writes fails, and which notes what is asked for.
type oddConn struct {
	*transport.Conn
	fails bool
	most  int
	reads atomic.Int32
}

func (c *oddConn) Write(p []byte) (int, error) {
	if c.fails {
		c.fails = false
		return 0, os.ErrDeadlineExceeded
	}
	return c.Conn.Write(p)
}

func (c *oddConn) Read(p []byte) (int, error) {
	c.most = max(c.most, len(p))
	c.reads.Add(1)
	return c.Conn.Read(p)
}

// oddPair returns two ends that have made their handshake, the first one over an oddConn.
func (w *world) oddPair() (a, b *transport.TLSConn, odd *oddConn) {
	w.Helper()
	scfg, ccfg := tlsOf(tls.VersionTLS13)
	inner, peer := w.pair()
	odd = &oddConn{Conn: inner}
	a, b = transport.TLSClient(odd, ccfg), transport.TLSServer(peer, scfg)
	other := w.start(b.HandshakeContext)
	if err := a.HandshakeContext(w.ctx); err != nil {
		w.Fatal(err)
	}
	w.join(other)
	return a, b, odd
}

// What a Write has left behind is sent as soon as the system takes it, though nobody calls again.
func TestTLSWhatIsLeftIsSent(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b, odd := w.oddPair()
		defer a.Close()
		defer b.Close()
		odd.fails = true
		if n, err := io.WriteString(a, "hello"); n != 5 || !errors.Is(err, os.ErrDeadlineExceeded) {
			w.Fatalf("Write = %d, %v", n, err)
		}
		p := make([]byte, 10)
		if n, err := b.Read(p); string(p[:n]) != "hello" || err != nil {
			w.Errorf("got %q, %v", p[:n], err)
		}
	})
}

// The buffer for what comes grows where much does.
func TestTLSBufferGrows(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b, odd := w.oddPair()
		defer a.Close()
		defer b.Close()
		const n = 16 << 20
		writer := w.start(func(context.Context) error { return sendPattern(b, n, n) })
		w.writeWaits(b.NetConn().(*transport.Conn), 1)
		if odd.most > 4<<10 {
			w.Errorf("%d bytes were asked for at first", odd.most)
		}
		if err := getPattern(a, n); err != nil {
			w.Error(err)
		}
		w.join(writer)
		if odd.most < 16<<10 {
			w.Errorf("no more than %d bytes were asked for", odd.most)
		}
	})
}
