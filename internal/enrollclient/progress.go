package enrollclient

import (
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// sayFirst is the shortest time between two lines about retries, sayMost the longest
	// between two about the same.
	sayFirst = time.Second
	sayMost  = time.Minute
)

// explaining shows a person who waits why it is tried again: at most once a second, and
// ever more seldom while the reason stays.
type explaining struct {
	progress func(string)
	what     string

	reason string
	said   time.Time
	pause  time.Duration
}

func (c *Client) explaining(what string) *explaining {
	return &explaining{progress: c.cfg.Progress, what: what}
}

// because explains one attempt that failed.
func (r *explaining) because(err error) {
	now, reason := time.Now(), logging.WithoutNumbers(err.Error())
	news := reason != r.reason
	switch {
	case r.said.IsZero():
	case now.Sub(r.said) < sayFirst, !news && now.Sub(r.said) < r.pause:
		return
	}
	if r.pause = min(2*r.pause, sayMost); news || r.pause == 0 {
		r.pause = sayFirst
	}
	r.reason, r.said = reason, now
	r.progress(fmt.Sprintf("%s: %v", r.what, err))
}
