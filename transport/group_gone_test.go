package transport_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-1e54c410/turnstile/core"
	"github.com/seed-1e54c410/turnstile/dispatch"
	"github.com/seed-1e54c410/turnstile/transport"
)

// Somebody closes one of the dispatchers before the group serves: whichever it is, the others do not wait for it.
func TestServeGroupWithoutADispatcher(t *testing.T) {
	for i := range 2 {
		everySpread(t, "tcp", func(t *testing.T, ctx context.Context, g *transport.ServeGroup, _ transport.Spread) {
			gone := g.Dispatchers()[i]
			if _, err := core.Blocking(ctx, func(context.Context) (struct{}, error) { return struct{}{}, gone.Close() }); err != nil {
				t.Fatal(err)
			}
			if err := g.Serve(ctx, echoing, transport.ServeConfig{OnError: noErrors(t)}); !errors.Is(err, dispatch.ErrClosed) {
				t.Errorf("Serve = %v", err)
			}
		})
	}
}
