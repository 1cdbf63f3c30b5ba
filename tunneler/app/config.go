package app

import (
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/hostprogram"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// MinProbe is what a connector allows; it cuts who sends more.
const MinProbe = 100 * time.Millisecond

// ConfFile is where the conf file is by default.
const ConfFile = "/etc/grpctunneler/tunneler.conf"

// StateDir is the state directory that the unit gives to the program.
const StateDir = "/var/lib/grpctunneler"

// Config is the configuration of a running tunneler.
type Config struct {
	hostprogram.Settings
	TunnelerID    string `conf:"tunneler_id" usage:"id of this tunneler, as enrolled"`
	ConnectorAddr string `conf:"connector_addr" usage:"one more address to dial, host:port, before those of the directory; any connector of the directory may answer there; the others are used too"`
	ConnectorID   string `conf:"connector_id" usage:"id of the only connector to use (default: at most two of each network in the directory)"`
	FacesConfig
	// SessionProbe costs both ends 0.1 ms of CPU each time.
	SessionProbe time.Duration `conf:"session_probe" usage:"how often to probe each session between its heartbeats, at least 100ms; 0 is never; /sessions shows the outcome"`
}

// DefaultConfig is what no source sets.
func DefaultConfig() Config { return Config{Settings: hostprogram.DefaultSettings("9466")} }

// Loader reads the configuration from flags, environment and conf file.
func Loader() *settings.Loader[Config] {
	return settings.New(hostprogram.Spec(ConfFile), DefaultConfig())
}

// Validate returns all faults as settings.Faults.
func (c *Config) Validate() error {
	var f settings.Faults
	if c.TunnelerID == "" {
		f.Add("tunneler_id", "is missing: the id this host was enrolled with")
	} else if err := identity.ValidateID(c.TunnelerID); err != nil {
		f.Add("tunneler_id", "%v", err)
	}
	if c.ConnectorAddr != "" {
		hostprogram.RequireAddress(&f, "connector_addr", c.ConnectorAddr)
	}
	if err := identity.ValidateID(c.ConnectorID); c.ConnectorID != "" && err != nil {
		f.Add("connector_id", "%v", err)
	}
	f.Require(c.SessionProbe == 0 || c.SessionProbe >= MinProbe, "session_probe", "must be 0 or at least %s, is %s", MinProbe, c.SessionProbe)
	c.check(&f)
	c.Check(&f)
	return f.Err()
}

// SPIFFEID is who the program is once it has its identity; empty when the id or the
// trust domain is not one.
func (c *Config) SPIFFEID() string {
	return c.SPIFFEIDOf(identity.Workload{Kind: identity.KindTunneler, ID: c.TunnelerID})
}
