package app

import "context"

// stage is something that runs until it is stopped. It outlives the context that
// SIGTERM ends, so that stages stop one after the other.
type stage struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

// start runs fn. When fn ends before stop is called, abort gets the cause.
func start(ctx context.Context, abort context.CancelCauseFunc, fn func(context.Context) error) *stage {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &stage{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = fn(own)
		if own.Err() == nil {
			abort(s.err)
		}
	}()
	return s
}

// stop ends the stage and waits for it.
func (s *stage) stop() error {
	s.cancel()
	<-s.done
	return s.err
}
