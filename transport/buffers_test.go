package transport_test

import (
	"bytes"
	"context"
	"net"
	"testing"
	"time"

	"github.com/seed-1e54c410/turnstile/core"
)

// Buffers are one write, whatever their number and sizes, and are taken from the list.
func TestWriteBuffers(t *testing.T) {
	everyWay(t, func(w *world) {
		data := noise(1 << 20)
		for _, sizes := range [][]int{{}, {0}, {1}, {0, 5, 0, 7, 0}, {300 << 10, 1, 600 << 10}, make([]int, 3000)} {
			a, b := w.pair()
			var v net.Buffers
			want := 0
			for i, n := range sizes {
				if len(sizes) == 3000 {
					n = 1 + i%3
				}
				v = append(v, data[want:want+n])
				want += n
			}
			var got []byte
			reader := w.all(b, &got)
			n, err := a.WriteBuffers(&v)
			if n != int64(want) || err != nil || len(v) != 0 {
				w.Errorf("%d buffers: %d, %v, want %d; %d left", len(sizes), n, err, want, len(v))
			}
			a.Close()
			w.join(reader)
			if !bytes.Equal(got, data[:want]) {
				w.Errorf("%d buffers: the peer got %d bytes, want %d", len(sizes), len(got), want)
			}
			b.Close()
		}
	})
}

// Calls that write at the same time do not come between the buffers, and what was not written
// is left in the list.
func TestWriteBuffersWaits(t *testing.T) {
	everyWay(t, func(w *world) {
		a, b := w.pair()
		w.small(a, b)
		big := noise(tooMuch)
		lists := make([]net.Buffers, 3)
		sent := make([]int64, 3)
		var tasks []*core.Task
		for i := range lists {
			lists[i] = net.Buffers{[]byte{byte(i)}, big, big, []byte{byte(i)}}
			tasks = append(tasks, w.start(func(context.Context) (err error) {
				sent[i], err = a.WriteBuffers(&lists[i])
				return err
			}))
			w.writeWaits(a, i+1)
		}
		var got []byte
		buf := make([]byte, 64<<10)
		whole := int64(2*tooMuch + 2)
		for int64(len(got)) <= whole { // until the second has begun
			n, err := b.Read(buf)
			if err != nil {
				w.Fatal(err)
			}
			got = append(got, buf[:n]...)
		}
		w.join(tasks[0])
		if err := a.SetWriteDeadline(time.Unix(1, 0)); err != nil {
			w.Fatal(err)
		}
		w.timedOut(tasks[1].Wait(w.ctx), "writev")
		w.timedOut(tasks[2].Wait(w.ctx), "writev")
		a.Close()
		var rest []byte
		w.join(w.all(b, &rest))
		b.Close()
		got = append(got, rest...)
		left := int64(0)
		for _, p := range lists[1] {
			left += int64(len(p))
		}
		if sent[0] != whole || sent[1] == 0 || sent[1]+left != whole || sent[2] != 0 || len(lists[2]) != 4 {
			w.Fatalf("sent %v, left %d", sent, left)
		}
		var want []byte
		for i, n := range sent[:2] {
			one := append([]byte{byte(i)}, big...)
			one = append(append(one, big...), byte(i))
			want = append(want, one[:n]...)
		}
		if !bytes.Equal(got, want) {
			w.Errorf("the peer got %d bytes, want %d", len(got), len(want))
		}
	})
}

func TestWriteBuffersClosed(t *testing.T) {
	everyWayOn(t, "", func(w *world) {
		a, b := w.pair()
		defer b.Close()
		a.Close()
		v := net.Buffers{[]byte("x")}
		_, err := a.WriteBuffers(&v)
		w.isOpError(err, "writev", net.ErrClosed)
		if len(v) != 1 {
			w.Error("a buffer is gone")
		}
	})
}
