package enrollclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Due says whether a host renews its certificate: the controller asks for it, it is in
// the last third of its life or past it, or none of the anchors in force has signed it.
func (o Offer) Due(cert *x509.Certificate, now time.Time) bool {
	third := cert.NotAfter.Sub(cert.NotBefore) / 3
	if o.Renew || !now.Before(cert.NotAfter.Add(-third)) {
		return true
	}
	for _, a := range o.Anchors {
		if cert.CheckSignatureFrom(a) == nil {
			return false
		}
	}
	return len(o.Anchors) > 0
}

// Renew has the host's key signed again and returns the certificate in DER. The key is
// the proof, so it works as well with a certificate that nobody accepts any more.
// anchors are those in force; one of them must have signed what comes back.
func (c *Client) Renew(ctx context.Context, host identity.HostID, key *ecdsa.PrivateKey, anchors []*x509.Certificate) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	der, err := c.renew(ctx, host, key)
	if err != nil {
		return nil, fmt.Errorf("renew host certificate: %w", err)
	}
	if err := checkRenewed(der, host, key, c, anchors); err != nil {
		return nil, fmt.Errorf("renew host certificate: %w", err)
	}
	return der, nil
}

func (c *Client) renew(ctx context.Context, host identity.HostID, key *ecdsa.PrivateKey) ([]byte, error) {
	creds := newCredentials(bootstrap.ClientConfig(c.cfg.Anchors, c.cfg.TrustDomain, nil))
	conn, err := c.dial(creds)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := connect(ctx, conn); err != nil {
		if cause := creds.cause(); cause != nil {
			return nil, cause
		}
		return nil, controlclient.Plain(err)
	}
	state := creds.connection()
	exporter, err := state.ExportKeyingMaterial(keys.ExporterLabel, nil, keys.ExporterSize)
	if err != nil {
		return nil, err
	}
	signature, err := keys.Sign(key, keys.RenewMessage(host, exporter))
	if err != nil {
		return nil, err
	}
	reply, err := zerotrustv1.NewEnrollmentServiceClient(conn).RenewHostCertificate(ctx,
		&zerotrustv1.RenewHostCertificateRequest{HostId: string(host), Signature: signature})
	if status.Code(err) == codes.PermissionDenied {
		return nil, errors.New(status.Convert(err).Message())
	}
	return reply.GetHostCertificate(), controlclient.Plain(err)
}

// checkRenewed wants the very certificate that was asked for.
func checkRenewed(der []byte, host identity.HostID, key *ecdsa.PrivateKey, c *Client, anchors []*x509.Certificate) error {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	if got, err := identity.HostFromCertificate(cert, c.cfg.TrustDomain); err != nil || got != host {
		return errors.New("the controller sent the certificate of another host")
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return errors.New("the controller sent a certificate for another key")
	}
	roots := x509.NewCertPool()
	for _, a := range anchors {
		roots.AddCert(a)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return err
}

// connection is the TLS of the newest handshake that succeeded.
func (h *handshakes) connection() tls.ConnectionState {
	h.shared.mu.Lock()
	defer h.shared.mu.Unlock()
	return h.shared.state
}
