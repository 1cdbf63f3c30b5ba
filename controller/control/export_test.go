package control

import "time"

// DrainTimeout for tests.
const DrainTimeout = drainTimeout

// SyncInterval for tests.
var SyncInterval = syncInterval

// SetDrain is to be called before Run.
func (s *Server) SetDrain(d time.Duration) { s.drain = d }
