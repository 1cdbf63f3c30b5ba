package control

import "sync"

// streams knows the one current stream of each member of a kind. Its zero value
// is ready for use.
type streams struct {
	mu      sync.Mutex
	open    map[string]*wakeups // by id
	stopped bool
}

// replace makes the caller's the current stream of id and asks the older one to
// end. release forgets it unless a newer one took its place. note runs under the
// lock: of two streams that open at once, the one that stays must also be the one
// whose messages count.
func (s *streams) replace(id string, mine *wakeups, note func()) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note()
	if s.open == nil {
		s.open = map[string]*wakeups{}
	}
	if older, ok := s.open[id]; ok {
		older.end(errReplaced)
	}
	s.open[id] = mine
	if s.stopped {
		mine.end(errStopping)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[id] == mine {
			delete(s.open, id)
		}
	}
}

// end ends all streams, also those that come later: the controller is stopping.
func (s *streams) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, w := range s.open {
		w.end(errStopping)
	}
}
