package conf

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

const (
	// cacheReloadInterval bounds how old the server's view of entries is. With
	// SPIRE's 5 s a new host waits that long for its first SVID. The cache follows the
	// events of the database: to read all of 10,000 entries as often, for nothing,
	// costs 8 % of a core.
	cacheReloadInterval = 500 * time.Millisecond
	// pruneAfter keeps the record of an agent that stays away for 30 days, so
	// that the dashboard can show it. A banned agent is never pruned.
	pruneAfter = "720h"
)

// CacheReloadInterval is how often an embedded spire-server reloads its entries.
// An entry that is older than it is in the first sync of a new agent.
func CacheReloadInterval() time.Duration { return cacheReloadInterval }

// Server is the configuration of an embedded spire-server.
type Server struct {
	TrustDomain spiffeid.TrustDomain
	BindAddress string // IP address
	BindPort    int
	SocketPath  string // admin API, under 100 bytes
	DataDir     string
	LogLevel    string // empty means info

	CATTL       time.Duration
	X509SVIDTTL time.Duration // default for entries that name none
	AgentTTL    time.Duration

	// HostCAPaths are PEM files of the bootstrap CAs that sign host certificates.
	HostCAPaths []string

	// UnlimitedAttestation turns off the limit of one attestation a second per
	// source address, for sites behind NAT or a load balancer.
	UnlimitedAttestation bool

	// HealthAddress is host:port of SPIRE's /live and /ready; empty means no listener.
	HealthAddress string

	// MetricsPort is where Prometheus finds the server's metrics, on loopback; 0 means
	// nowhere.
	MetricsPort int
}

// Validate returns all faults at once.
func (s Server) Validate() error {
	errs := []error{
		checkTrustDomain(s.TrustDomain), checkPort("bind port", s.BindPort), CheckSocketPath(s.SocketPath),
		checkPath("data directory", s.DataDir), checkLogLevel(s.LogLevel),
		CheckMetricsPort(s.MetricsPort),
	}
	if _, err := netip.ParseAddr(s.BindAddress); err != nil {
		errs = append(errs, fmt.Errorf("bind address %q is not an IP address", s.BindAddress))
	}
	for _, ttl := range []struct {
		name string
		d    time.Duration
	}{{"CA TTL", s.CATTL}, {"X509-SVID TTL", s.X509SVIDTTL}, {"agent TTL", s.AgentTTL}} {
		if ttl.d <= 0 {
			errs = append(errs, fmt.Errorf("%s must be positive", ttl.name))
		}
	}
	if strings.ContainsAny(s.DataDir, "?#%") {
		errs = append(errs, fmt.Errorf("data directory %q contains '?', '#' or '%%', which SPIRE's SQLite address cannot carry", s.DataDir))
	}
	if len(s.HostCAPaths) == 0 {
		errs = append(errs, errors.New("no host CA path"))
	}
	for _, p := range s.HostCAPaths {
		errs = append(errs, checkPath("host CA path", p))
	}
	if _, _, err := s.health(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Render returns server.conf.
func (s Server) Render() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("spire-server configuration: %w", err)
	}
	w := &writer{}
	w.block("server", "", func() { s.section(w) })
	w.block("plugins", "", func() { s.plugins(w) })
	w.telemetry(s.MetricsPort)
	if host, port, _ := s.health(); host != "" {
		w.block("health_checks", "", func() {
			w.boolean("listener_enabled", true)
			w.str("bind_address", host)
			w.str("bind_port", port)
		})
	}
	return w.bytes(), nil
}

func (s Server) section(w *writer) {
	w.str("trust_domain", s.TrustDomain.Name())
	w.str("bind_address", s.BindAddress)
	w.number("bind_port", s.BindPort)
	w.str("socket_path", s.SocketPath)
	w.str("data_dir", s.DataDir)
	w.str("log_format", "json")
	w.str("log_level", logLevel(s.LogLevel))
	w.duration("ca_ttl", s.CATTL)
	w.duration("default_x509_svid_ttl", s.X509SVIDTTL)
	w.duration("agent_ttl", s.AgentTTL)
	w.boolean("disable_jwt_svids", true)
	w.boolean("audit_log_enabled", true)
	w.str("prune_attested_nodes_expired_for", pruneAfter)
	if s.UnlimitedAttestation {
		w.block("ratelimit", "", func() { w.boolean("attestation", false) })
	}
	w.block("experimental", "", func() {
		w.duration("cache_reload_interval", cacheReloadInterval)
		w.boolean("events_based_cache", true)
	})
}

func (s Server) plugins(w *writer) {
	w.plugin("DataStore", "sql", func() {
		w.str("database_type", "sqlite3")
		w.str("connection_string", filepath.Join(s.DataDir, "datastore.sqlite3"))
	})
	w.plugin("KeyManager", "disk", func() { w.str("keys_path", filepath.Join(s.DataDir, "keys.json")) })
	w.plugin("NodeAttestor", "x509pop", func() {
		w.strs("ca_bundle_paths", s.HostCAPaths)
		w.str("agent_path_template", identity.AgentPathTemplate)
	})
	w.plugin("NodeAttestor", "join_token", none)
}

// health splits HealthAddress; both parts are empty when there is none.
func (s Server) health() (host, port string, err error) {
	if s.HealthAddress == "" {
		return "", "", nil
	}
	host, port, err = net.SplitHostPort(s.HealthAddress)
	n, convErr := strconv.Atoi(port)
	if err != nil || convErr != nil || host == "" || checkPort("health port", n) != nil {
		return "", "", fmt.Errorf("health address %q is not host:port", s.HealthAddress)
	}
	return host, port, nil
}
