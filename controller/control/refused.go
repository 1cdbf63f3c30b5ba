package control

import (
	"sync"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// maxRefused bounds the peers whose refusals are remembered. They have proved an
// identity of this trust domain, so there are not many.
const maxRefused = 4096

// refused logs which peers are refused: at once, again for another reason, and at
// growing intervals while a peer keeps trying. A revoked host tries about once a
// second until its agent ends. Its zero value is ready for use.
type refused struct {
	mu   sync.Mutex
	byID map[string]*logging.Condition
}

// log notes a refusal.
func (r *refused) log(log *zap.Logger, msg, id string, err error) {
	r.mu.Lock()
	c := r.byID[id]
	if c == nil {
		if r.byID == nil || len(r.byID) >= maxRefused {
			r.byID = map[string]*logging.Condition{}
		}
		c = &logging.Condition{}
		r.byID[id] = c
	}
	r.mu.Unlock()
	c.Fails(log, zap.WarnLevel, msg, err)
}

// admitted ends the refusals of a peer: the next one is news.
func (r *refused) admitted(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byID, id)
}
