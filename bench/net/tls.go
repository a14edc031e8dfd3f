//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"sync"
	"sync/atomic"
	"time"
)

// certificate makes one that nobody trusts.
func certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// secure is a client with TLS, one goroutine for each connection. It takes as much CPU as the server does: the
// figure to look at is the CPU of the server.
type secure struct {
	conns   []*tls.Conn
	message []byte
}

func dialTLS(addr string, n int, message []byte) (loader, error) {
	s := &secure{message: message}
	for range n {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			s.close()
			return nil, err
		}
		s.conns = append(s.conns, c)
	}
	return s, nil
}

func (s *secure) close() {
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *secure) run(during time.Duration) (int, error) {
	end := time.Now().Add(during)
	var n atomic.Int64
	var all sync.WaitGroup
	failed := make([]error, len(s.conns))
	for i, c := range s.conns {
		all.Go(func() {
			buf := make([]byte, len(s.message))
			for time.Now().Before(end) {
				if _, failed[i] = c.Write(s.message); failed[i] != nil {
					return
				}
				if _, failed[i] = io.ReadFull(c, buf); failed[i] != nil {
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	for _, err := range failed {
		if err != nil {
			return 0, err
		}
	}
	return int(n.Load()), nil
}
