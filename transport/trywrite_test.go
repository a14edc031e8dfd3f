package transport_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// What does not go at once does not go, nor does anything that would pass a Write that waits.
func TestTryWrite(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		// Somebody waits, though there is room.
		first := w.start(func(context.Context) error {
			raw, err := a.SyscallConn()
			if err != nil {
				return err
			}
			return raw.Write(func(uintptr) bool { return false })
		})
		w.writeWaits(a, 1)
		if n, err := a.TryWrite([]byte("x")); n != 0 || err != nil {
			w.Errorf("past a call that waits: %d, %v", n, err)
		}
		if err := a.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			w.Fatal(err)
		}
		w.timedOut(first.Wait(w.ctx), "raw-write")
		a.Close()
		b.Close()

		a, b = w.pair()
		defer b.Close()
		data := noise(8 << 20)
		total := 0
		for {
			n, err := a.TryWrite(data[total:])
			if err != nil {
				w.Fatal(err)
			}
			if total += n; n == 0 {
				break
			}
		}
		if total == 0 || total == len(data) {
			w.Fatalf("%d bytes of %d written", total, len(data))
		}
		writer := w.start(func(context.Context) error { _, err := a.Write(data[total:]); return err })
		w.writeWaits(a, 1)
		if n, err := a.TryWrite([]byte("x")); n != 0 || err != nil {
			w.Errorf("past a Write that waits: %d, %v", n, err)
		}
		var got []byte
		reader := w.start(func(context.Context) error {
			got = make([]byte, len(data)+1)
			_, err := io.ReadFull(b, got)
			return err
		})
		w.join(writer)
		w.until(func() bool { n, err := a.TryWrite([]byte("!")); return n == 1 || err != nil })
		w.join(reader)
		if string(got) != string(data)+"!" {
			w.Error("the peer got something else")
		}
		if err := a.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			w.Fatal(err)
		}
		if _, err := a.TryWrite(data); !errors.Is(err, os.ErrDeadlineExceeded) {
			w.Error(err)
		}
		a.Close()
		_, err := a.TryWrite(data)
		w.isOpError(err, "write", net.ErrClosed)
	})
}
