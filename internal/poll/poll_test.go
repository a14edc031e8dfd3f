package poll_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/seed-1e54c410/turnstile/internal/poll"
)

func TestOpenErrors(t *testing.T) {
	for _, cfg := range []poll.Config{{Backend: "no such thing"}, {Wait: 77}} {
		p, err := poll.Open(cfg)
		if p != nil || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Open(%+v) = %v, %v; want ErrUnsupported", cfg, p, err)
		}
	}
	for _, name := range []string{"poll", "kqueue", "iocp"} {
		if slices.Contains(poll.Backends(), name) {
			p, err := poll.Open(poll.Config{Backend: name, Wait: poll.Park})
			if p != nil || !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("parking %s: %v, %v; want ErrUnsupported", name, p, err)
			}
		}
	}
}

func TestBackendsOpen(t *testing.T) {
	names := poll.Backends()
	p, err := poll.Open(poll.Config{})
	if len(names) == 0 {
		if p != nil || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without backends Open = %v, %v; want ErrUnsupported", p, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Name() != names[0] {
		t.Errorf("default backend %q, want the first of %q", p.Name(), names)
	}
	for _, name := range names {
		q, err := poll.Open(poll.Config{Backend: name})
		if err != nil {
			t.Errorf("backend %q: %v", name, err)
			continue
		}
		if q.Name() != name {
			t.Errorf("backend %q calls itself %q", name, q.Name())
		}
		q.Close()
	}
}
