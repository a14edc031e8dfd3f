package transport_test

import (
	"context"
	"crypto/tls"
	"errors"
	"reflect"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Every method of a zero value of these types returns an error that is EINVAL, if it returns one, and none panics.
func TestZeroValuesOfServers(t *testing.T) {
	var none tls.Config
	for _, v := range []any{
		new(transport.TLSConn), new(transport.TLSConn).With(t.Context()),
		transport.TLSClient(nil, &none), transport.TLSServer(nil, &none),
		new(transport.TLSListener), transport.NewTLSListener(nil, &none),
		new(transport.Process), new(transport.ServeGroup),
	} {
		typ := reflect.TypeOf(v)
		for i := range 2 * typ.NumMethod() {
			m := typ.Method(i / 2)
			if m.Name == "Close" && (typ == reflect.TypeFor[*transport.Process]() || typ == reflect.TypeFor[*transport.ServeGroup]()) {
				continue // there is nothing to close
			}
			out := m.Func.Call(zeroArgs(t, v, m))
			if len(out) == 0 {
				continue
			}
			if last := out[len(out)-1]; last.Type() == reflect.TypeFor[error]() {
				if err, _ := last.Interface().(error); !errors.Is(err, syscall.EINVAL) {
					t.Errorf("%v.%s: %v", typ, m.Name, err)
				}
			}
		}
	}
	p := new(transport.Process)
	if _, ended := p.TryWait(); ended || p.Running() || p.Close() != nil {
		t.Error("a process that was not started runs, has ended or cannot be closed")
	}
	if err := new(transport.ServeGroup).Close(); err != nil {
		t.Error(err)
	}
}

// Nothing can be served that was not made, and a stream that is no pipe is an error.
func TestZeroValuesAsArguments(t *testing.T) {
	needsSockets(t)
	ctx := t.Context()
	for name, err := range map[string]error{
		"Serve":       transport.Serve(ctx, new(transport.Listener), echoing, transport.ServeConfig{}),
		"ServeEvents": transport.ServeEvents(ctx, new(transport.Listener), shouting, transport.EventConfig{}),
		"ServePackets": transport.ServePackets(ctx, new(transport.PacketConn),
			func(context.Context, *transport.Packet) error { return nil }, transport.PacketsConfig{}),
		"Start": core.Run(ctx, func(ctx context.Context) error {
			var p transport.Process // whose Stdout was not Piped
			_, err := (&transport.Command{Path: "unused", Stdin: p.Stdout}).Start(ctx)
			return err
		}),
	} {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
