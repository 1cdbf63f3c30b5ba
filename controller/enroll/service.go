package enroll

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"go.uber.org/zap"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Store opens transactions. They are serialized: what one read, no other changes
// before it commits.
type Store interface {
	audit.Store
	EnrollTx(ctx context.Context, fn func(Tx) error) error
	// TokenPage errors: fleet.ErrPlace.
	TokenPage(ctx context.Context, q TokenQuery) (fleet.Page[Token], error)
	// Token returns ErrTokenNotFound.
	Token(ctx context.Context, id string) (Token, error)
	// HostByID returns fleet.ErrNotFound. It only reads.
	HostByID(ctx context.Context, id identity.HostID) (fleet.Host, error)
	// TokenKnown says whether there is, or was, a token with this hash.
	TokenKnown(ctx context.Context, hash []byte) (bool, error)
	// RequestPage errors: fleet.ErrPlace.
	RequestPage(ctx context.Context, q RequestQuery) (fleet.Page[Request], error)
	// Request returns ErrRequestNotFound.
	Request(ctx context.Context, id string) (Request, error)
}

// Tx is one transaction of enrollment, in which the fleet changes too. Each function asks
// for the parts of it that it uses; each part is declared beside its main user.
type Tx interface {
	fleet.Tx
	TokenTx
	MakerTx
	ClaimTx
	RequestTx
	HostTx
	SweepTx
}

// Signer signs host certificates.
type Signer interface {
	// SignHost signs for the public key of a verified CSR and takes nothing else
	// from it. It returns DER.
	SignHost(id identity.HostID, publicKey any) ([]byte, error)
	// Due says that a host certificate is to be renewed.
	Due(host *x509.Certificate) bool
}

// SPIRE is what redemption needs of the SPIRE server; spire/server.Client is it.
type SPIRE interface {
	PutEntry(ctx context.Context, e fleet.Entry) error
	// Agent returns fleet.ErrNotFound for one that never attested.
	Agent(ctx context.Context, id spiffeid.ID) (fleet.Agent, error)
	CreateJoinToken(ctx context.Context, ttl time.Duration) (token string, agent spiffeid.ID, err error)
}

// Changed is notified after a commit that members came or went.
type Changed interface {
	// MembersChanged makes policy, streams and SPIRE follow the store.
	MembersChanged(revoked []fleet.Member)
}

// Config configures New.
type Config struct {
	TrustDomain spiffeid.TrustDomain
	Store       Store
	// Changes says which requests were decided; see FollowRequests.
	Changes changelog.Log
	Signer  Signer
	SPIRE   SPIRE
	Changed Changed
	Audit   *audit.Log
	Log     *zap.Logger
	Now     func() time.Time
	// SVIDTTL of an entry, by kind.
	SVIDTTL map[identity.Kind]time.Duration
	// EntrySettle is how old a registration entry must be before the reply, so
	// that the server's cache has it when the agent first asks.
	EntrySettle time.Duration
}

// Service creates and redeems enrollment tokens, and lets hosts ask without one.
type Service struct {
	cfg      Config
	asks     *sourcelimit.Limiter
	waiting  waiting
	follower *changelog.Follower
}

// An address may ask askBurst times, then once per askEvery.
const (
	askBurst = 20
	askEvery = 3 * time.Second
)

// New returns a Service.
func New(cfg Config) *Service {
	s := &Service{cfg: cfg, asks: sourcelimit.New(askEvery, askBurst, cfg.Now)}
	s.follower = changelog.NewFollower(changelog.Config{Name: "requests", Log: cfg.Changes, Reader: decisions{&s.waiting}, Now: cfg.Now, Logger: cfg.Log})
	return s
}

// TokenRequest asks for a token.
type TokenRequest struct {
	Workload  identity.Workload
	TTL       time.Duration // 0 means DefaultTTL
	Replace   bool
	Source    netip.Prefix
	Delivery  Delivery // empty means Plain
	Recipient string   // for Sealed: an age recipient or SSH public key
	Actor     string
	RequestID string
	From      string // address of the caller
}

// FieldError says which field of a request is wrong. It is one type in the whole domain.
type FieldError = access.FieldError

// Create makes a token and returns it with what its host gets: by its
// Delivery the secret, the secret sealed to the recipient, or the code of a claim
// link. None of them is stored in clear or can be shown again. A token that an API key
// makes ends no later than the key. Errors: those of Validate, ErrLiveMember.
func (s *Service) Create(ctx context.Context, r TokenRequest) (Token, string, error) {
	if err := r.Validate(); err != nil {
		return Token{}, "", err
	}
	r.TTL, r.Delivery = cmp.Or(r.TTL, DefaultTTL), cmp.Or(r.Delivery, Plain)
	now := s.cfg.Now().UTC()
	token := keys.NewSecret(r.Workload.Kind.TokenPrefix())
	t := Token{
		ID: newTokenID(), Workload: r.Workload, Replace: r.Replace, Source: r.Source, Delivery: r.Delivery,
		CreatedBy: r.Actor, CreatedAt: now, ExpiresAt: now.Add(r.TTL),
	}
	p, err := prepare(&t, r, token)
	if err != nil {
		return Token{}, "", err
	}
	err = s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		if err := t.endWithMaker(ctx, tx); err != nil {
			return err
		}
		if err := s.insert(ctx, tx, t, token); err != nil {
			return err
		}
		if p.claim.Hash != nil {
			if err := tx.InsertClaim(ctx, p.claim); err != nil {
				return err
			}
		}
		return s.cfg.Audit.Record(ctx, tx, audit.Event{
			Actor: r.Actor, Action: audit.TokenCreate, Target: "token/" + t.ID, Outcome: audit.Success,
			Reason: r.Workload.String(), RequestID: r.RequestID, Source: r.From, After: t.auditState(now),
		})
	})
	if err != nil {
		return Token{}, "", fmt.Errorf("create enrollment token: %w", err)
	}
	return t, p.handOver, nil
}

// Validate says what is wrong with the request by itself. Errors: a *FieldError for each
// field that is at fault, joined.
func (r TokenRequest) Validate() error {
	var all []error
	if _, err := identity.ParseKind(string(r.Workload.Kind)); err != nil {
		all = append(all, &FieldError{Field: "kind", Err: err})
	}
	if err := identity.ValidateID(r.Workload.ID); err != nil {
		all = append(all, &FieldError{Field: "id", Err: err})
	}
	if r.TTL != 0 && (r.TTL < MinTTL || r.TTL > MaxTTL) {
		all = append(all, &FieldError{Field: "ttl", Err: fmt.Errorf("%s is outside %s to %s", r.TTL, MinTTL, MaxTTL)})
	}
	return errors.Join(append(all, r.validateDelivery())...)
}

// Token returns one token, whatever became of it. Errors: ErrTokenNotFound.
func (s *Service) Token(ctx context.Context, id string) (Token, error) {
	return s.cfg.Store.Token(ctx, id)
}

// Revoke makes a pending token unusable. Revoking a token that is spent or
// revoked already changes nothing. Errors: ErrTokenNotFound.
func (s *Service) Revoke(ctx context.Context, id, actor, requestID, from string) error {
	return s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		t, err := tx.TokenByID(ctx, id)
		if err != nil {
			return err
		}
		if !t.RevokedAt.IsZero() || !t.ClaimedAt.IsZero() {
			return nil
		}
		now := s.cfg.Now().UTC()
		before := t.auditState(now)
		t.RevokedAt = now
		if err := tx.UpdateToken(ctx, t); err != nil {
			return err
		}
		if err := tx.EraseClaim(ctx, t.ID); err != nil {
			return err
		}
		return s.cfg.Audit.Record(ctx, tx, audit.Event{
			Actor: actor, Action: audit.TokenRevoke, Target: "token/" + id, Outcome: audit.Success,
			Reason: t.Workload.String(), RequestID: requestID, Source: from,
			Before: before, After: t.auditState(now),
		})
	})
}
