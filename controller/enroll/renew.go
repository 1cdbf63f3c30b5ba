package enroll

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// ErrRenewalRefused is the one answer to every renewal that is not granted: a caller
// must not learn which hosts there are. Why is in the log.
var ErrRenewalRefused = errors.New("host certificate not renewed: this host is not enrolled, was revoked, or has another key")

// Renewal is a host that asks for another certificate for the key that it has.
type Renewal struct {
	HostID identity.HostID
	// Exporter is of this connection; Signature is the host's over it and the host id.
	Exporter, Signature []byte
	Source              netip.AddrPort
	RequestID           string
}

// Renew signs the key of an enrolled host again. The key is the proof, and no
// certificate: a host whose certificate has ended meanwhile, or whose CA was replaced,
// gets in again. One that is not due gets the certificate that it has. Errors:
// ErrRenewalRefused.
func (s *Service) Renew(ctx context.Context, r Renewal) ([]byte, error) {
	h, err := s.cfg.Store.HostByID(ctx, r.HostID)
	if err != nil && !errors.Is(err, fleet.ErrNotFound) {
		return nil, fmt.Errorf("renew host certificate: %w", err)
	}
	now, why := s.judgeRenewal(h, r)
	if why != "" {
		s.cfg.Log.Warn("renewal of a host certificate refused",
			zap.String("host_id", string(h.ID)), zap.String("reason", why), zap.Stringer("caller_addr", r.Source), zap.String("request_id", r.RequestID))
		return nil, ErrRenewalRefused
	}
	if !s.cfg.Signer.Due(now) {
		return h.Certificate, nil
	}
	next, err := s.cfg.Signer.SignHost(h.ID, now.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("renew host certificate: %w", err)
	}
	if err := s.keepRenewed(ctx, h.ID, next, r); err != nil {
		return nil, fmt.Errorf("renew host certificate: %w", err)
	}
	return next, nil
}

// judgeRenewal decides without a transaction: anybody can ask, and a transaction holds
// back whoever is enrolled.
func (s *Service) judgeRenewal(h fleet.Host, r Renewal) (cert *x509.Certificate, why string) {
	switch {
	case h.ID == "":
		return nil, "unknown host"
	case !h.RevokedAt.IsZero():
		return nil, "revoked host"
	case len(h.Certificate) == 0:
		return nil, "host without a certificate"
	}
	cert, err := x509.ParseCertificate(h.Certificate)
	if err != nil {
		return nil, "stored certificate does not parse"
	}
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || keys.Verify(key, keys.RenewMessage(r.HostID, r.Exporter), r.Signature) != nil {
		return nil, "signature of another key"
	}
	return cert, ""
}

// keepRenewed writes it, unless the host was revoked meanwhile.
func (s *Service) keepRenewed(ctx context.Context, id identity.HostID, der []byte, r Renewal) error {
	next, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	return s.cfg.Store.EnrollTx(ctx, func(tx Tx) error {
		h, err := tx.Host(ctx, id)
		if err != nil {
			return err
		}
		if !h.RevokedAt.IsZero() {
			return ErrRenewalRefused
		}
		h.Certificate = der
		return errors.Join(tx.PutHost(ctx, h), s.cfg.Audit.Record(ctx, tx, audit.Event{
			Actor: "host/" + string(id), Action: audit.HostRenew, Target: "host/" + string(id), Outcome: audit.Success,
			Reason: "valid until " + next.NotAfter.UTC().Format("2006-01-02"), RequestID: r.RequestID, Source: r.Source.String(),
		}))
	})
}
