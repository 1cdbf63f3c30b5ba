package otlp

import (
	"net"
	"path/filepath"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Config is the tracing section of the configuration.
type Config struct {
	Endpoint    string  `conf:"endpoint" usage:"host:port of an OpenTelemetry collector (OTLP over gRPC); empty: no traces"`
	Insecure    bool    `conf:"insecure" usage:"no TLS to the collector"`
	CAPath      string  `conf:"ca_path" usage:"CAs of the collector's certificate (PEM; default: those of the system)" is:"path"`
	SampleRatio float64 `conf:"sample_ratio" usage:"share of the requests that are traced, 0 to 1"`
}

// DefaultConfig traces nothing, and everything once there is an endpoint: requests
// that are traced are of people and of hosts that enroll.
func DefaultConfig() Config { return Config{SampleRatio: 1} }

// Validate returns settings.Faults with the keys of the section.
func (c Config) Validate() error {
	var f settings.Faults
	if c.Endpoint != "" {
		host, port, err := net.SplitHostPort(c.Endpoint)
		f.Require(err == nil && host != "" && port != "" && port != "0", "endpoint", "must be host:port, without a scheme, is %q", c.Endpoint)
	}
	f.Require(c.Endpoint != "" || (!c.Insecure && c.CAPath == ""), "endpoint", "is missing, and insecure or ca_path is set")
	f.Require(c.CAPath == "" || filepath.IsAbs(c.CAPath), "ca_path", "must be an absolute path, is %q", c.CAPath)
	f.Require(c.CAPath == "" || !c.Insecure, "ca_path", "has no use with insecure")
	f.Require(c.SampleRatio >= 0 && c.SampleRatio <= 1, "sample_ratio", "must be 0 to 1, is %g", c.SampleRatio)
	return f.Err()
}

// Meaning says in a line what the configuration does.
func (c Config) Meaning() string {
	if c.Endpoint == "" {
		return "off (tracing.endpoint)"
	}
	how := "by TLS"
	if c.Insecure {
		how = "in clear"
	}
	return "to " + c.Endpoint + ", " + how
}
