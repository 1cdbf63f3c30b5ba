package enroll

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Limits of a token's life. Anything else is an error and is never corrected.
const (
	DefaultTTL = 10 * time.Minute
	MinTTL     = time.Minute
	MaxTTL     = 24 * time.Hour
)

// Errors of the token API.
var (
	ErrTokenNotFound = errors.New("no such enrollment token")
	// ErrLiveMember refuses a token for an id that lives, unless it says Replace.
	ErrLiveMember = errors.New("a host with this id is enrolled; ask for a token with replace to revoke and replace that host")
)

// State is where a token is in its life.
type State string

// States of a token.
const (
	Pending  State = "pending"
	Redeemed State = "redeemed"
	Expired  State = "expired"
	Revoked  State = "revoked"
)

// Token is an enrollment token without its secret. Times are zero when the thing
// has not happened.
type Token struct {
	ID        string // public, "tok_" and 16 hexadecimal digits
	Workload  identity.Workload
	Replace   bool         // redeeming it revokes the live holder of the id
	Source    netip.Prefix // only from here; the zero prefix allows any address
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time
	ClaimedAt time.Time
	RevokedAt time.Time
	// KeyHash is the SHA-256 of the key that claimed it.
	KeyHash []byte
	HostID  identity.HostID
	// Delivery is how it gets to its host; Recipient names the key it is sealed to.
	Delivery  Delivery
	Recipient string
	// OpenedAt is when its claim link was opened, and from where; ReopenedAt when
	// somebody came who was too late.
	OpenedAt     time.Time
	OpenedFrom   string
	ReopenedAt   time.Time
	ReopenedFrom string
}

// State at the time now. A claimed token stays redeemed after its expiry.
func (t Token) State(now time.Time) State {
	switch {
	case !t.RevokedAt.IsZero():
		return Revoked
	case !t.ClaimedAt.IsZero():
		return Redeemed
	case !now.Before(t.ExpiresAt):
		return Expired
	default:
		return Pending
	}
}

// TokenTx keeps tokens.
type TokenTx interface {
	// TokenByHash and TokenByID return ErrTokenNotFound.
	TokenByHash(ctx context.Context, hash []byte) (Token, error)
	TokenByID(ctx context.Context, id string) (Token, error)
	InsertToken(ctx context.Context, t Token, hash []byte) error
	// UpdateToken writes the claim and the revocation of t, and who opened its link.
	UpdateToken(ctx context.Context, t Token) error
}

// MakerTx knows the API keys that make tokens.
type MakerTx interface {
	// MakerEnds is when the API key ends that is this actor; zero for one that does not
	// end, and for an actor that is not a key. A key that is dead by now is an error.
	MakerEnds(ctx context.Context, actor string, now time.Time) (time.Time, error)
}

// endWithMaker lets a token that an API key makes end with the key at the latest: a key
// of a minute, stolen, must not buy its thief a day.
func (t *Token) endWithMaker(ctx context.Context, tx MakerTx) error {
	end, err := tx.MakerEnds(ctx, t.CreatedBy, t.CreatedAt)
	if err == nil && !end.IsZero() && end.Before(t.ExpiresAt) {
		t.ExpiresAt = end
	}
	return err
}

func newTokenID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("tok_%x", b)
}
