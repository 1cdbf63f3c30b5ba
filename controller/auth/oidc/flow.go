package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

const (
	// FlowLife is how long somebody may take at the provider.
	FlowLife = 10 * time.Minute
	// freshness is how long ago a re-authentication may have been.
	freshness   = time.Minute
	flowPurpose = "oidc-flow"
	maxCookie   = 4 << 10
	maxReturnTo = 1 << 10
)

// flow is what the browser keeps for us, sealed, between Start and Finish.
type flow struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	ReturnTo string    `json:"r"`
	StepUp   bool      `json:"u,omitempty"`
	Session  string    `json:"i,omitempty"` // that steps up
	Expires  time.Time `json:"e"`
}

// Begin says what a flow is for.
type Begin struct {
	// ReturnTo is where the browser goes afterwards: a path, empty for "/".
	ReturnTo string
	// Session is the id of the session that steps up; empty is a sign-in.
	Session string
}

// Start returns where to send the browser, and the cookie to give it. Errors:
// ErrUnavailable, ErrReturnTo.
func (p *Provider) Start(ctx context.Context, b Begin) (authURL, cookie string, err error) {
	if b.ReturnTo, err = LocalPath(b.ReturnTo); err != nil {
		return "", "", err
	}
	known, err := p.discover(ctx)
	if err != nil {
		return "", "", err
	}
	f := flow{
		State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(), ReturnTo: b.ReturnTo,
		StepUp: b.Session != "", Session: b.Session, Expires: p.cfg.Now().Add(FlowLife),
	}
	plain, err := json.Marshal(f)
	if err != nil {
		return "", "", err
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)}
	if f.StepUp {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	cookie = base64.RawURLEncoding.EncodeToString(p.cfg.Seal.Seal(flowPurpose, plain))
	return p.oauth(known).AuthCodeURL(f.State, options...), cookie, nil
}

// Finished is a flow that came back.
type Finished struct {
	Person   auth.Federated
	ReturnTo string
	// Session is the id of the session that steps up; empty is a sign-in.
	Session string
}

// Finish checks the provider's answer, which came as the query of our callback.
// Errors: ErrRefused, ErrUnavailable.
func (p *Provider) Finish(ctx context.Context, cookie string, q url.Values) (Finished, error) {
	f, err := p.open(cookie)
	if err != nil {
		return Finished{}, err
	}
	if err := checkAnswer(f, q, p.cfg.Issuer); err != nil {
		return Finished{}, err
	}
	known, err := p.discover(ctx)
	if err != nil {
		return Finished{}, err
	}
	token, err := p.oauth(known).Exchange(oidc.ClientContext(ctx, p.http), q.Get("code"), oauth2.VerifierOption(f.Verifier))
	if _, refused := errors.AsType[*oauth2.RetrieveError](err); refused {
		return Finished{}, refuse("code: %.512s", err.Error()) // it may quote the whole answer
	}
	if err != nil {
		return Finished{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	who, err := p.person(ctx, known, token, f)
	return Finished{Person: who, ReturnTo: f.ReturnTo, Session: f.Session}, err
}

// open reads the cookie that Start made.
func (p *Provider) open(cookie string) (flow, error) {
	var f flow
	if len(cookie) > maxCookie {
		return f, refuse("flow cookie too long")
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cookie)
	if err != nil {
		return f, refuse("no flow cookie")
	}
	plain, err := p.cfg.Seal.Open(flowPurpose, sealed)
	if err != nil || json.Unmarshal(plain, &f) != nil {
		return f, refuse("flow cookie does not open")
	}
	if !p.cfg.Now().Before(f.Expires) {
		return f, refuse("flow expired")
	}
	f.ReturnTo, err = LocalPath(f.ReturnTo)
	return f, err
}

// checkAnswer refuses an answer to another browser's question (login CSRF) or of
// another provider (mix-up, RFC 9207).
func checkAnswer(f flow, q url.Values, issuer string) error {
	for name, values := range q {
		if len(values) != 1 {
			return refuse("parameter %q is given twice", name)
		}
	}
	if f.State == "" || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(f.State)) != 1 {
		return refuse("state of another flow")
	}
	if q.Has("iss") && q.Get("iss") != issuer {
		return refuse("answer of another issuer")
	}
	if q.Has("error") {
		return refuse("the provider says %.64q: %.256q", q.Get("error"), q.Get("error_description"))
	}
	if q.Get("code") == "" {
		return refuse("no code")
	}
	return nil
}

// claims are what else we read of an ID token.
type claims struct {
	AuthorizedParty string `json:"azp"`
	AuthTime        int64  `json:"auth_time"`
}

// person verifies the ID token and reads who it is about.
func (p *Provider) person(ctx context.Context, known *oidc.Provider, token *oauth2.Token, f flow) (auth.Federated, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return auth.Federated{}, refuse("no ID token")
	}
	ctx = oidc.ClientContext(ctx, p.http)
	id, err := known.VerifierContext(ctx, &oidc.Config{
		ClientID: p.cfg.ClientID, SupportedSigningAlgs: algorithms(), Now: p.cfg.Now,
	}).Verify(ctx, raw)
	if err != nil {
		return auth.Federated{}, refuse("ID token: %v", err)
	}
	var c claims
	if err := id.Claims(&c); err != nil {
		return auth.Federated{}, refuse("ID token: %v", err)
	}
	if err := p.checkToken(id, c, token, f); err != nil {
		return auth.Federated{}, err
	}
	said, err := p.claims(ctx, known, id, token)
	if err != nil {
		return auth.Federated{}, err
	}
	who := auth.Federated{Issuer: id.Issuer, Subject: id.Subject, Role: p.role(texts(said[p.cfg.GroupsClaim]))}
	if who.Role == "" {
		who.NoRole = p.noRole(said)
	}
	who.Email, who.Name = text(said["email"]), text(said["name"])
	if who.Name == "" {
		who.Name = text(said["preferred_username"])
	}
	return who, nil
}

// checkToken is what the library leaves to its caller.
func (p *Provider) checkToken(id *oidc.IDToken, c claims, token *oauth2.Token, f flow) error {
	now := p.cfg.Now()
	switch {
	case id.Subject == "":
		return refuse("ID token without a subject")
	case id.Expiry.IsZero() || !now.Before(id.Expiry):
		return refuse("ID token without an expiry, or expired")
	case subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(f.Nonce)) != 1:
		return refuse("ID token with the nonce of another flow")
	case c.AuthorizedParty != "" && c.AuthorizedParty != p.cfg.ClientID, len(id.Audience) > 1 && c.AuthorizedParty == "":
		return refuse("ID token of another client") // OpenID Connect Core 3.1.3.7
	case id.AccessTokenHash != "" && id.VerifyAccessToken(token.AccessToken) != nil:
		return refuse("ID token of another access token")
	case f.StepUp && time.Unix(c.AuthTime, 0).Before(f.Expires.Add(-FlowLife-freshness)):
		return refuse("the provider did not authenticate again")
	}
	return nil
}

// claims are those of the ID token and, if it does not have the groups, what the
// UserInfo endpoint adds to them.
func (p *Provider) claims(ctx context.Context, known *oidc.Provider, id *oidc.IDToken, token *oauth2.Token) (map[string]json.RawMessage, error) {
	said := map[string]json.RawMessage{}
	if err := id.Claims(&said); err != nil {
		return nil, refuse("ID token: %v", err)
	}
	if _, has := said[p.cfg.GroupsClaim]; has || known.UserInfoEndpoint() == "" {
		return said, nil
	}
	info, err := known.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if info.Subject != id.Subject { // token substitution, OpenID Connect Core 5.3.2
		return nil, refuse("UserInfo of another subject")
	}
	more := map[string]json.RawMessage{}
	if err := info.Claims(&more); err != nil {
		return nil, refuse("UserInfo: %v", err)
	}
	for name, value := range more {
		if _, has := said[name]; !has {
			said[name] = value
		}
	}
	return said, nil
}

// text is a claim that should be a string; anything else is none.
func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s)
	return s
}

// texts is a claim that is a list of strings, or one.
func texts(raw json.RawMessage) []string {
	if one := text(raw); one != "" {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) != nil {
		return nil
	}
	return many
}

// LocalPath returns a path of this site. Browsers read "//host" and "/\host" as
// another site, and strip tabs and line feeds before they look.
func LocalPath(s string) (string, error) {
	if s == "" {
		return "/", nil
	}
	if len(s) > maxReturnTo || s[0] != '/' || strings.HasPrefix(s, "//") ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return "", ErrReturnTo
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || strings.HasPrefix(u.Path, "//") ||
		strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == '\\' }) || strings.HasPrefix(u.Path, "/api/") {
		return "", ErrReturnTo
	}
	return s, nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

func random() string {
	var b [24]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	return base64.RawURLEncoding.EncodeToString(b[:])
}
