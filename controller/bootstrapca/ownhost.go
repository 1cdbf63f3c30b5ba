package bootstrapca

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
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// OwnHostSigner signs host certificates; bootstrapca.CA is it.
type OwnHostSigner interface {
	SignHost(id identity.HostID, publicKey any) ([]byte, error)
	// Due says that a host certificate is to be renewed.
	Due(host *x509.Certificate) bool
}

// PrepareOwnHost makes the host files in dir at first start, and afterwards only makes
// them follow the SPIRE server's address.
func PrepareOwnHost(dir hostagent.Dir, td spiffeid.TrustDomain, ca OwnHostSigner, serverAddress string) (identity.HostID, error) {
	if err := dir.Create(); err != nil {
		return "", fmt.Errorf("enroll own host: %w", err)
	}
	host, err := dir.ReadHost()
	if errors.Is(err, fs.ErrNotExist) {
		host = hostagent.Host{HostID: identity.NewHostID(), TrustDomain: td}
		err = makeOwnCredential(dir, host.HostID, ca)
	}
	if err != nil {
		return "", fmt.Errorf("enroll own host: %w", err)
	}
	if host.TrustDomain != td {
		return "", fmt.Errorf("this data directory belongs to trust domain %q, not %q: choose another data_dir or the old trust_domain", host.TrustDomain, td)
	}
	if _, err := RenewOwnHost(dir, ca); err != nil {
		return "", fmt.Errorf("renew own host certificate: %w", err)
	}
	host.SPIREServerAddress = serverAddress
	// host.json is written last: killed before it, the next start begins anew.
	return host.HostID, dir.WriteHost(host)
}

// RenewOwnHost signs the key of the controller's own host again when its certificate is due.
func RenewOwnHost(dir hostagent.Dir, ca OwnHostSigner) (renewed bool, err error) {
	pair, err := tls.LoadX509KeyPair(dir.Certificate(), dir.Key())
	if err != nil || !ca.Due(pair.Leaf) {
		return false, err
	}
	host, err := dir.ReadHost()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // made a moment ago
	}
	if err != nil {
		return false, err
	}
	cert, err := ca.SignHost(host.HostID, pair.Leaf.PublicKey)
	if err != nil {
		return false, err
	}
	return true, writeOwnCertificate(dir, cert)
}

func writeOwnCertificate(dir hostagent.Dir, der []byte) error {
	return atomicfile.Write(dir.Certificate(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644)
}

func makeOwnCredential(dir hostagent.Dir, id identity.HostID, ca OwnHostSigner) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	cert, err := ca.SignHost(id, key.Public())
	if err != nil {
		return err
	}
	if err := atomicfile.Write(dir.Key(), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return err
	}
	return writeOwnCertificate(dir, cert)
}

// OwnEntry is the controller's own registration entry: this program, run by this
// user, on this host.
func OwnEntry(id spiffeid.ID, controllerID string, host identity.HostID, ttl time.Duration) (fleet.Entry, error) {
	agent, err := host.AgentID(id.TrustDomain())
	if err != nil {
		return fleet.Entry{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return fleet.Entry{}, err
	}
	return fleet.Entry{
		ID:       fleet.EntryIDPrefix + string(identity.KindController) + "." + controllerID + "." + string(host),
		SPIFFEID: id, ParentID: agent, X509SVIDTTL: ttl,
		Selectors: []fleet.Selector{
			{Type: "unix", Value: fmt.Sprintf("uid:%d", os.Getuid())},
			{Type: "unix", Value: "path:" + program},
		},
	}, nil
}
