package enroll

import (
	"context"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// Sort is what the lists of tokens and requests are ordered by. Equal keys are in the
// order of their ids.
type Sort string

// Orders of these lists. The first three have an index; ByState depends on the time of the
// question, and looks at each token or request.
const (
	ByWorkload Sort = "id"
	ByCreation Sort = "created_at"
	ByExpiry   Sort = "expires_at"
	ByState    Sort = "status"
)

// PageQuery asks for one page of a list whose items have the states S.
type PageQuery[S ~string] struct {
	Sort       Sort
	Descending bool
	// After is the Next of the page before; zero at the start.
	After fleet.Place
	Limit int // at least 1
	// State is the only one that is wanted; empty for any.
	State S
	// Search is a text, in upper or lower case, that is looked for in what identifies an
	// item. Of a token: its id, kind/id of its member, its maker and its host. Of a request:
	// its id and code, kind/id of its member, its hostname and address, who decided it, and
	// the host that it became; never the fingerprint, whose last group a search would find.
	Search string
	// Now decides which have expired.
	Now time.Time
}

// TokenQuery asks for a page of tokens.
type TokenQuery = PageQuery[State]

// RequestQuery asks for a page of requests.
type RequestQuery = PageQuery[RequestState]

// TokenPage returns one page of the tokens, whatever became of them. Errors: fleet.ErrPlace.
func (s *Service) TokenPage(ctx context.Context, q TokenQuery) (fleet.Page[Token], error) {
	q.Now = s.cfg.Now()
	return s.cfg.Store.TokenPage(ctx, q)
}

// RequestPage returns one page of the requests, whatever became of them. Errors: fleet.ErrPlace.
func (s *Service) RequestPage(ctx context.Context, q RequestQuery) (fleet.Page[Request], error) {
	q.Now = s.cfg.Now()
	return s.cfg.Store.RequestPage(ctx, q)
}
