package health

import (
	"context"
	"errors"
)

// ErrHangs is returned by Check when a loop did not answer in time.
var ErrHangs = errors.New("the loop does not answer")

// Pulse is a loop that can be asked whether it lives: the loop receives from it
// in its select and does nothing with what it got. Make it with make; a nil Pulse
// never answers.
type Pulse chan struct{}

// Check returns nil when the loop came round to its select before ctx ended.
func (p Pulse) Check(ctx context.Context) error {
	select {
	case p <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ErrHangs
	}
}
