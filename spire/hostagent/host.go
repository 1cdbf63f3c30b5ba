package hostagent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// Host is what an enrolled host knows of itself. It holds no secret.
type Host struct {
	HostID      identity.HostID      `json:"host_id"`
	TrustDomain spiffeid.TrustDomain `json:"trust_domain"`
	// ControllerAddress is host:port of the enrollment listener, ControllerCAPath
	// the PEM file of the bootstrap CA that it is verified with.
	ControllerAddress string `json:"controller_address"`
	ControllerCAPath  string `json:"controller_ca_path"`
	// SPIREServerAddress is host:port. It follows what the controller says.
	SPIREServerAddress string `json:"spire_server_address"`
	// Ephemeral hosts attest by SPIRE's join token, once, and have no host key.
	Ephemeral bool `json:"ephemeral,omitempty"`
	// JoinTokenFile is where the token is; empty means Dir.JoinToken.
	JoinTokenFile string `json:"join_token_file,omitempty"`
}

// Validate returns all faults at once.
func (h Host) Validate() error {
	var errs []error
	if _, err := identity.ParseHostID(string(h.HostID)); err != nil {
		errs = append(errs, err)
	}
	if h.TrustDomain.IsZero() {
		errs = append(errs, errors.New("trust domain is empty"))
	}
	if _, _, err := splitAddress(h.SPIREServerAddress); err != nil {
		errs = append(errs, fmt.Errorf("SPIRE server address: %w", err))
	}
	return errors.Join(errs...)
}

// ReadHost reads host.json. An unknown key is an error.
func (d Dir) ReadHost() (Host, error) {
	data, err := os.ReadFile(d.HostFile())
	if err != nil {
		return Host{}, fmt.Errorf("read host file (is this host enrolled? --host-dir names another directory): %w", err)
	}
	var h Host
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&h); err != nil {
		return Host{}, fmt.Errorf("read host file %s: %w", d.HostFile(), err)
	}
	if err := h.Validate(); err != nil {
		return Host{}, fmt.Errorf("read host file %s: %w", d.HostFile(), err)
	}
	return h, nil
}

// WriteHost replaces host.json.
func (d Dir) WriteHost(h Host) error {
	if err := h.Validate(); err != nil {
		return fmt.Errorf("write host file: %w", err)
	}
	data, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return fmt.Errorf("write host file: %w", err)
	}
	return atomicfile.Write(d.HostFile(), append(data, '\n'), 0o600)
}

func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	if err != nil || host == "" || strings.Trim(host, inHosts) != "" || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not host:port", address)
	}
	return host, port, nil
}

// inHosts are the characters of IP addresses and of names. The host is written into
// agent.conf.
const inHosts = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:%"
