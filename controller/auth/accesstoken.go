package auth

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
)

// Access tokens are JWTs for this API only (RFC 9068).
const (
	AccessTokenLife = 10 * time.Minute
	accessAudience  = "grpccontroller/admin"
	accessType      = "at+jwt"
	issuerPrefix    = "urn:grpccontroller:"
	maxAccessToken  = 4 << 10

	// defaultSigningKeyLife is how long a key signs. It verifies until the last
	// token that it signed has expired, so two are live for a while.
	defaultSigningKeyLife = 7 * 24 * time.Hour
)

// SigningKey signs access tokens. Seed is sealed.
type SigningKey struct {
	ID        string
	Seed      []byte
	CreatedAt time.Time
}

// AccessToken is what a program gets for its key.
type AccessToken struct {
	Token       string
	ExpiresAt   time.Time
	Permissions []Permission
}

type accessClaims struct {
	jwt.Claims
	Scope string `json:"scope"`
}

func (k *core) issuer() string { return issuerPrefix + k.Product }

// Exchange gives an access token for an API key (OAuth 2.0 client credentials).
// scope may ask for less than the key has; nil is all. Errors: *RefusedError,
// *FieldError, *TooManyError.
func (k *Keys) Exchange(ctx context.Context, keyID, text string, scope []Permission, by By) (AccessToken, error) {
	key, err := k.bySecret(ctx, text)
	if err == nil && key.ID != keyID {
		err = &RefusedError{Reason: "key of another client id", Actor: keyActor + key.ID}
	}
	if err != nil {
		// Only refusals are limited: a key cannot be guessed, and other programs behind
		// the same address must not be able to keep this one out.
		if limited := k.sources.take(by.Source); limited != nil {
			return AccessToken{}, limited
		}
		return AccessToken{}, err
	}
	granted := key.KeyPermissions()
	for _, p := range scope {
		if !slices.Contains(granted, p) {
			return AccessToken{}, fieldError("scope", "%q is more than the key has", p)
		}
	}
	if scope != nil {
		granted = scope
	}
	by.Actor = keyActor + key.ID
	return k.issue(ctx, key, granted, by)
}

func (k *Keys) issue(ctx context.Context, key Key, granted []Permission, by By) (AccessToken, error) {
	now, jti := k.now(), newID("at_")
	expires := now.Add(AccessTokenLife)
	if !key.ExpiresAt.IsZero() && key.ExpiresAt.Before(expires) {
		expires = key.ExpiresAt
	}
	var out AccessToken
	err := k.Store.AuthTx(ctx, func(tx Tx) error {
		signing, err := k.signingKey(ctx, tx, by)
		if err != nil {
			return err
		}
		private, err := k.privateKey(signing)
		if err != nil {
			return err
		}
		text, err := sign(private, signing.ID, accessClaims{
			Claims: jwt.Claims{
				Issuer: k.issuer(), Subject: keyActor + key.ID, Audience: jwt.Audience{accessAudience}, ID: jti,
				IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(expires),
			},
			Scope: joinPermissions(granted),
		})
		if err != nil {
			return err
		}
		out = AccessToken{Token: text, ExpiresAt: expires, Permissions: granted}
		return k.record(ctx, tx, by, audit.Event{Action: audit.KeyIssueToken, Target: "key/" + key.ID, Reason: jti})
	})
	return out, err
}

func sign(private ed25519.PrivateKey, kid string, c accessClaims) (string, error) {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: private, KeyID: kid}},
		(&jose.SignerOptions{}).WithType(accessType))
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return jwt.Signed(s).Claims(c).Serialize()
}

// SigningKeysTx keeps the keys that sign access tokens.
type SigningKeysTx interface {
	// SigningKeys lists them, the newest first.
	SigningKeys(ctx context.Context) ([]SigningKey, error)
	InsertSigningKey(ctx context.Context, k SigningKey) error
	DeleteSigningKeysBefore(ctx context.Context, created time.Time) error
}

// signing is what it takes to make a key that signs.
type signing interface {
	audit.Store
	SigningKeysTx
}

// signingKey returns the key that signs now; it makes the next one when that has
// signed long enough, and forgets those whose last token has expired.
func (k *Keys) signingKey(ctx context.Context, tx signing, by By) (SigningKey, error) {
	now := k.now()
	all, err := tx.SigningKeys(ctx)
	if err != nil {
		return SigningKey{}, err
	}
	if len(all) > 0 && now.Sub(all[0].CreatedAt) < k.SigningKeyLife {
		return all[0], nil
	}
	if err := tx.DeleteSigningKeysBefore(ctx, now.Add(-k.SigningKeyLife-AccessTokenLife)); err != nil {
		return SigningKey{}, err
	}
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // crypto/rand.Read never fails; it aborts the program instead
	next := SigningKey{ID: newID("sig_"), CreatedAt: now}
	next.Seed = k.Seal.Seal(signingPurpose(next.ID), seed)
	if err := tx.InsertSigningKey(ctx, next); err != nil {
		return SigningKey{}, err
	}
	return next, k.record(ctx, tx, by, audit.Event{Action: audit.SigningKeyMade, Actor: "controller", Target: "signing_key/" + next.ID})
}

func signingPurpose(id string) string { return "signing-key/" + id }

func (k *core) privateKey(s SigningKey) (ed25519.PrivateKey, error) {
	seed, err := k.Seal.Open(signingPurpose(s.ID), s.Seed)
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", s.ID, err)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// byAccessToken verifies a JWT, then looks at its key as it is now: revoking the
// key ends its tokens, and they never have more than the key has.
func (k *Keys) byAccessToken(ctx context.Context, text string) (Principal, error) {
	c, err := k.verify(ctx, text)
	if err != nil {
		return Principal{}, err
	}
	id, ok := strings.CutPrefix(c.Subject, keyActor)
	if !ok {
		return Principal{}, &RefusedError{Reason: "access token of no key"}
	}
	key, err := k.Store.AuthRows().KeyByID(ctx, id)
	if errors.Is(err, ErrKeyNotFound) {
		return Principal{}, &RefusedError{Reason: "access token of an unknown key"}
	}
	if err != nil {
		return Principal{}, fmt.Errorf("look up API key: %w", err)
	}
	if err := k.usable(ctx, key); err != nil {
		return Principal{}, err
	}
	p := key.principal()
	granted := parsePermissions(c.Scope)
	p.Permissions = slices.DeleteFunc(p.Permissions, func(has Permission) bool { return !slices.Contains(granted, has) })
	return p, nil
}

func (k *Keys) verify(ctx context.Context, text string) (accessClaims, error) {
	var c accessClaims
	if len(text) > maxAccessToken {
		return c, &RefusedError{Reason: "malformed access token"}
	}
	// The algorithm is ours to choose and not the token's: "none", or HS256 with our
	// public key as its secret, are refused before anything is looked at.
	t, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(t.Headers) != 1 || t.Headers[0].ExtraHeaders[jose.HeaderType] != accessType {
		return c, &RefusedError{Reason: "malformed access token"}
	}
	all, err := k.Store.AuthRows().SigningKeys(ctx)
	if err != nil {
		return c, err
	}
	i := slices.IndexFunc(all, func(s SigningKey) bool { return s.ID == t.Headers[0].KeyID })
	now := k.now()
	if i < 0 || now.Sub(all[i].CreatedAt) >= k.SigningKeyLife+AccessTokenLife {
		return c, &RefusedError{Reason: "access token of an unknown signing key"}
	}
	private, err := k.privateKey(all[i])
	if err != nil {
		return c, err
	}
	if err := t.Claims(private.Public(), &c); err != nil {
		return accessClaims{}, &RefusedError{Reason: "access token with a wrong signature"}
	}
	if c.Expiry == nil || c.IssuedAt == nil || c.ID == "" {
		return accessClaims{}, &RefusedError{Reason: "access token without an expiry"}
	}
	want := jwt.Expected{Issuer: k.issuer(), AnyAudience: jwt.Audience{accessAudience}, Time: now}
	if err := c.ValidateWithLeeway(want, 0); err != nil || !now.Before(c.Expiry.Time()) {
		return accessClaims{}, &RefusedError{Reason: "expired access token, or of another issuer or audience", Actor: c.Subject}
	}
	return c, nil
}

func joinPermissions(ps []Permission) string {
	text := make([]string, len(ps))
	for i, p := range ps {
		text[i] = string(p)
	}
	return strings.Join(text, " ")
}

func parsePermissions(s string) []Permission {
	var out []Permission
	for _, f := range strings.Fields(s) {
		out = append(out, Permission(f))
	}
	return out
}
