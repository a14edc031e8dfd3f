//go:build !linux && !windows

package dispatch_test

import (
	"errors"
	"os"
	"testing"

	"github.com/seed-1e54c410/turnstile/dispatch"
)

func TestProcessUnsupported(t *testing.T) {
	d := open(t, dispatch.Config{})
	w, err := d.AddProcess(os.Getpid(), func(dispatch.ProcessState) { t.Error("ran") })
	if w != nil || !errors.Is(err, errors.ErrUnsupported) || d.Pending() != 0 {
		t.Errorf("AddProcess = %v, %v; %d pending", w, err, d.Pending())
	}
}
