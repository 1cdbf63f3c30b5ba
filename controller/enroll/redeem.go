package enroll

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
)

// ErrRefused is the one answer to every token that is not good. Why is in the
// audit log and counted by RefusalOf, and nowhere else: a caller must not learn
// which tokens exist.
var ErrRefused = errors.New("enrollment token refused")

// refusedError is ErrRefused, which it also says, and keeps why for RefusalOf.
type refusedError struct{ why string }

// Error implements error.
func (*refusedError) Error() string { return ErrRefused.Error() }

// Is implements errors.Is.
func (*refusedError) Is(target error) bool { return target == ErrRefused }

// RefusalOf is why Redeem refused, one of Refusals, or empty if it did not.
func RefusalOf(err error) string {
	refused := (*refusedError)(nil)
	if !errors.As(err, &refused) {
		return ""
	}
	for _, r := range refusals {
		if r.why == refused.why {
			return r.name
		}
	}
	return "other"
}

// Refusals lists what RefusalOf can say.
func Refusals() []string {
	out := make([]string, 0, len(refusals))
	for _, r := range refusals {
		out = append(out, r.name)
	}
	return out
}

// Redemption is a host's request to spend a token.
type Redemption struct {
	Secret    string
	Workload  identity.Workload
	CSR       []byte // PKCS#10, DER
	Facts     Facts
	Ephemeral bool
	// HostCertificate is the verified client certificate of a host that is enrolled
	// already, or nil.
	HostCertificate *x509.Certificate
	Source          netip.AddrPort
	RequestID       string

	// tokenID is the token of the approved request asked, whose key was proved. It is
	// used instead of a secret.
	tokenID, asked string
}

// reason says, for the audit log, which host enrolled, and with which request.
func (r Redemption) reason(host identity.HostID) string {
	if r.asked == "" {
		return "host/" + string(host)
	}
	return "host/" + string(host) + " request/" + r.asked
}

// Facts are what the host says of itself.
type Facts struct {
	BinaryPath  string
	UID         uint32
	SystemdUnit string
	Hostname    string
	Version     string
}

// Enrollment is what a host gets for its token.
type Enrollment struct {
	SPIFFEID        spiffeid.ID
	HostID          identity.HostID
	HostCertificate []byte // DER; empty for an ephemeral host
	JoinToken       string // for an ephemeral host
}

// Redeem spends a token. Everything that lets a host in is in one transaction; the rest
// is idempotent, so a host whose reply was lost (or a controller that was killed
// in between) goes on where it stopped. Errors: *FieldError, ErrRefused.
func (s *Service) Redeem(ctx context.Context, r Redemption) (Enrollment, error) {
	key, err := r.validate()
	if err != nil {
		return Enrollment{}, err
	}
	out, err := s.redeem(ctx, r, key)
	r.trace(ctx, out, err)
	return out, err
}

func (s *Service) redeem(ctx context.Context, r Redemption, key hostKey) (Enrollment, error) {
	c, err := s.claim(ctx, r, key)
	if err != nil {
		return Enrollment{}, err
	}
	if len(c.replaced) > 0 || c.fresh {
		s.cfg.Changed.MembersChanged(c.replaced)
	}
	return s.provision(ctx, c, key.public)
}

// trace says in the trace what was asked for, now that it is known to be well formed,
// and what came of it.
func (r Redemption) trace(ctx context.Context, out Enrollment, err error) {
	span := tracing.Current(ctx)
	span.Set(tracing.Kind(string(r.Workload.Kind)), tracing.ID(r.Workload.ID), tracing.RequestID(r.RequestID))
	switch why := RefusalOf(err); {
	case why != "":
		span.Set(tracing.Result("refused_" + why))
	case err != nil:
		span.Set(tracing.Result("failed"))
	default:
		span.Set(tracing.Result("enrolled"), tracing.SPIFFEID(out.SPIFFEID.String()), tracing.HostID(string(out.HostID)))
	}
}

// claimed is the outcome of the deciding transaction.
type claimed struct {
	host     fleet.Host
	member   fleet.Member
	replaced []fleet.Member
	fresh    bool // this call claimed the token; false for a retry
}

// claim decides. A refusal is committed too: its audit record and the mark of a
// contested host are part of the same transaction.
func (s *Service) claim(ctx context.Context, r Redemption, key hostKey) (claimed, error) {
	ctx, span := tracing.Start(ctx, "enroll.claim")
	var out claimed
	err := s.refuseStranger(ctx, r)
	if err == nil {
		out, err = s.claimUntilKnown(ctx, r, key)
	}
	span.End(err)
	return out, err
}

// refuseStranger refuses a secret that is no token's before there is a transaction:
// anybody can send one, and a transaction holds back whoever has a token.
func (s *Service) refuseStranger(ctx context.Context, r Redemption) error {
	if r.tokenID != "" {
		return nil
	}
	known, err := s.cfg.Store.TokenKnown(ctx, keys.HashSecret(r.Secret))
	if err != nil {
		return fmt.Errorf("look up enrollment token: %w", err)
	}
	if known {
		return nil
	}
	if err := s.recordRefusal(ctx, s.cfg.Store, r, Token{}, whyUnknown); err != nil {
		return err
	}
	return fmt.Errorf("redeem enrollment token: %w", &refusedError{whyUnknown})
}

// claimUntilKnown asks SPIRE, outside of a transaction, what the decision needs.
func (s *Service) claimUntilKnown(ctx context.Context, r Redemption, key hostKey) (claimed, error) {
	asked := attestations{}
	for {
		out, err := s.claimOnce(ctx, r, key, asked)
		var question *askSPIREError
		if errors.As(err, &question) && len(asked) == 0 {
			if err = s.ask(ctx, asked, question.agent); err == nil {
				continue
			}
		}
		if err != nil {
			return claimed{}, fmt.Errorf("redeem enrollment token: %w", err)
		}
		return out, nil
	}
}

func (s *Service) claimOnce(ctx context.Context, r Redemption, key hostKey, asked attestations) (claimed, error) {
	var out claimed
	var refusal error
	err := s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		out, refusal = claimed{}, nil
		t, why, err := s.judge(ctx, tx, r, key, asked)
		if err != nil {
			return err
		}
		if why != "" {
			refusal = &refusedError{why}
			return s.refuse(ctx, tx, r, t, why)
		}
		out, err = s.bind(ctx, tx, r, t, key)
		return err
	})
	if err == nil {
		err = refusal
	}
	return out, err
}
