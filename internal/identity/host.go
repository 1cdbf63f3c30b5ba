package identity

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// HostID names one enrollment of one machine: 128 random bits in hexadecimal,
// given by the controller and never reused.
type HostID string

// hostScheme is the scheme of the URI SAN in a host certificate. SPIRE's x509pop
// attestor offers the path segments of such a URI to its path template.
const hostScheme = "x509pop"

// AgentPathTemplate is SPIRE's agent_path_template for x509pop. The path starts
// with the plugin's name, as SPIRE asks, and is known before the host attests.
const AgentPathTemplate = "/x509pop/{{ .URISanSelectors.host }}"

var hostIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// NewHostID draws a host id.
func NewHostID() HostID {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails; it aborts the program instead
	return HostID(hex.EncodeToString(b[:]))
}

// ParseHostID checks a host id that came from outside.
func ParseHostID(s string) (HostID, error) {
	if !hostIDPattern.MatchString(s) {
		return "", fmt.Errorf("%q is not a host id (32 hexadecimal digits)", clip(s))
	}
	return HostID(s), nil
}

// AgentID is the SPIFFE ID that SPIRE gives to the agent of this host.
func (h HostID) AgentID(td spiffeid.TrustDomain) (spiffeid.ID, error) {
	return spiffeid.FromSegments(td, "spire", "agent", "x509pop", string(h))
}

// JoinTokenAgentID is the SPIFFE ID of the agent that attests by a SPIRE join
// token (ephemeral hosts only).
func JoinTokenAgentID(td spiffeid.TrustDomain, joinToken string) (spiffeid.ID, error) {
	return spiffeid.FromSegments(td, "spire", "agent", "join_token", joinToken)
}

// CertificateURI is the only URI SAN of this host's certificate.
func (h HostID) CertificateURI(td spiffeid.TrustDomain) *url.URL {
	return &url.URL{Scheme: hostScheme, Host: td.Name(), Path: "/host/" + string(h)}
}

// ErrNotHostCertificate is returned for a certificate without the exact shape
// of a host certificate.
var ErrNotHostCertificate = errors.New("not a host certificate of this trust domain")

// HostFromCertificate reads the host id from a verified host certificate. It
// looks at the single URI SAN and refuses any certificate that has another name.
func HostFromCertificate(cert *x509.Certificate, td spiffeid.TrustDomain) (HostID, error) {
	if len(cert.URIs) != 1 || len(cert.DNSNames)+len(cert.IPAddresses)+len(cert.EmailAddresses) != 0 {
		return "", ErrNotHostCertificate
	}
	u := cert.URIs[0]
	const prefix = "/host/"
	if u.Scheme != hostScheme || u.Host != td.Name() || len(u.Path) <= len(prefix) || u.Path[:len(prefix)] != prefix {
		return "", ErrNotHostCertificate
	}
	id, err := ParseHostID(u.Path[len(prefix):])
	if err != nil || *u != *id.CertificateURI(td) {
		return "", ErrNotHostCertificate
	}
	return id, nil
}

// EnrollServerName is the fixed name in the certificate of the enrollment
// listener. Clients check this name whatever address they dialed.
func EnrollServerName(td spiffeid.TrustDomain) string { return "enroll." + td.Name() }
