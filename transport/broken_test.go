package transport_test

import (
	"context"
	"io"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
)

// A peer that breaks the connection is never taken for one that has ended it, whoever
// hears of it first.
func TestReset(t *testing.T) {
	everyWay(t, func(w *world) {
		reset := func() (read, write func() error, end func()) {
			c, peer := w.mixed()
			if err := peer.SetLinger(0); err != nil {
				w.Fatal(err)
			}
			waiting := w.start(func(context.Context) error { _, err := c.Read(make([]byte, 10)); return err })
			w.readWaits(c, 1)
			peer.Close()
			w.isOpError(waiting.Wait(w.ctx), "read", econnreset)
			read = func() error { _, err := c.Read(make([]byte, 10)); return err }
			write = func() error { _, err := c.Write(make([]byte, 10)); return err }
			return read, write, func() { c.Close() }
		}
		read, write, end := reset()
		for range 3 {
			w.isOpError(read(), "read", econnreset)
		}
		w.isOpError(write(), "write", brokenAgain)
		w.isOpError(read(), "read", econnreset)
		end()
	})
}

// The same, but a Write is told first.
func TestResetToldToWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		c, peer := w.mixed()
		defer c.Close()
		if err := peer.SetLinger(0); err != nil {
			w.Fatal(err)
		}
		peer.Close()
		var err error
		for err == nil {
			_, err = c.Write(make([]byte, 10))
		}
		w.isOpError(err, "write", econnreset)
		_, err = c.Read(make([]byte, 10))
		w.isOpError(err, "read", econnreset)
		_, err = c.Write(make([]byte, 10))
		w.isOpError(err, "write", brokenAgain)
	})
}

// A peer that has ended in good order, and then gets more, answers with a reset. That
// is no news for Read: everything was read.
func TestEndThenReset(t *testing.T) {
	everyWay(t, func(w *world) {
		c, peer := w.mixed()
		defer c.Close()
		if _, err := peer.Write([]byte("bye")); err != nil {
			w.Fatal(err)
		}
		peer.Close()
		got, err := io.ReadAll(c)
		if string(got) != "bye" || err != nil {
			w.Fatalf("%q, %v", got, err)
		}
		for err == nil {
			_, err = c.Write(make([]byte, 10))
		}
		w.isOpError(err, "write", brokenAgain)
		if _, err := c.Read(make([]byte, 10)); err != io.EOF {
			w.Errorf("Read = %v", err)
		}
	})
}

// A reset ends a Write that waits.
func TestResetEndsWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		c, peer := w.mixed()
		defer c.Close()
		if err := peer.SetLinger(0); err != nil {
			w.Fatal(err)
		}
		writers := make([]*core.Task, 2)
		for i := range writers {
			writers[i] = w.start(func(context.Context) error { _, err := c.Write(make([]byte, 32<<20)); return err })
			w.writeWaits(c, i+1)
		}
		peer.Close()
		w.isOpError(writers[0].Wait(w.ctx), "write", econnreset)
		w.isOpError(writers[1].Wait(w.ctx), "write", brokenAgain)
		_, err := c.Read(make([]byte, 10))
		w.isOpError(err, "read", econnreset)
	})
}
