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
