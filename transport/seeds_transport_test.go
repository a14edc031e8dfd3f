//go:build unix

package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// TestSeeds2_7 has a test for each thing that chronos says of the states of its transports and of what is
// written to them, done right where that is wrong. What is read is in TestSeedsRead…, pipes in TestSeedsPipe…,
// datagrams in TestSeedsPackets, servers in TestSeedsServer and TestSeedsAccept.
func TestSeeds2_7(t *testing.T) {
	for _, s := range []struct {
		row string
		fn  func(w *world)
	}{
		{"write: a peer that has reset is an error, not 0 bytes", seedWriteReset},
		{"write: calls that wait when the peer resets are errors", seedWriteResetWaits},
		{"write: queued in order, each completes with its length", seedWriteQueued},
		{"write: nothing is done at once", seedWriteNothing},
		{"write: a queued one that is canceled sends nothing", seedWriteCanceled},
		{"write: one that is canceled under way says how much it has sent", seedWritePart},
		{"close: ends pending reads and writes, a second one is an error", seedCloseEnds},
		{"close, closeWait, join: all is over when it returns", seedCloseIsOver},
		{"close: a task that is canceled closes all the same", seedCloseCanceled},
		{"atEof: behind the last byte, and again and again", seedAtEOF},
		{"closed, finished, failed: each state has its error", seedStates},
		{"shutdownWait: the peer is at its end, and can still write", seedShutdown},
		{"datagram: close ends queued sends with an error", seedDatagramClose},
		{"datagram: close ends a send to an address", seedDatagramCloseTo},
	} {
		t.Run(s.row, func(t *testing.T) { everyWay(t, s.fn) })
	}
}

// resetPeer returns a connection whose peer has reset it.
func (w *world) resetPeer() *transport.Conn {
	w.Helper()
	c, peer := w.mixed()
	if err := errors.Join(peer.SetLinger(0), peer.Close()); err != nil {
		w.Fatal(err)
	}
	_, err := c.Read(make([]byte, 1))
	w.isOpError(err, "read", econnreset)
	return c
}

func seedWriteReset(w *world) {
	c := w.resetPeer()
	defer c.Close()
	for range 3 {
		n, err := c.Write([]byte("x"))
		w.isOpError(err, "write", brokenAgain)
		if n != 0 {
			w.Errorf("wrote %d", n)
		}
	}
}

func seedWriteResetWaits(w *world) {
	c, peer := w.mixed()
	defer c.Close()
	var tasks []*core.Task
	for i := range 3 {
		tasks = append(tasks, w.start(func(context.Context) error {
			n, err := c.Write(make([]byte, 32<<20))
			if i > 0 && n != 0 || n == 32<<20 {
				w.Errorf("writer %d: %d", i, n)
			}
			return err
		}))
		w.writeWaits(c, i+1)
	}
	if err := errors.Join(peer.SetLinger(0), peer.Close()); err != nil {
		w.Error(err)
	}
	for i, task := range tasks {
		want := error(brokenAgain)
		if i == 0 {
			want = econnreset
		}
		w.isOpError(task.Wait(w.ctx), "write", want)
	}
}

func seedWriteQueued(w *world) {
	a, b := w.pair()
	defer a.Close()
	defer b.Close()
	const n, size = 4, 1 << 20
	w.small(a, b)
	var tasks []*core.Task
	for i := range n {
		tasks = append(tasks, w.start(func(context.Context) error {
			k, err := a.Write(bytes.Repeat([]byte{byte(i)}, size))
			if k != size {
				w.Errorf("writer %d: %d", i, k)
			}
			return err
		}))
		w.writeWaits(a, i+1)
	}
	got := make([]byte, n*size)
	if _, err := io.ReadFull(b, got); err != nil {
		w.Fatal(err)
	}
	w.join(tasks...)
	for i := range n {
		if k := bytes.Count(got[i*size:(i+1)*size], []byte{byte(i)}); k != size {
			w.Errorf("%d of the bytes of writer %d are in their place", k, i)
		}
	}
}

func seedWriteNothing(w *world) {
	a, b := w.pair()
	defer a.Close()
	defer b.Close()
	if n, err := a.Write(nil); n != 0 || err != nil {
		w.Errorf("Write = %d, %v", n, err)
	}
}

func seedWriteCanceled(w *world) {
	a, b := w.pair()
	defer b.Close()
	const size = 32 << 20
	first := w.start(func(context.Context) error { _, err := a.Write(make([]byte, size)); return err })
	w.writeWaits(a, 1)
	ctx, cancel := core.WithCancel(w.ctx)
	defer cancel()
	queued := w.start(func(context.Context) error {
		n, err := a.With(ctx).Write([]byte("never"))
		if n != 0 {
			w.Errorf("it has sent %d", n)
		}
		return err
	})
	w.writeWaits(a, 2)
	cancel()
	w.isOpError(queued.Wait(w.ctx), "write", context.Canceled)
	last := w.start(func(context.Context) error {
		defer a.Close()
		_, err := a.Write([]byte("last"))
		return err
	})
	if n, err := io.CopyN(io.Discard, onlyReader{b}, size); err != nil {
		w.Errorf("the first %d bytes, %v", n, err)
	}
	got, err := io.ReadAll(b)
	if string(got) != "last" || err != nil {
		w.Errorf("then %q, %v", got, err)
	}
	w.join(first, last)
}

func seedWritePart(w *world) {
	a, b := w.pair()
	defer b.Close()
	ctx, cancel := core.WithCancel(w.ctx)
	defer cancel()
	n := 0
	writer := w.start(func(context.Context) (err error) {
		n, err = a.With(ctx).Write(make([]byte, 32<<20))
		return err
	})
	w.writeWaits(a, 1)
	cancel()
	w.isOpError(writer.Wait(w.ctx), "write", context.Canceled)
	a.Close()
	if got, err := io.Copy(io.Discard, onlyReader{b}); got != int64(n) || n == 0 || err != nil {
		w.Errorf("the peer has got %d, %v, and Write says %d", got, err, n)
	}
}

func seedCloseEnds(w *world) {
	a, b := w.pair()
	defer b.Close()
	var tasks []*core.Task
	for i := range 2 {
		tasks = append(tasks, w.start(func(context.Context) error { _, err := a.Read(make([]byte, 1)); return err }))
		w.readWaits(a, i+1)
	}
	for i := range 2 {
		tasks = append(tasks, w.start(func(context.Context) error { _, err := a.Write(make([]byte, 32<<20)); return err }))
		w.writeWaits(a, i+1)
	}
	if err := a.Close(); err != nil {
		w.Error(err)
	}
	for i, task := range tasks {
		w.isOpError(task.Wait(w.ctx), [...]string{"read", "read", "write", "write"}[i], net.ErrClosed)
	}
	w.isOpError(a.Close(), "close", net.ErrClosed)
}

// Here Close is all three: nothing has to be waited for behind it.
func seedCloseIsOver(w *world) {
	a, b := w.pair()
	before := openFDs()
	if _, err := a.Write([]byte("bye")); err != nil {
		w.Error(err)
	}
	if err := a.Close(); err != nil {
		w.Error(err)
	}
	if n := openFDs(); before > 0 && n != before-1 {
		w.Errorf("%d descriptors, and %d before Close", n, before)
	}
	if got, err := io.ReadAll(b); string(got) != "bye" || err != nil { // what was written is still sent
		w.Errorf("the peer has got %q, %v", got, err)
	}
	b.Close()
	l := w.listen()
	accepting := w.start(func(ctx context.Context) error { _, err := l.AcceptConn(ctx); return err })
	w.until(func() bool { return l.Waiting() == 1 })
	if err := l.Close(); err != nil { // also while it runs, which is a BUG there
		w.Error(err)
	}
	w.isOpError(accepting.Wait(w.ctx), "accept", net.ErrClosed)
}

// closeWait cannot be canceled there either.
func seedCloseCanceled(w *world) {
	a, b := w.pair()
	defer b.Close()
	task := core.Start(w.on, func(ctx context.Context) error {
		_, err := a.Read(make([]byte, 1))
		if !errors.Is(err, context.Canceled) {
			w.Errorf("Read: %v", err)
		}
		return a.Close()
	})
	w.readWaits(a, 1)
	task.Cancel()
	if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		w.Errorf("the peer: %d, %v", n, err)
	}
	if err := task.Wait(w.ctx); err != nil && !errors.Is(err, context.Canceled) {
		w.Error(err)
	}
}

func seedAtEOF(w *world) {
	a, b := w.pair()
	defer b.Close()
	if _, err := a.Write([]byte("xyz")); err != nil {
		w.Error(err)
	}
	a.Close()
	buf := make([]byte, 2)
	if _, err := io.ReadFull(b, buf); err != nil { // one byte is left, and the end has come: not atEof
		w.Error(err)
	}
	if n, err := b.Read(buf); n != 1 || err != nil {
		w.Errorf("the last byte: %d, %v", n, err)
	}
	for range 3 {
		if n, err := b.Read(buf); n != 0 || err != io.EOF {
			w.Errorf("at the end: %d, %v", n, err)
		}
	}
}

func seedStates(w *world) {
	buf := make([]byte, 1)
	ended, peer := w.pair()
	peer.Close()
	if _, err := ended.Read(buf); err != io.EOF {
		w.Errorf("finished: %v", err)
	}
	ended.Close()
	_, err := ended.Read(buf)
	w.isOpError(err, "read", net.ErrClosed) // which it is rather than at its end
	_, err = ended.Write(buf)
	w.isOpError(err, "write", net.ErrClosed)
	w.isOpError(ended.SetDeadline(time.Time{}), "set", net.ErrClosed)
	w.isOpError(ended.CloseWrite(), "close", net.ErrClosed)

	failed := w.resetPeer()
	_, err = failed.Read(buf)
	w.isOpError(err, "read", econnreset)
	failed.Close()
	_, err = failed.Read(buf)
	w.isOpError(err, "read", net.ErrClosed)
}

func seedShutdown(w *world) {
	a, b := w.pair()
	defer a.Close()
	defer b.Close()
	if _, err := a.Write([]byte("ask")); err != nil {
		w.Error(err)
	}
	if err := a.CloseWrite(); err != nil {
		w.Error(err)
	}
	if got, err := io.ReadAll(b); string(got) != "ask" || err != nil {
		w.Errorf("got %q, %v", got, err)
	}
	if _, err := b.Write([]byte("answer")); err != nil {
		w.Error(err)
	}
	b.Close()
	if got, err := io.ReadAll(a); string(got) != "answer" || err != nil {
		w.Errorf("got %q, %v", got, err)
	}
	_, err := a.Write([]byte("x"))
	w.isOpError(err, "write", epipe)
}

func seedDatagramClose(w *world) {
	a, b := w.connected("unixgram")
	defer b.Close()
	var tasks []*core.Task
	send := func() *core.Task {
		task := w.start(func(context.Context) error {
			n, err := a.Write([]byte("x"))
			if err != nil && n != 0 {
				w.Errorf("Write = %d, %v", n, err)
			}
			return err
		})
		tasks = append(tasks, task)
		return task
	}
	for full := false; !full; { // until one has to wait
		task := send()
		w.until(func() bool { _, n := a.Waiting(); full = n > 0; return full || task.Finished() })
	}
	for i := range 3 {
		send()
		w.until(func() bool { _, n := a.Waiting(); return n == i+2 })
	}
	if err := a.Close(); err != nil {
		w.Error(err)
	}
	sent := len(tasks) - 4
	w.join(tasks[:sent]...)
	for _, task := range tasks[sent:] {
		w.isOpError(task.Wait(w.ctx), "write", net.ErrClosed)
	}
}

func seedDatagramCloseTo(w *world) {
	full, a, filler := w.packets("unixgram"), w.packets("unixgram"), w.boundFD("unixgram")
	defer full.Close()
	defer unix.Close(filler)
	to := &unix.SockaddrUnix{Name: full.LocalAddr().String()}
	for unix.Sendto(filler, []byte("fill"), 0, to) == nil {
	}
	var tasks []*core.Task
	for range 3 {
		tasks = append(tasks, w.start(func(context.Context) error {
			_, err := a.WriteTo([]byte("late"), full.LocalAddr())
			return err
		}))
	}
	if err := core.Yield(w.ctx); err != nil {
		w.Error(err)
	}
	if err := a.Close(); err != nil {
		w.Error(err)
	}
	for _, task := range tasks {
		w.isOpError(task.Wait(w.ctx), "write", net.ErrClosed)
	}
}
