package hostagent

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
)

// Dir is the layout of a host's directory. All of it belongs to the user that
// runs spire-agent; nobody else needs to read it.
type Dir struct{ Root string }

// Key is the host key, PEM, mode 0600. It never leaves the host.
func (d Dir) Key() string { return filepath.Join(d.Root, "host.key") }

// Certificate is the host certificate, PEM.
func (d Dir) Certificate() string { return filepath.Join(d.Root, "host.crt") }

// Bundle is the trust bundle that an agent bootstraps from, PEM.
func (d Dir) Bundle() string { return filepath.Join(d.Root, "bundle.pem") }

// ControllerCA is the bootstrap CA that the controller is verified with, PEM.
func (d Dir) ControllerCA() string { return filepath.Join(d.Root, "controller-ca.crt") }

// HostFile is what the host knows of its enrollment; see Host.
func (d Dir) HostFile() string { return filepath.Join(d.Root, "host.json") }

// JoinToken is SPIRE's join token of an ephemeral host, mode 0600.
func (d Dir) JoinToken() string { return filepath.Join(d.Root, "join-token") }

// AgentConf is spire-agent's configuration. Supervisor writes it at each start.
func (d Dir) AgentConf() string { return filepath.Join(d.Root, "agent.conf") }

// Data is spire-agent's data directory. Supervisor clears it.
func (d Dir) Data() string { return filepath.Join(d.Root, "data") }

// Create makes the directory, for its owner only.
func (d Dir) Create() error {
	if !filepath.IsAbs(d.Root) {
		return fmt.Errorf("host directory %q is not absolute", d.Root)
	}
	return os.MkdirAll(d.Root, 0o700)
}

// WriteBundle replaces the bundle. It refuses an empty one: an agent without
// authorities could not distinguish its server from any other.
func (d Dir) WriteBundle(authorities []*x509.Certificate) error {
	data, err := encodeBundle(authorities)
	if err != nil {
		return err
	}
	return atomicfile.Write(d.Bundle(), data, 0o644)
}

func encodeBundle(authorities []*x509.Certificate) ([]byte, error) {
	if len(authorities) == 0 {
		return nil, errors.New("trust bundle is empty")
	}
	var out []byte
	for _, a := range authorities {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Raw})...)
	}
	return out, nil
}

// clearDir removes what is in a directory, and makes the directory when it is gone.
func clearDir(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(path)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(path, e.Name())))
	}
	return err
}
