package transport_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// timedOut fails the test unless err says that a deadline has passed.
func (w *world) timedOut(err error, op string) {
	w.Helper()
	oe := w.isOpError(err, op, os.ErrDeadlineExceeded)
	if !oe.Timeout() {
		w.Errorf("%v: Timeout() = false", err)
	}
	var ne net.Error = oe
	_ = ne
}

func TestPastDeadline(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		buf := make([]byte, 8)
		for range 3 {
			for _, past := range []time.Time{time.Unix(1, 0), time.Now(), time.Now().Add(-time.Hour)} {
				if err := a.SetDeadline(past); err != nil {
					w.Fatal(err)
				}
				_, err := a.Read(buf)
				w.timedOut(err, "read")
				_, err = a.Write(buf)
				w.timedOut(err, "write")
			}
		}
		if err := a.SetReadDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if n, err := a.Read(buf); err != nil || string(buf[:n]) != "x" {
			w.Errorf("Read without a deadline = %q, %v", buf[:n], err)
		}
		_, err := a.Write(buf)
		w.timedOut(err, "write")
		if err := a.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			w.Fatal(err)
		}
		if _, err := a.Write(buf); err != nil {
			w.Error(err)
		}
	})
}

func TestFutureDeadline(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		buf := make([]byte, 8)
		for i := range 5 {
			when := time.Now().Add(time.Duration(i) * time.Millisecond)
			if err := a.SetReadDeadline(when); err != nil {
				w.Fatal(err)
			}
			for range 2 {
				_, err := a.Read(buf)
				w.timedOut(err, "read")
				if now := time.Now(); now.Before(when) {
					w.Errorf("%v before the deadline", when.Sub(now))
				}
			}
		}
		// The deadlines have taken no byte, and are gone.
		if err := a.SetReadDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if _, err := b.Write([]byte("hello")); err != nil {
			w.Fatal(err)
		}
		if n, err := a.Read(buf); err != nil || string(buf[:n]) != "hello" {
			w.Errorf("Read = %q, %v", buf[:n], err)
		}
	})
}

// A deadline is set, moved and taken back while calls wait.
func TestDeadlineOfCallsThatWait(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		read := func() *core.Task {
			return w.start(func(context.Context) error { _, err := a.Read(make([]byte, 8)); return err })
		}
		set := func(t time.Time) {
			if err := a.SetReadDeadline(t); err != nil {
				w.Fatal(err)
			}
		}
		for _, sooner := range []time.Time{time.Unix(1, 0), time.Now().Add(time.Millisecond)} {
			set(time.Now().Add(time.Hour))
			r1, r2 := read(), read()
			w.readWaits(a, 2)
			set(sooner)
			w.timedOut(r1.Wait(w.ctx), "read")
			w.timedOut(r2.Wait(w.ctx), "read")
		}
		// From soon to later: the alarm that was set must not end it.
		soon := time.Now().Add(5 * time.Millisecond)
		set(soon)
		r := read()
		w.until(func() bool { n, _ := a.Waiting(); return n == 1 || r.Finished() })
		set(time.Now().Add(time.Hour))
		if r.Finished() {
			r = read() // the machine was slow
		}
		w.until(func() bool { return time.Now().After(soon.Add(10 * time.Millisecond)) })
		w.readWaits(a, 1)
		set(time.Time{})
		if n, _ := a.Waiting(); n != 1 {
			w.Error("the Read has ended")
		}
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		w.join(r)
	})
}

// A Write that a deadline ends tells how much it has written.
func TestWriteDeadline(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		defer b.Close()
		data := make([]byte, 32<<20)
		var n int
		writer := w.start(func(context.Context) (err error) {
			n, err = a.Write(data)
			return err
		})
		w.writeWaits(a, 1)
		if err := a.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.Fatal(err)
		}
		w.timedOut(writer.Wait(w.ctx), "write")
		if n == 0 || n == len(data) {
			w.Errorf("%d bytes of %d written", n, len(data))
		}
		a.Close()
		if got, err := io.Copy(io.Discard, b); got != int64(n) || err != nil {
			w.Errorf("the peer read %d bytes, %v, and %d were written", got, err, n)
		}
	})
}

// A connection that nobody uses leaves no timer behind: the dispatcher has nothing to wait for.
func TestDeadlineIsNotPending(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.pair()
		defer a.Close()
		defer b.Close()
		before := w.d.Pending()
		if err := a.SetDeadline(time.Now().Add(time.Hour)); err != nil {
			w.Fatal(err)
		}
		if n := w.d.Pending(); n > before {
			w.Error("a deadline that nobody waits for is pending")
		}
		r := w.start(func(context.Context) error { _, err := a.Read(make([]byte, 1)); return err })
		w.readWaits(a, 1)
		if err := a.SetDeadline(time.Time{}); err != nil {
			w.Fatal(err)
		}
		if _, err := b.Write([]byte("x")); err != nil {
			w.Fatal(err)
		}
		w.join(r)
		if n := w.d.Pending(); n > before {
			w.Error(fmt.Sprint(n, " pending, before there were ", before))
		}
	})
}
