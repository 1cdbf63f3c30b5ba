package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/doctor"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/certs"
)

// presenter presents the certificate of the admin listener.
type presenter interface {
	TLS() *tls.Config
	Certificates() []certs.Certificate
	// Run looks after it until ctx ends; a signal is a person who wants it looked at now.
	Run(ctx context.Context, signals <-chan os.Signal) error
}

// openPresenter returns nil for a listener without TLS of its own.
func openPresenter(cfg config.Admin, acmeDir string, log *zap.Logger) (presenter, error) {
	switch {
	case len(cfg.ACME.Domains) > 0:
		return certs.OpenACME(certs.ACMEConfig{
			Domains: cfg.ACME.Domains, Email: cfg.ACME.Email, DirectoryURL: cfg.ACME.DirectoryURL, CAPath: cfg.ACME.CAPath, Dir: acmeDir,
		}, log)
	case cfg.TLSCert != "":
		return certs.Load(cfg.TLSCert, cfg.TLSKey, log)
	}
	return nil, nil
}

// checkCertificate is degraded while a certificate of the admin listener is not valid or not
// renewed. It never fails: hosts do not need it, and where a program that is not ready gets
// no connections, the ACME server could not validate.
func checkCertificate(checks *health.Checks, p presenter) {
	checks.Register(checkAdminCertificate, func(context.Context) error {
		return health.Degraded(certs.Fault(p.Certificates(), time.Now()))
	})
	checks.Explain(checkAdminCertificate, func() (text string) {
		for i, c := range p.Certificates() {
			if i > 0 {
				text += ", "
			}
			text += c.State(time.Now())
		}
		return text
	})
}

// presented are the certificates for the board of what needs attention.
func presented(p presenter) func() []attention.Presented {
	if p == nil {
		return nil
	}
	return func() (out []attention.Presented) {
		for _, c := range p.Certificates() {
			out = append(out, attention.Presented(c))
		}
		return out
	}
}

// adminCertificate looks at the files: the controller may not run.
func (x *checkup) adminCertificate(context.Context) []doctor.Finding {
	if path := x.cfg.Admin.TLSCert; path != "" {
		return certificateFile(path, "check admin.tls_cert", "renew it", func(*x509.Certificate) time.Duration { return certificateNotice })
	}
	acme := x.cfg.Admin.ACME
	if len(acme.Domains) == 0 {
		return doctor.Unseen("neither admin.tls_cert nor admin.acme.domains is set")
	}
	var out []doctor.Finding
	for _, domain := range acme.Domains {
		path := certs.KeptACME(paths(x.cfg.DataDir).acme(), acme.DirectoryURL, domain)
		out = append(out, certificateFile(path, noACMEYet, "the log of the controller says why it is not renewed (logger certs)", overdue)...)
	}
	return out
}

const noACMEYet = "the controller gets it from the ACME server once it runs: its log says why it could not (logger certs)"

// certificateNotice is how long before its end a certificate has to be renewed by somebody.
const certificateNotice = 14 * 24 * time.Hour

// overdue is how long before its end a certificate by ACME is renewed, had it not failed.
func overdue(leaf *x509.Certificate) time.Duration { return leaf.NotAfter.Sub(leaf.NotBefore) / 4 }

// certificateFile judges the first certificate of a file.
func certificateFile(path, missing, renew string, notice func(*x509.Certificate) time.Duration) []doctor.Finding {
	leaf, err := doctor.FirstCertificate(path)
	if errors.Is(err, fs.ErrPermission) {
		return doctor.Unseen("%v: run doctor as root to look at it", err)
	}
	if err != nil {
		return doctor.Bad(doctor.Fault, missing, "%v", err)
	}
	switch left := time.Until(leaf.NotAfter); {
	case left <= 0:
		return doctor.Bad(doctor.Fault, renew, "%s expired on %s", path, leaf.NotAfter.Format(time.DateOnly))
	case left < notice(leaf):
		return doctor.Bad(doctor.Warning, renew, "%s expires on %s", path, leaf.NotAfter.Format(time.DateOnly))
	default:
		return doctor.Good("%s is valid until %s", path, leaf.NotAfter.Format(time.DateOnly))
	}
}
