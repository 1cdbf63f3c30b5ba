package enroll

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/netip"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// claimPrefix begins the code of a claim link: 160 random bits and a checksum.
const claimPrefix = "ztl_"

// ErrClaimRefused is the one answer to every link that does not open: a caller
// must not learn which links there were.
var ErrClaimRefused = errors.New("this link is not valid: it was opened already, has expired, was revoked or never existed; if you have not opened it yourself, tell whoever sent it")

// Claim is a token behind a link. It is sealed under the link's own code, of which
// only the hash is kept: the database alone opens nothing.
type Claim struct {
	Hash    []byte // SHA-256 of the code
	TokenID string
	Sealed  []byte // empty once it was opened, revoked or expired
}

// ClaimTx keeps the tokens of claim links, sealed.
type ClaimTx interface {
	InsertClaim(ctx context.Context, c Claim) error
	// ClaimByHash returns ErrClaimRefused for an unknown one.
	ClaimByHash(ctx context.Context, hash []byte) (Claim, error)
	// EraseClaim forgets the sealed token and keeps that there was a link.
	EraseClaim(ctx context.Context, tokenID string) error
}

// Opening is somebody who opens a claim link.
type Opening struct {
	Code      string
	RequestID string
	From      string // address of the caller
}

func newClaim(tokenID, token string) (Claim, string, error) {
	code := keys.NewSecret(claimPrefix)
	box, err := claimBox(code, tokenID)
	if err != nil {
		return Claim{}, "", err
	}
	nonce := make([]byte, box.NonceSize())
	_, _ = rand.Read(nonce) // crypto/rand.Read never fails; it aborts the program instead
	return Claim{
		Hash: keys.HashSecret(code), TokenID: tokenID, Sealed: box.Seal(nonce, nonce, []byte(token), []byte(tokenID)),
	}, code, nil
}

// claimBox is AES-256-GCM under a key that only the code gives.
func claimBox(code, tokenID string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, []byte(code), []byte(tokenID), "grpccontroller claim link v1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (c Claim) open(code string) (string, error) {
	box, err := claimBox(code, c.TokenID)
	if err != nil {
		return "", err
	}
	if len(c.Sealed) < box.NonceSize() {
		return "", ErrClaimRefused
	}
	token, err := box.Open(nil, c.Sealed[:box.NonceSize()], c.Sealed[box.NonceSize():], []byte(c.TokenID))
	if err != nil {
		return "", errors.New("the stored token of a claim link does not open")
	}
	return string(token), nil
}

// OpenClaim returns the token behind a link, once. Errors: ErrClaimRefused.
func (s *Service) OpenClaim(ctx context.Context, o Opening) (Token, string, error) {
	var t Token
	var token, why string
	err := s.cfg.Store.EnrollTx(ctx, func(tx Tx) (err error) {
		t, token, why = Token{}, "", ""
		if keys.CheckSecret(claimPrefix, o.Code) != nil {
			why = "not a claim code"
			return s.recordClaim(ctx, tx, o, t, why)
		}
		c, err := tx.ClaimByHash(ctx, keys.HashSecret(o.Code))
		if errors.Is(err, ErrClaimRefused) {
			why = "unknown claim code"
			return s.recordClaim(ctx, tx, o, t, why)
		}
		if err != nil {
			return err
		}
		if t, err = tx.TokenByID(ctx, c.TokenID); err != nil {
			return err
		}
		if why = s.judgeClaim(t); why == "" {
			if token, err = c.open(o.Code); err != nil {
				return err
			}
			t.OpenedAt, t.OpenedFrom = s.cfg.Now().UTC(), o.From
		} else if !t.OpenedAt.IsZero() {
			if err := s.reopened(ctx, tx, o, &t); err != nil {
				return err
			}
		}
		return errors.Join(tx.UpdateToken(ctx, t), tx.EraseClaim(ctx, t.ID), s.recordClaim(ctx, tx, o, t, why))
	})
	if err != nil {
		return Token{}, "", err
	}
	if why != "" {
		return Token{}, "", ErrClaimRefused
	}
	return t, token, nil
}

func (s *Service) judgeClaim(t Token) string {
	switch {
	case !t.OpenedAt.IsZero():
		return "claim link was opened before"
	case !t.RevokedAt.IsZero():
		return whyRevoked
	case !s.cfg.Now().Before(t.ExpiresAt):
		return whyExpired
	default:
		return ""
	}
}

// reopened is the sign that two have the link, and nobody can say who of them was
// first. A token that is not redeemed yet is revoked: a new one costs a minute. One
// that is redeemed marks its host as contested, as a second key would.
func (s *Service) reopened(ctx context.Context, tx contesting, o Opening, t *Token) error {
	now := s.cfg.Now().UTC()
	if t.ReopenedAt.IsZero() {
		t.ReopenedAt, t.ReopenedFrom = now, o.From
	}
	s.cfg.Log.Warn("a claim link was opened twice: two parties have had the token",
		zap.String("token_id", t.ID), zap.Stringer("workload", t.Workload), zap.String("caller_addr", o.From), zap.String("opened_from", t.OpenedFrom))
	if t.State(now) == Pending {
		before := t.auditState(now)
		t.RevokedAt = now
		return s.cfg.Audit.Record(ctx, tx, audit.Event{
			Actor: "token/" + t.ID, Action: audit.TokenRevoke, Target: "token/" + t.ID, Outcome: audit.Success,
			Reason: "its claim link was opened twice", RequestID: o.RequestID, Source: o.From,
			Before: before, After: t.auditState(now),
		})
	}
	if t.State(now) != Redeemed {
		return nil
	}
	from, _ := netip.ParseAddr(o.From)
	return s.contest(ctx, tx, Redemption{RequestID: o.RequestID, Source: netip.AddrPortFrom(from, 0)}, *t,
		"host contested: the claim link of its token was opened again; revoke it unless you know why")
}

func (s *Service) recordClaim(ctx context.Context, tx audit.Store, o Opening, t Token, why string) error {
	ev := audit.Event{Action: audit.ClaimOpen, Target: "claim", Outcome: audit.Success, RequestID: o.RequestID, Source: o.From}
	if t.ID != "" {
		ev.Target, ev.Actor = "token/"+t.ID, "token/"+t.ID
	}
	if why != "" {
		ev.Action, ev.Outcome, ev.Reason = audit.ClaimRefuse, audit.Denied, why
	}
	return s.cfg.Audit.Record(ctx, tx, ev)
}
