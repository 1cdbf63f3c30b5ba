package app

import (
	"net/netip"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// ConfFile is where the conf file is by default.
const ConfFile = "/etc/grpcconnector/connector.conf"

// StateDir is the state directory that the unit gives to the program.
const StateDir = "/var/lib/grpcconnector"

// Config is the configuration of a running connector.
type Config struct {
	hostprogram.Settings
	ConnectorID string `conf:"connector_id" usage:"id of this connector, as enrolled"`
	PrivateIP   string `conf:"connector_private_ip" usage:"IP address at which tunnelers reach this connector (default: the one towards the controller)"`
	ListenAddr  string `conf:"listen_addr" usage:"address for tunnelers, host:port" is:"listener"`
}

// DefaultConfig is what no source sets.
func DefaultConfig() Config {
	return Config{Settings: hostprogram.DefaultSettings("9465"), ListenAddr: "0.0.0.0:9443"}
}

// Loader reads the configuration from flags, environment and conf file.
func Loader() *settings.Loader[Config] {
	return settings.New(hostprogram.Spec(ConfFile), DefaultConfig())
}

// Validate returns all faults as settings.Faults.
func (c *Config) Validate() error {
	var f settings.Faults
	if c.ConnectorID == "" {
		f.Add("connector_id", "is missing: the id this host was enrolled with")
	} else if err := identity.ValidateID(c.ConnectorID); err != nil {
		f.Add("connector_id", "%v", err)
	}
	f.Require(c.PrivateIP == "" || isHostIP(c.PrivateIP), "connector_private_ip", "must be an IP address of this host, is %q", c.PrivateIP)
	f.Require(settings.IsListener(c.ListenAddr), "listen_addr", "must be host:port, is %q", c.ListenAddr)
	f.Apart(settings.Listener{Key: "LISTEN_ADDR", Address: c.ListenAddr}, settings.Listener{Key: "HEALTH_ADDR", Address: c.HealthAddr})
	c.Check(&f)
	return f.Err()
}

// isHostIP: tunnelers dial it.
func isHostIP(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && !ip.IsUnspecified() && !ip.IsMulticast() && ip.Zone() == ""
}

// SPIFFEID is who the program is once it has its identity; empty when the id or the
// trust domain is not one.
func (c *Config) SPIFFEID() string {
	return c.SPIFFEIDOf(identity.Workload{Kind: identity.KindConnector, ID: c.ConnectorID})
}
