package enroll

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"strings"
	"time"
	"unicode"

	"go.uber.org/zap"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/secret"
)

// ErrRefused is the one answer to every token that is not good. Why is in the
// audit log and nowhere else: a caller must not learn which tokens exist.
var ErrRefused = errors.New("enrollment token refused")

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

// Redeem spends a token. Everything that decides is in one transaction; the rest
// is idempotent, so a host whose reply was lost (or a controller that was killed
// in between) goes on where it stopped. Errors: *FieldError, ErrRefused.
func (s *Service) Redeem(ctx context.Context, r Redemption) (Enrollment, error) {
	key, err := r.validate()
	if err != nil {
		return Enrollment{}, err
	}
	c, err := s.claim(ctx, r, key)
	if err != nil {
		return Enrollment{}, err
	}
	if len(c.replaced) > 0 || c.fresh {
		s.cfg.Changed.MembersChanged(c.replaced)
	}
	return s.provision(ctx, c, key.public)
}

// hostKey is the key a host binds to its token.
type hostKey struct {
	public any
	hash   []byte
}

func (r Redemption) validate() (hostKey, error) {
	if _, err := identity.ParseKind(string(r.Workload.Kind)); err != nil {
		return hostKey{}, &FieldError{"kind", err}
	}
	if err := identity.ValidateID(r.Workload.ID); err != nil {
		return hostKey{}, &FieldError{"id", err}
	}
	if err := r.Facts.validate(r.Workload.Kind); err != nil {
		return hostKey{}, err
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil {
		return hostKey{}, &FieldError{"csr", errors.New("is not a PKCS#10 certificate request in DER")}
	}
	// The signature proves that the caller holds the key it asks us to sign.
	if err := csr.CheckSignature(); err != nil {
		return hostKey{}, &FieldError{"csr", errors.New("is not signed by its own key")}
	}
	pub, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return hostKey{}, &FieldError{"csr", errors.New("must hold an ECDSA P-256 key")}
	}
	return hostKey{public: pub, hash: hashKey(csr.RawSubjectPublicKeyInfo)}, nil
}

func hashKey(spki []byte) []byte {
	h := sha256.Sum256(spki)
	return h[:]
}

func (f Facts) validate(kind identity.Kind) error {
	switch {
	case !path.IsAbs(f.BinaryPath) || path.Clean(f.BinaryPath) != f.BinaryPath || len(f.BinaryPath) > 1024 || !printable(f.BinaryPath):
		return &FieldError{"host.binary_path", errors.New("must be a clean absolute path of at most 1024 characters")}
	case f.SystemdUnit != "" && f.SystemdUnit != unitOf(kind):
		return &FieldError{"host.systemd_unit", fmt.Errorf("must be %q or empty", unitOf(kind))}
	case len(f.Hostname) > 253 || !printable(f.Hostname):
		return &FieldError{"host.hostname", errors.New("must be at most 253 printable characters")}
	case len(f.Version) > 64 || !printable(f.Version):
		return &FieldError{"host.version", errors.New("must be at most 64 printable characters")}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) })
}

func unitOf(kind identity.Kind) string { return "grpc" + string(kind) + ".service" }

// selectors are the controller's choice; the host only says where it runs. Always
// two, so that another user's process at the same path gets nothing. Under
// systemd the unit is used, for a DynamicUser's uid changes.
func (f Facts) selectors(kind identity.Kind) []fleet.Selector {
	program := fleet.Selector{Type: "unix", Value: "path:" + f.BinaryPath}
	if f.SystemdUnit != "" {
		return []fleet.Selector{{Type: "systemd", Value: "id:" + unitOf(kind)}, program}
	}
	return []fleet.Selector{{Type: "unix", Value: fmt.Sprintf("uid:%d", f.UID)}, program}
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
	var out claimed
	var refusal error
	err := s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		out, refusal = claimed{}, nil
		t, why, err := s.judge(ctx, tx, r, key)
		if err != nil {
			return err
		}
		if why != "" {
			refusal = ErrRefused
			return s.refuse(ctx, tx, r, t, why)
		}
		out, err = s.bind(ctx, tx, r, t, key)
		return err
	})
	if err == nil {
		err = refusal
	}
	if err != nil {
		return claimed{}, fmt.Errorf("redeem enrollment token: %w", err)
	}
	return out, nil
}

// Reasons of a refusal, for the audit log only.
const (
	whyUnknown   = "unknown token"
	whyKind      = "token is for another kind"
	whyID        = "token is for another id"
	whyRevoked   = "token is revoked"
	whyExpired   = "token is expired"
	whySource    = "token is not for this source address"
	whyContested = "token was claimed by another key"
	whySpent     = "token is spent and its host has attested"
	whyLive      = "id is live and the token does not replace"
	whyHost      = "host certificate is unknown, revoked or of another key"
	whyKeyReused = "key belongs to a host that enrolled before"
	whyGone      = "what the token enrolled is revoked"
)

// judge is the one place that decides whether a token is good for this caller.
// why is empty when it is.
func (s *Service) judge(ctx context.Context, tx Tx, r Redemption, key hostKey) (t Token, why string, err error) {
	t, err = tx.TokenByHash(ctx, secret.Hash(r.Secret))
	if errors.Is(err, ErrTokenNotFound) {
		return t, whyUnknown, nil
	}
	if err != nil {
		return t, "", err
	}
	now := s.cfg.Now()
	switch {
	case t.Workload.Kind != r.Workload.Kind:
		return t, whyKind, nil
	case t.Workload.ID != r.Workload.ID:
		return t, whyID, nil
	case !t.RevokedAt.IsZero():
		return t, whyRevoked, nil
	case t.Source.IsValid() && !t.Source.Contains(r.Source.Addr().Unmap()):
		return t, whySource, nil
	case !t.ClaimedAt.IsZero() && !bytes.Equal(t.KeyHash, key.hash):
		return t, whyContested, nil
	case t.ClaimedAt.IsZero() && !now.Before(t.ExpiresAt):
		return t, whyExpired, nil
	}
	if why, err := s.judgeHost(ctx, tx, r, t, key); why != "" || err != nil {
		return t, why, err
	}
	if !t.ClaimedAt.IsZero() {
		why, err = s.judgeRetry(ctx, tx, t)
		return t, why, err
	}
	m, err := tx.Member(ctx, r.Workload)
	if err == nil && m.Live() && !t.Replace {
		return t, whyLive, nil
	}
	if errors.Is(err, fleet.ErrNotFound) {
		err = nil
	}
	return t, "", err
}

// judgeHost checks the host certificate of a second role, and that a new host
// brings a new key: host ids and their keys are never reused.
func (s *Service) judgeHost(ctx context.Context, tx Tx, r Redemption, t Token, key hostKey) (string, error) {
	if r.HostCertificate == nil {
		if !t.ClaimedAt.IsZero() {
			return "", nil
		}
		known, err := tx.HostKeyKnown(ctx, key.hash)
		if known {
			return whyKeyReused, err
		}
		return "", err
	}
	id, shape := identity.HostFromCertificate(r.HostCertificate, s.cfg.TrustDomain)
	if shape != nil || r.Ephemeral || !bytes.Equal(hashKey(r.HostCertificate.RawSubjectPublicKeyInfo), key.hash) {
		return whyHost, nil
	}
	h, err := tx.Host(ctx, id)
	if errors.Is(err, fleet.ErrNotFound) || err == nil && (!h.RevokedAt.IsZero() || !bytes.Equal(h.KeyHash, key.hash)) {
		return whyHost, nil
	}
	return "", err
}

// judgeRetry lets the key that claimed the token come back until what it enrolled
// has been seen alive: a lost reply burns nothing, a replay later gets nothing.
func (s *Service) judgeRetry(ctx context.Context, tx Tx, t Token) (string, error) {
	m, err := tx.Member(ctx, t.Workload)
	if errors.Is(err, fleet.ErrNotFound) || err == nil && (!m.Live() || m.HostID != t.HostID) {
		return whyGone, nil
	}
	if err != nil {
		return "", err
	}
	if !m.FirstSeenAt.IsZero() {
		return whySpent, nil
	}
	roles, err := tx.LiveMembersOf(ctx, t.HostID)
	if err != nil || len(roles) > 1 {
		// A second role: its host attested long ago, only the role itself tells.
		return "", err
	}
	h, err := tx.Host(ctx, t.HostID)
	if err != nil {
		return "", err
	}
	switch _, err := s.cfg.SPIRE.Agent(ctx, h.AgentID); {
	case err == nil:
		return whySpent, nil
	case errors.Is(err, fleet.ErrNotFound):
		return "", nil
	default:
		return "", err
	}
}

// refuse records why, and marks the host that holds the token as contested when
// somebody with the right secret but another key tries it.
func (s *Service) refuse(ctx context.Context, tx Tx, r Redemption, t Token, why string) error {
	ev := audit.Event{
		Action: audit.Enroll, Target: r.Workload.String(), Outcome: audit.Denied, Reason: why,
		RequestID: r.RequestID, Source: r.Source.String(),
	}
	if t.ID != "" {
		ev.Actor = "token/" + t.ID
	}
	if err := s.cfg.Audit.Record(ctx, tx, ev); err != nil {
		return err
	}
	if why != whyContested {
		return nil
	}
	h, err := tx.Host(ctx, t.HostID)
	if err != nil || !h.ContestedAt.IsZero() {
		return err
	}
	if err := tx.ContestHost(ctx, t.HostID, s.cfg.Now().UTC()); err != nil {
		return err
	}
	s.cfg.Log.Warn("host contested: its enrollment token was tried with a second key; revoke it unless you know why",
		zap.String("host_id", string(t.HostID)), zap.Stringer("workload", t.Workload), zap.String("caller_addr", r.Source.String()))
	return s.cfg.Audit.Record(ctx, tx, audit.Event{
		Actor: "token/" + t.ID, Action: audit.HostContest, Target: "host/" + string(t.HostID), Outcome: audit.Success,
		Reason: t.Workload.String(), RequestID: r.RequestID, Source: r.Source.String(),
	})
}

// bind claims the token for the key and writes host and member. For a retry it
// only reads them.
func (s *Service) bind(ctx context.Context, tx Tx, r Redemption, t Token, key hostKey) (claimed, error) {
	if !t.ClaimedAt.IsZero() {
		h, err := tx.Host(ctx, t.HostID)
		if err != nil {
			return claimed{}, err
		}
		m, err := tx.Member(ctx, t.Workload)
		return claimed{host: h, member: m}, err
	}
	now := s.cfg.Now().UTC()
	out := claimed{fresh: true}
	old, err := tx.Member(ctx, r.Workload)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return claimed{}, err
	}
	// The new host comes before the old one goes, so that a role that moves within
	// one host does not retire that host.
	if out.host, err = s.hostFor(ctx, tx, r, key, now); err != nil {
		return claimed{}, err
	}
	if err == nil && old.ID != "" && old.Live() {
		out.replaced = append(out.replaced, old)
		if old.HostID == out.host.ID {
			err = tx.RevokeMember(ctx, old.Workload, now)
		} else {
			err = fleet.Retire(ctx, tx, old, now)
		}
		if err != nil {
			return claimed{}, err
		}
	}
	out.member = fleet.Member{
		Workload: r.Workload, HostID: out.host.ID, Selectors: r.Facts.selectors(r.Workload.Kind),
		Version: r.Facts.Version, EnrolledAt: now,
	}
	t.ClaimedAt, t.KeyHash, t.HostID = now, key.hash, out.host.ID
	for _, step := range []func() error{
		func() error { return tx.PutMember(ctx, out.member) },
		func() error { return tx.UpdateToken(ctx, t) },
		func() error { return tx.BumpPolicy(ctx) },
		func() error {
			return s.cfg.Audit.Record(ctx, tx, audit.Event{
				Actor: "token/" + t.ID, Action: audit.Enroll, Target: r.Workload.String(), Outcome: audit.Success,
				Reason: "host/" + string(out.host.ID), RequestID: r.RequestID, Source: r.Source.String(),
			})
		},
	} {
		if err := step(); err != nil {
			return claimed{}, err
		}
	}
	return out, nil
}

// hostFor returns the host of a second role, or a new one. A new ephemeral host
// gets its agent id with its join token, in provision.
func (s *Service) hostFor(ctx context.Context, tx Tx, r Redemption, key hostKey, now time.Time) (fleet.Host, error) {
	if r.HostCertificate != nil {
		id, err := identity.HostFromCertificate(r.HostCertificate, s.cfg.TrustDomain)
		if err != nil {
			return fleet.Host{}, err
		}
		return tx.Host(ctx, id)
	}
	h := fleet.Host{
		ID: identity.NewHostID(), KeyHash: key.hash, Ephemeral: r.Ephemeral,
		Hostname: r.Facts.Hostname, EnrolledAt: now,
	}
	var err error
	if h.AgentID, err = h.ID.AgentID(s.cfg.TrustDomain); err != nil {
		return fleet.Host{}, err
	}
	return h, tx.PutHost(ctx, h)
}
