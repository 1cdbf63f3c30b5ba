package doctor

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/enrollclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

const maxPEM = 1 << 20

// compareCA is how an operator can compare.
const compareCA = "compare with `grpccontroller bootstrap-ca | openssl x509 -noout -fingerprint -sha256` on the controller, and set CONTROLLER_CA_PATH to that certificate"

// trust makes a TLS handshake with the enrollment listener and sends nothing more.
func (x *examination) trust(ctx context.Context) []Finding {
	if x.ControllerCAPath == "" {
		return Unseen("the conf file does not name the controller's CA (CONTROLLER_CA_PATH)")
	}
	authorities, err := readCertificates(x.ControllerCAPath)
	if hidden := rootOnly(err); hidden != nil {
		return hidden
	}
	if errors.Is(err, fs.ErrNotExist) {
		return Bad(Fault, compareCA, "the CA of the controller, %s", without(x.ControllerCAPath, err))
	}
	anchors, err := bootstrap.LoadAnchors(x.ControllerCAPath)
	if err != nil {
		return Bad(Fault, compareCA, "%v", err)
	}
	for _, c := range authorities {
		if now := x.Now(); now.After(c.NotAfter) || now.Before(c.NotBefore) {
			x.untimely = fmt.Sprintf("the CA of the controller is valid from %s to %s", day(c.NotBefore), day(c.NotAfter))
			return Bad(Fault, "if the clock of this host is right (see clock), the CA was replaced: "+compareCA,
				"the CA in %s, %s, is valid from %s to %s only", x.ControllerCAPath, fingerprint(c), day(c.NotBefore), day(c.NotAfter))
		}
	}
	host, _, err := net.SplitHostPort(x.ControllerAddr)
	if err != nil || x.td.IsZero() || x.closed[x.ControllerAddr] || x.unresolved[host] {
		return Unseen("the enrollment listener of the controller was not reached")
	}
	config := bootstrap.ClientConfig(anchors, x.td, nil)
	config.Time, config.NextProtos = x.Now, []string{"h2"}
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", x.ControllerAddr)
	if err != nil {
		return x.distrust(err, authorities)
	}
	_ = conn.Close()
	x.trusted = true
	return Good("%s is the controller of the CA %s", x.ControllerAddr, fingerprint(authorities[0]))
}

// distrust explains a handshake that failed.
func (x *examination) distrust(err error, ours []*x509.Certificate) []Finding {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return Bad(Fault, "check the port of CONTROLLER_ADDR, usually 8443", "%s does not speak TLS", x.ControllerAddr)
	case !errors.As(err, &verification) || len(verification.UnverifiedCertificates) == 0:
		return Bad(Fault, "check that CONTROLLER_ADDR is the enrollment listener, and that no proxy in between terminates TLS",
			"the TLS handshake with %s failed: %v", x.ControllerAddr, err)
	}
	leaf := verification.UnverifiedCertificates[0]
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return Bad(Fault, "check TRUST_DOMAIN ("+x.TrustDomain+") and the port of CONTROLLER_ADDR; the controller may be one of another trust domain",
			"the certificate of %s is for %s, and not for %s", x.ControllerAddr, names(leaf), identity.EnrollServerName(x.td))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		x.untimely = fmt.Sprintf("the certificate of the controller is valid from %s to %s", moment(leaf.NotBefore), moment(leaf.NotAfter))
		return Bad(Fault, "if the clock of this host is right (see clock), restart the controller, which renews it",
			"the certificate of %s, %s, is valid from %s to %s, and here it is %s", x.ControllerAddr, fingerprint(leaf), moment(leaf.NotBefore), moment(leaf.NotAfter), moment(x.Now()))
	}
	return Bad(Fault, compareCA+"; if that is this file, something else answers at "+x.ControllerAddr,
		"%s shows %s, which the CA in %s, %s, did not sign: %v", x.ControllerAddr, fingerprint(leaf), x.ControllerCAPath, fingerprint(ours[0]), verification.Err)
}

// clock compares with the controller over the verified connection, so that nobody on
// the way can move it.
func (x *examination) clock(ctx context.Context) []Finding {
	if !x.trusted {
		if x.untimely != "" {
			return Bad(Fault, health.ClockAdvice, "%s, and here it is %s: if that is wrong, it is the clock of this host", x.untimely, moment(x.Now()))
		}
		if n, err := hostagent.ReadNotice(x.Socket, x.Now()); err == nil && n.Clock != "" {
			return Bad(Fault, health.ClockAdvice, "%s", n.Clock)
		}
		return Unseen("no verified connection to a controller; by the clock of this host it is %s: compare it with another clock", moment(x.Now()))
	}
	before := x.Now()
	theirs, err := x.ControllerTime(ctx)
	took := x.Now().Sub(before)
	switch {
	case errors.Is(err, enrollclient.ErrNoTime):
		return Unseen("%v, it is an older one; here it is %s", err, moment(x.Now()))
	case err != nil:
		return Unseen("%v; here it is %s", err, moment(x.Now()))
	}
	ahead := health.ClockBetween(before, before.Add(took), theirs)
	switch {
	case ahead.Err() != nil:
		return Bad(Fault, health.ClockAdvice, "%s", ahead)
	case ahead.Abs() > health.ClockWarning:
		return Bad(Warning, health.ClockAdvice, "%s", ahead)
	}
	return Good("%s", ahead)
}

// readCertificates returns the certificates of a PEM file, whatever else is in it.
func readCertificates(path string) (out []*x509.Certificate, err error) {
	raw, err := atomicfile.Read(path, maxPEM)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		block, raw = pem.Decode(raw)
		if block == nil {
			return out, nil
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil {
			out = append(out, c)
		}
	}
}

// FirstCertificate returns the first certificate of a PEM file.
func FirstCertificate(path string) (*x509.Certificate, error) {
	all, err := readCertificates(path)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return all[0], nil
}

// fingerprint is SHA-256 as openssl prints it.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return "SHA-256 " + strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

func names(c *x509.Certificate) string {
	if len(c.DNSNames) == 0 {
		return fmt.Sprintf("%q", c.Subject)
	}
	return strings.Join(c.DNSNames[:min(len(c.DNSNames), 3)], ", ")
}

func day(t time.Time) string    { return t.UTC().Format(time.DateOnly) }
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
