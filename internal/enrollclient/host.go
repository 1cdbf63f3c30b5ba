package enrollclient

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// maxPEM has room for a key or a certificate.
const maxPEM = 64 << 10

// host is this machine as it enrolls: its key and, when it is enrolled already
// for another role, its certificate.
type host struct {
	dir         hostagent.Dir
	ephemeral   bool
	key         *ecdsa.PrivateKey
	certificate *tls.Certificate // nil for a new host
}

// openHost loads the host's key or makes one. Whatever comes back is on the disk,
// unless the host is ephemeral.
func openHost(d hostagent.Dir, td spiffeid.TrustDomain, ephemeral bool) (*host, error) {
	enrolled, err := exists(d.Certificate())
	if err != nil {
		return nil, err
	}
	if ephemeral {
		if enrolled {
			return nil, fmt.Errorf("%s holds a permanent enrollment: use another --host-dir for --ephemeral, or --new-host", d.Root)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		return &host{dir: d, ephemeral: true, key: key}, err
	}
	key, err := loadOrMakeKey(d.Key())
	if err != nil {
		return nil, err
	}
	h := &host{dir: d, key: key}
	if enrolled {
		h.certificate, err = loadCertificate(d.Certificate(), key, td)
	}
	return h, err
}

// loadOrMakeKey has the key on the disk, name and content, before it returns: a key
// that signed a request and was then lost would leave the token to nobody.
func loadOrMakeKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := keys.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if key, err = keys.Make(path); err != nil {
			return nil, fmt.Errorf("host key: %w", err)
		}
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("host key: %w: run as the user of spire-agent or as root", err)
	case err != nil:
		return nil, fmt.Errorf("host key: %w: enroll with --new-host, which puts it aside", err)
	}
	return key, nil
}

func loadCertificate(path string, key *ecdsa.PrivateKey, td spiffeid.TrustDomain) (*tls.Certificate, error) {
	raw, err := atomicfile.Read(path, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("host certificate: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("host certificate %s is not PEM: enroll with --new-host", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("host certificate %s: %w: enroll with --new-host", path, err)
	}
	if _, err := identity.HostFromCertificate(cert, td); err != nil || !sameKey(cert, key) {
		return nil, fmt.Errorf("host certificate %s is not of this host key and trust domain %q: check TRUST_DOMAIN, or enroll with --new-host", path, td.Name())
	}
	return tlsCertificate(cert, key), nil
}

// request is a PKCS#10 request without any name: the controller takes the key
// from it and nothing else.
func (h *host) request() ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, h.key)
}

// file is one that is still to be written.
type file struct {
	path string
	data []byte
	mode fs.FileMode
}

// credential is what the agent will attest with.
func (h *host) credential(reply *zerotrustv1.EnrollResponse, id identity.HostID, cfg Config) (file, error) {
	if h.ephemeral {
		if reply.GetJoinToken() == "" {
			return file{}, errors.New("it has no join token")
		}
		return file{path: h.dir.JoinToken(), data: []byte(reply.GetJoinToken() + "\n"), mode: 0o600}, nil
	}
	cert, err := x509.ParseCertificate(reply.GetHostCertificate())
	if err != nil {
		return file{}, fmt.Errorf("host certificate: %w", err)
	}
	certified, err := identity.HostFromCertificate(cert, cfg.TrustDomain)
	if err != nil || certified != id || !sameKey(cert, h.key) {
		return file{}, errors.New("its host certificate is for another host or key")
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: cfg.Anchors, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return file{}, fmt.Errorf("its host certificate is not of the bootstrap CA: %w", err)
	}
	return file{
		path: h.dir.Certificate(), data: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}), mode: 0o644,
	}, nil
}

// giveToOwner gives the files to whoever owns the directory: root enrolls, the
// user of spire-agent reads.
func giveToOwner(d hostagent.Dir) error {
	info, err := os.Stat(d.Root)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	for _, path := range []string{d.Key(), d.Certificate(), d.JoinToken(), d.Bundle(), d.ControllerCA(), d.HostFile()} {
		if err := os.Lchown(path, int(owner.Uid), int(owner.Gid)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
