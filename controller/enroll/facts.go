package enroll

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"path"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
)

// hostKey is the key a host binds to its token.
type hostKey struct {
	public *ecdsa.PublicKey
	spki   []byte // DER
	hash   []byte // SHA-256 of spki
}

func (r Redemption) validate() (hostKey, error) {
	if _, err := identity.ParseKind(string(r.Workload.Kind)); err != nil {
		return hostKey{}, &FieldError{Field: "kind", Err: err}
	}
	if err := identity.ValidateID(r.Workload.ID); err != nil {
		return hostKey{}, &FieldError{Field: "id", Err: err}
	}
	if err := r.Facts.validate(r.Workload.Kind); err != nil {
		return hostKey{}, err
	}
	csr, err := x509.ParseCertificateRequest(r.CSR)
	if err != nil {
		return hostKey{}, &FieldError{Field: "csr", Err: errors.New("is not a PKCS#10 certificate request in DER")}
	}
	// The signature proves that the caller holds the key it asks us to sign.
	if err := csr.CheckSignature(); err != nil {
		return hostKey{}, &FieldError{Field: "csr", Err: errors.New("is not signed by its own key")}
	}
	pub, ok := csr.PublicKey.(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() {
		return hostKey{}, &FieldError{Field: "csr", Err: errors.New("must hold an ECDSA P-256 key")}
	}
	return hostKey{public: pub, spki: csr.RawSubjectPublicKeyInfo, hash: hashKey(csr.RawSubjectPublicKeyInfo)}, nil
}

func hashKey(spki []byte) []byte {
	h := sha256.Sum256(spki)
	return h[:]
}

func (f Facts) validate(kind identity.Kind) error {
	switch {
	case !path.IsAbs(f.BinaryPath) || path.Clean(f.BinaryPath) != f.BinaryPath || len(f.BinaryPath) > 1024 || !visible.Text(f.BinaryPath):
		return &FieldError{Field: "host.binary_path", Err: errors.New("must be a clean absolute path of at most 1024 characters")}
	case f.SystemdUnit != "" && f.SystemdUnit != fleet.UnitOf(kind):
		return &FieldError{Field: "host.systemd_unit", Err: fmt.Errorf("must be %q or empty", fleet.UnitOf(kind))}
	case len(f.Hostname) > 253 || !visible.Text(f.Hostname):
		return &FieldError{Field: "host.hostname", Err: errors.New("must be at most 253 printable characters")}
	case len(f.Version) > 64 || !visible.Text(f.Version):
		return &FieldError{Field: "host.version", Err: errors.New("must be at most 64 printable characters")}
	}
	return nil
}

// reason says, for the audit log, which host enrolled, and with which request.
func (r Redemption) reason(host identity.HostID) string {
	if r.asked == "" {
		return "host/" + string(host)
	}
	return "host/" + string(host) + " request/" + r.asked
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
