package transport_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/seed-1e54c410/turnstile/transport"
)

// sealer makes TLS 1.3 records as a client does: RFC 8446, sections 5.2, 5.3 and 7.
type sealer struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

func newSealer(w *world, secret []byte) *sealer {
	s := &sealer{secret: secret, iv: expand(w, secret, "iv", 12)}
	block, err := aes.NewCipher(expand(w, secret, "key", 16))
	if err == nil {
		s.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		w.Fatal(err)
	}
	return s
}

// expand is HKDF-Expand-Label without a context.
func expand(w *world, secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len(label))), label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), n)
	if err != nil {
		w.Fatal(err)
	}
	return out
}

// seal returns a record.
func (s *sealer) seal(kind byte, data []byte) []byte {
	plain := append(bytes.Clone(data), kind)
	head := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(plain)+s.aead.Overhead()))
	nonce := bytes.Clone(s.iv)
	var seq [8]byte
	binary.BigEndian.PutUint64(seq[:], s.seq)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	s.seq++
	return s.aead.Seal(head, nonce, plain, head)
}

// renewed returns the sealer with the next key.
func (s *sealer) renewed(w *world) *sealer {
	return newSealer(w, expand(w, s.secret, "traffic upd", 32))
}

var keyUpdate = []byte{24, 0, 0, 1, 1} // with the request that the other side renews its key too

// renewing returns an end of ours, and the peer with what makes its records.
func renewing(w *world) (ours *transport.TLSConn, theirs *tls.Conn, s *sealer) {
	scfg, ccfg := tlsOf(tls.VersionTLS13)
	var keys bytes.Buffer
	ccfg.KeyLogWriter = &keys
	scfg.SessionTicketsDisabled = true
	c, peer := w.mixed()
	w.small(c, peer)
	ours, theirs = transport.TLSServer(c, scfg), tls.Client(peer, ccfg)
	ended := make(chan error, 1)
	go func() { ended <- theirs.Handshake() }()
	if err := ours.HandshakeContext(w.ctx); err != nil {
		w.Fatal(err)
	}
	if err := <-ended; err != nil {
		w.Fatal(err)
	}
	if id := theirs.ConnectionState().CipherSuite; id != tls.TLS_AES_128_GCM_SHA256 {
		c.Close()
		peer.Close()
		w.Skipf("crypto/tls prefers %s on a processor without AES, and the cipher is not in the standard library", tls.CipherSuiteName(id))
	}
	for line := range strings.Lines(keys.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				w.Fatal(err)
			}
			return ours, theirs, newSealer(w, secret)
		}
	}
	w.Fatal("no secret")
	return nil, nil, nil
}

// The peer renews its key, and wants ours renewed, while a Write waits for it to read: the Read does not
// wait for that, and the answer is in the stream where it belongs.
func TestTLSKeyUpdateInAWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		ours, theirs, s := renewing(w)
		defer ours.Close()
		defer theirs.Close()
		const n = 2 * tooMuch
		writer := w.start(func(context.Context) error { return sendPattern(ours, n, n) })
		w.writeWaits(ours.NetConn().(*transport.Conn), 1)
		for range 3 {
			if _, err := theirs.NetConn().Write(append(s.seal(22, keyUpdate), s.renewed(w).seal(23, []byte("hello"))...)); err != nil {
				w.Fatal(err)
			}
			p := make([]byte, 10)
			if k, err := ours.Read(p); string(p[:k]) != "hello" || err != nil {
				w.Fatal(k, err)
			}
			s = s.renewed(w)
			s.seq++
		}
		got := make(chan error, 1)
		go func() { got <- getPattern(theirs, n) }()
		w.join(writer)
		if err := <-got; err != nil {
			w.Fatal(err)
		}
		if err := ours.CloseWrite(); err != nil {
			w.Fatal(err)
		}
		if k, err := theirs.Read(make([]byte, 1)); k != 0 || err != io.EOF {
			w.Fatal(k, err)
		}
	})
}

// The answer is sent by the Read when nothing is in its way.
func TestTLSKeyUpdateIsAnswered(t *testing.T) {
	everyWay(t, func(w *world) {
		ours, theirs, s := renewing(w)
		defer ours.Close()
		defer theirs.Close()
		if _, err := theirs.NetConn().Write(append(s.seal(22, keyUpdate), s.renewed(w).seal(23, []byte("hello"))...)); err != nil {
			w.Fatal(err)
		}
		p := make([]byte, 100)
		if k, err := ours.Read(p); string(p[:k]) != "hello" || err != nil {
			w.Fatal(k, err)
		}
		var head [5]byte
		if _, err := io.ReadFull(theirs.NetConn(), head[:]); err != nil {
			w.Fatal(err)
		}
		if n := binary.BigEndian.Uint16(head[3:]); int(n) != len(keyUpdate)+1+16 {
			w.Fatal(n)
		}
	})
}

// A peer that asks for one key after the other and does not read cannot fill the memory.
func TestTLSKeyUpdatesAreBounded(t *testing.T) {
	everyWay(t, func(w *world) {
		ours, theirs, s := renewing(w)
		defer theirs.Close()
		defer ours.Close()
		// In the way of the answers.
		writer := w.start(func(context.Context) error { _, err := ours.Write(make([]byte, 2*tooMuch)); _ = err; return nil })
		w.writeWaits(ours.NetConn().(*transport.Conn), 1)
		before := ours.Backlog()
		reader := w.start(func(context.Context) error { _, err := io.Copy(io.Discard, onlyReader{ours}); _ = err; return nil })
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			for range 20_000 {
				next := s.renewed(w)
				if _, err := theirs.NetConn().Write(append(s.seal(22, keyUpdate), next.seal(23, []byte("x"))...)); err != nil {
					return
				}
				s = next
			}
		}()
		// It is the reader that waits, or nothing holds it up.
		w.until(func() bool { return ours.Writers() == 1 || ours.Backlog() > tooMuch/8 })
		// The Write has taken it all over if the system had room left for it, and nothing has come since.
		if n := ours.Backlog(); n != 0 && n < before+60<<10 || n > before+70<<10 {
			w.Error(n)
		}
		if err := ours.Close(); err != nil {
			w.Error(err)
		}
		w.join(writer, reader)
		theirs.NetConn().Close()
		<-stop
	})
}
