package enroll

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// Sort is what the list of tokens is ordered by. Equal keys are in the order of their ids.
type Sort string

// Orders of the list of tokens. The first three have an index; ByState depends on the time
// of the question, and looks at each token.
const (
	ByWorkload Sort = "id"
	ByCreation Sort = "created_at"
	ByExpiry   Sort = "expires_at"
	ByState    Sort = "status"
)

// TokenQuery asks for one page of the tokens.
type TokenQuery struct {
	Sort       Sort
	Descending bool
	// After is the Next of the page before; zero at the start.
	After fleet.Place
	Limit int // at least 1
	// State is the only one that is wanted; empty for any.
	State State
	// Search is a text, in upper or lower case, that is looked for in what identifies a
	// token: its id, kind/id of its member, its maker and its host.
	Search string
	// Now decides which tokens have expired.
	Now time.Time
}

// TokenPage returns one page of the tokens, whatever became of them. Errors: fleet.ErrPlace.
func (s *Service) TokenPage(ctx context.Context, q TokenQuery) (fleet.Page[Token], error) {
	q.Now = s.cfg.Now()
	return s.cfg.Store.TokenPage(ctx, q)
}
