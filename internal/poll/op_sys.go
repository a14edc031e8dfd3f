//go:build !windows

package poll

import (
	"errors"
	"fmt"
)

// opSys is what the poller keeps in an operation: nothing, since none is handed to it.
type opSys struct{}

// errReadiness answers Submit and Cancel of the readiness backends.
var errReadiness = fmt.Errorf("poll: backend takes no operations: %w", errors.ErrUnsupported)

// noOperations is the part of a Poller that tells readiness and takes no operations.
type noOperations struct{}

func (noOperations) Operations() bool { return false }

func (noOperations) Bind(int) error { return nil }

func (noOperations) Submit(*Op) error { return errReadiness }

func (noOperations) Cancel(*Op) error { return errReadiness }
