package control

import (
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// How a stream ends that a newer one, or another hello, is to follow.
var (
	errReplaced  = status.Error(codes.Aborted, "replaced by a newer stream of this member")
	errHearAgain = status.Error(codes.Aborted, "the controller asks for a new hello")
)

// Signal wakes its subscribers; a topic.Topic is one.
type Signal interface {
	Subscribe() (woken <-chan struct{}, unsubscribe func())
}

// subscribe subscribes to a signal that may be nil, which never wakes anybody.
func subscribe(s Signal) (woken <-chan struct{}, unsubscribe func()) {
	if s == nil {
		return nil, func() {}
	}
	return s.Subscribe()
}

// streams knows the one current stream of each member of a kind. Its zero value
// is ready for use.
type streams struct {
	mu   sync.Mutex
	open map[string]chan struct{} // by id; closed when a newer stream replaces it
}

// replace makes the caller's the current stream of id and tells the older one to
// end. release forgets it unless a newer one took its place. note runs under the
// lock: of two streams that open at once, the one that stays must also be the one
// whose messages count.
func (s *streams) replace(id string, note func()) (replaced <-chan struct{}, release func()) {
	mine := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	note()
	if s.open == nil {
		s.open = map[string]chan struct{}{}
	}
	if older, ok := s.open[id]; ok {
		close(older)
	}
	s.open[id] = mine
	return mine, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[id] == mine {
			delete(s.open, id)
		}
	}
}
