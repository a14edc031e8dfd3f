package transport_test

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-1e54c410/turnstile/transport"
)

// Every method of a zero value that returns an error returns one that is EINVAL, as package net has it, and
// leaves descriptor 0 alone. It is called twice: no mutex stays locked.
func TestZeroValues(t *testing.T) {
	for _, v := range []any{
		new(transport.Conn), new(transport.Conn).With(t.Context()),
		new(transport.Listener),
		new(transport.PacketConn), new(transport.PacketConn).With(t.Context()),
		new(transport.Socket),
	} {
		typ := reflect.TypeOf(v)
		for i := range 2 * typ.NumMethod() {
			m := typ.Method(i / 2)
			below := typ
			if f, ok := typ.Elem().FieldByName("ctx"); ok && typ.Elem().NumField() == 2 && f.Index[0] == 1 {
				below = typ.Elem().Field(0).Type // of a view
			}
			if inTests(below, m.Name) {
				continue
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
}

func zeroArgs(t *testing.T, v any, m reflect.Method) []reflect.Value {
	args := []reflect.Value{reflect.ValueOf(v)}
	n := m.Type.NumIn()
	if m.Type.IsVariadic() {
		n--
	}
	for i := 1; i < n; i++ {
		var arg any
		switch typ := m.Type.In(i); typ.String() {
		case "context.Context":
			arg = t.Context()
		case "io.Reader":
			arg = strings.NewReader("x")
		case "*net.Buffers":
			arg = &net.Buffers{[]byte("x")}
		case "[]uint8":
			arg = []byte("x")
		case "net.Addr":
			arg = &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
		case "transport.ShutHow":
			arg = transport.ShutBoth
		default:
			args = append(args, reflect.Zero(typ))
			continue
		}
		args = append(args, reflect.ValueOf(arg))
	}
	return args
}

// A message that is sent by a zero value is nobody's.
func TestZeroConnTo(t *testing.T) {
	var c transport.PacketConn
	if _, err := c.WriteTo(nil, &net.UnixAddr{Name: "x", Net: ""}); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := new(transport.Conn).With(ctx).Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
