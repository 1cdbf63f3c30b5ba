package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing/otlp"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
)

// Modes of SPIRE.
const (
	Embedded = "embedded"
	External = "external"
)

// What happens to a cloned host.
const (
	Alert      = "alert"
	Quarantine = "quarantine"
)

// Config is the whole configuration.
type Config struct {
	TrustDomain   string         `conf:"trust_domain" usage:"SPIFFE trust domain"`
	ControllerID  string         `conf:"controller_id" usage:"id of this controller, part of its SPIFFE ID"`
	DataDir       string         `conf:"data_dir" usage:"directory for everything this controller keeps" is:"path"`
	PublicAddress string         `conf:"public_address" usage:"host name or IP at which hosts reach this controller (default: the address of the default route, IPv4 or else IPv6; without one it is not ready)"`
	InstallDir    string         `conf:"install_dir" usage:"directory that the enrollment listener serves at /install/: scripts and programs for new hosts" is:"path"`
	CABundlePaths []string       `conf:"ca_bundle_paths" usage:"further bootstrap CAs (PEM) whose hosts may attest, while the CA is being replaced" is:"path"`
	Listen        Listen         `conf:"listen"`
	Admin         Admin          `conf:"admin"`
	Declared      Declared       `conf:"declared"`
	SPIRE         SPIRE          `conf:"spire"`
	SVIDTTL       SVIDTTL        `conf:"svid_ttl"`
	Clones        string         `conf:"clones" usage:"what happens to a host whose key two machines use: alert, or quarantine (revoke its members)" one:"alert quarantine"`
	PolicyAge     time.Duration  `conf:"policy_age" usage:"how long connectors use the policy, and keep sessions, without a controller"`
	Audit         Audit          `conf:"audit"`
	Flows         Flows          `conf:"flows"`
	Tracing       otlp.Config    `conf:"tracing"`
	Log           logging.Config `conf:"log"`
}

// Listen are the listeners, host:port; port 0 picks a free one.
type Listen struct {
	Enrollment string `conf:"enrollment" usage:"enrollment listener" is:"listener"`
	Control    string `conf:"control" usage:"control-plane listener" is:"listener"`
	Admin      string `conf:"admin" usage:"admin API and dashboard; beyond loopback it needs admin.tls_cert or admin.acme" is:"listener"`
	Health     string `conf:"health" usage:"health listener, loopback only" is:"listener"`
	// HealthRemote is for a container, whose loopback no probe reaches.
	HealthRemote bool `conf:"health_remote" usage:"allow listen.health beyond loopback: it has no authentication, so only for a container on a closed network"`
}

// SPIRE says which SPIRE issues the identities.
type SPIRE struct {
	Mode             string        `conf:"mode" usage:"embedded: run spire-server and spire-agent; external: use the operator's spire-server" one:"embedded external"`
	ServerListen     string        `conf:"server_listen" usage:"embedded spire-server's listener" is:"listener"`
	ServerAddress    string        `conf:"server_address" usage:"host:port at which hosts reach spire-server (embedded: public_address and its port)"`
	ServerSocket     string        `conf:"server_socket" usage:"external: admin socket of spire-server" is:"path"`
	AttestationLimit bool          `conf:"attestation_limit" usage:"embedded: at most one attestation a second per address; off for sites behind NAT"`
	CATTL            time.Duration `conf:"ca_ttl" usage:"embedded: lifetime of a certificate authority"`
	AgentTTL         time.Duration `conf:"agent_ttl" usage:"embedded: lifetime of an agent's SVID"`
	ServerMetrics    int           `conf:"server_metrics_port" usage:"embedded: loopback port of spire-server's Prometheus metrics; 0: none"`
	AgentMetrics     int           `conf:"agent_metrics_port" usage:"loopback port of the Prometheus metrics of this controller's own spire-agent; 0: none"`
	CacheReload      time.Duration `conf:"cache_reload_interval" usage:"external: experimental.cache_reload_interval of spire-server"`
}

// settleMargin is what a reload of SPIRE's entry cache takes.
const settleMargin = 50 * time.Millisecond

// EntrySettle is how old a registration entry must be before an agent asks for
// it: one that asks too early asks again only five seconds later.
func (s SPIRE) EntrySettle() time.Duration {
	if s.Mode == Embedded {
		return conf.CacheReloadInterval() + settleMargin
	}
	return s.CacheReload + settleMargin
}

// SVIDTTL are the lives of X509-SVIDs by kind; SPIRE renews at half of it.
type SVIDTTL struct {
	Connector  time.Duration `conf:"connector" usage:"lifetime of a connector's SVID"`
	Tunneler   time.Duration `conf:"tunneler" usage:"lifetime of a tunneler's SVID"`
	Controller time.Duration `conf:"controller" usage:"lifetime of the controller's SVID"`
}

// Default is the configuration of a controller that nobody configured.
func Default() Config {
	return Config{
		TrustDomain: "mycorp.internal", ControllerID: "controller-01", DataDir: "/var/lib/grpccontroller",
		InstallDir: "/usr/share/grpccontroller/install",
		Listen:     Listen{Enrollment: ":8443", Control: ":8444", Admin: "127.0.0.1:8080", Health: "127.0.0.1:9464"},
		Admin:      defaultAdmin(),
		Declared:   defaultDeclared(),
		SPIRE: SPIRE{
			Mode: Embedded, ServerListen: "0.0.0.0:8081", AttestationLimit: true, CATTL: 24 * time.Hour, AgentTTL: time.Hour,
			ServerMetrics: 9467, AgentMetrics: 9468,
			CacheReload: 5 * time.Second, // SPIRE's default
		},
		SVIDTTL:   SVIDTTL{Connector: 5 * time.Minute, Tunneler: 30 * time.Minute, Controller: time.Hour},
		Clones:    Alert,
		Audit:     defaultAudit(),
		Flows:     defaultFlows(),
		PolicyAge: 24 * time.Hour,
		Tracing:   otlp.DefaultConfig(),
		Log:       logging.DefaultConfig(),
	}
}

// Spec says where grpccontroller reads its configuration.
func Spec() settings.Spec {
	return settings.Spec{
		Format: settings.YAML, File: "/etc/grpccontroller/controller.yaml",
		FileEnv: "GRPCCONTROLLER_CONFIG", EnvPrefix: "GRPCCONTROLLER_", UnitFile: "/etc/grpccontroller/controller.conf",
	}
}

// Validate returns all faults at once, each with its key.
func (c Config) Validate() error {
	var f settings.Faults
	if _, err := spiffeid.TrustDomainFromString(c.TrustDomain); err != nil || strings.Contains(c.TrustDomain, "/") {
		f.Add("trust_domain", "%q is not a trust domain name", c.TrustDomain)
	}
	if err := identity.ValidateID(c.ControllerID); err != nil {
		f.Add("controller_id", "%v", err)
	}
	f.Require(filepath.IsAbs(c.DataDir), "data_dir", "must be an absolute path, is %q", c.DataDir)
	f.Require(filepath.IsAbs(c.InstallDir), "install_dir", "must be an absolute path, is %q", c.InstallDir)
	f.Require(c.PublicAddress == "" || hostName.MatchString(c.PublicAddress) && !isIP(c.PublicAddress) || isHostIP(c.PublicAddress), "public_address",
		"must be a host name or an IP address of one host, without a port, is %q", c.PublicAddress)
	for _, p := range c.CABundlePaths {
		f.Require(filepath.IsAbs(p), "ca_bundle_paths", "must be absolute paths, has %q", p)
	}
	f.In("listen", c.Listen.validate())
	f.Apart(c.listeners()...)
	f.In("admin", c.Admin.validate())
	// Without TLS a password would cross the network readable.
	f.Require(settings.IsLoopback(c.Listen.Admin) || c.Admin.TLS() || c.Admin.InsecureListen, "listen.admin",
		"must be a loopback address such as 127.0.0.1:8080 unless admin.tls_cert, admin.acme.domains or admin.insecure_listen is set, is %q", c.Listen.Admin)
	f.In("declared", c.Declared.validate())
	f.In("spire", c.SPIRE.validate())
	f.In("svid_ttl", c.SVIDTTL.validate(c.SPIRE.CATTL))
	f.Require(c.Clones == Alert || c.Clones == Quarantine, "clones", "must be %q or %q, is %q", Alert, Quarantine, c.Clones)
	f.Require(c.PolicyAge >= leastPolicyAge && c.PolicyAge <= mostPolicyAge, "policy_age",
		"must be %s to %s, is %s", leastPolicyAge, mostPolicyAge, c.PolicyAge)
	f.In("audit", c.Audit.validate())
	f.In("flows", c.Flows.validate())
	f.In("tracing", c.Tracing.Validate())
	f.In("log", c.Log.Validate())
	return f.Err()
}

// listeners are all that one controller opens.
func (c Config) listeners() []settings.Listener {
	out := []settings.Listener{
		{Key: "listen.enrollment", Address: c.Listen.Enrollment},
		{Key: "listen.control", Address: c.Listen.Control},
		{Key: "listen.admin", Address: c.Listen.Admin},
		{Key: "listen.health", Address: c.Listen.Health},
	}
	metrics := func(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
	if c.SPIRE.Mode == Embedded {
		out = append(out, settings.Listener{Key: "spire.server_listen", Address: c.SPIRE.ServerListen},
			settings.Listener{Key: "spire.server_metrics_port", Address: metrics(c.SPIRE.ServerMetrics)})
	}
	return append(out, settings.Listener{Key: "spire.agent_metrics_port", Address: metrics(c.SPIRE.AgentMetrics)})
}

// A restart of the controller must not end sessions, and who was revoked during
// an outage must not stay for ever.
const (
	leastPolicyAge = time.Minute
	mostPolicyAge  = 30 * 24 * time.Hour
)

func (l Listen) validate() error {
	var f settings.Faults
	for _, at := range []struct{ key, addr string }{
		{"enrollment", l.Enrollment}, {"control", l.Control}, {"admin", l.Admin}, {"health", l.Health},
	} {
		f.Require(settings.IsListener(at.addr), at.key, "must be host:port, is %q", at.addr)
	}
	f.Require(l.HealthRemote || settings.IsLoopback(l.Health), "health", "must be a loopback address such as 127.0.0.1:9464 unless health_remote is set, is %q", l.Health)
	return f.Err()
}

// leastCATTL keeps a CA alive long enough for SPIRE to prepare the next one.
const leastCATTL = 2 * time.Minute

func (s SPIRE) validate() error {
	var f settings.Faults
	switch s.Mode {
	case Embedded:
		f.Require(isIPPort(s.ServerListen), "server_listen", "must be IP:port, is %q", s.ServerListen)
		f.Require(s.ServerSocket == "", "server_socket", "is for mode %q only", External)
		f.Require(s.CATTL >= leastCATTL, "ca_ttl", "must be at least %s, is %s", leastCATTL, s.CATTL)
		f.Require(s.AgentTTL >= time.Minute, "agent_ttl", "must be at least 1m, is %s", s.AgentTTL)
		f.Require(s.AgentTTL <= s.CATTL, "agent_ttl", "must not be longer than ca_ttl (%s), is %s", s.CATTL, s.AgentTTL)
	case External:
		f.Require(filepath.IsAbs(s.ServerSocket), "server_socket", "must be the absolute path of spire-server's admin socket, is %q", s.ServerSocket)
		f.Require(s.CacheReload > 0 && s.CacheReload <= time.Minute, "cache_reload_interval", "must be up to 1m, is %s", s.CacheReload)
		f.Require(s.ServerAddress != "", "server_address", "must be host:port of spire-server as hosts reach it")
	default:
		f.Add("mode", "must be %q or %q, is %q", Embedded, External, s.Mode)
	}
	f.Require(s.ServerAddress == "" || isReachable(s.ServerAddress), "server_address", "must be host:port, is %q", s.ServerAddress)
	for key, port := range map[string]int{"server_metrics_port": s.ServerMetrics, "agent_metrics_port": s.AgentMetrics} {
		f.Require(conf.CheckMetricsPort(port) == nil, key, "must be a port, or 0 for none, is %d", port)
	}
	return f.Err()
}

func (t SVIDTTL) validate(caTTL time.Duration) error {
	var f settings.Faults
	for _, ttl := range []struct {
		key string
		d   time.Duration
	}{{"connector", t.Connector}, {"tunneler", t.Tunneler}, {"controller", t.Controller}} {
		f.Require(ttl.d >= 30*time.Second, ttl.key, "must be at least 30s, is %s", ttl.d)
		f.Require(ttl.d <= wire.MaxSVIDTTL, ttl.key, "must be at most %s, is %s: a revocation is remembered a little longer than that", wire.MaxSVIDTTL, ttl.d)
		f.Require(ttl.d <= caTTL, ttl.key, "must not be longer than spire.ca_ttl (%s), is %s", caTTL, ttl.d)
	}
	return f.Err()
}

// isReachable says whether hosts could dial it: a listener may leave out its host
// or its port, an address may not.
func isReachable(s string) bool {
	host, port, err := net.SplitHostPort(s)
	n, _ := strconv.ParseUint(port, 10, 16)
	return err == nil && host != "" && n > 0
}

func isIPPort(s string) bool {
	_, err := netip.ParseAddrPort(s)
	return err == nil
}

// hostName is what can be in a URL, a certificate and a command.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?$`)

// isHostIP is false for what hosts take from no peer; see controlclient.Acceptable. 0.0.0.0
// is where a listener listens, and no address of anybody.
func isHostIP(s string) bool {
	ip, err := netip.ParseAddr(s)
	ip = ip.Unmap()
	return err == nil && !ip.IsUnspecified() && !ip.IsMulticast() && ip != netip.AddrFrom4([4]byte{255, 255, 255, 255}) && ip.Zone() == ""
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
