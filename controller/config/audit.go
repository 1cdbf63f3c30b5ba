package config

import (
	"net"
	"net/url"
	"path/filepath"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
)

// Audit is about the audit log.
type Audit struct {
	Export    AuditExport    `conf:"export"`
	Retention AuditRetention `conf:"retention"`
}

// AuditRetention says how long audit events stay. Renewals of SVIDs stay for 30 days.
type AuditRetention struct {
	Age   time.Duration `conf:"age" usage:"remove audit events after this time; their hashes stay (0 keeps them for ever)"`
	MaxMB int           `conf:"max_mb" usage:"remove the oldest audit events when all take more than this many MB (0 is no limit)"`
}

const (
	day          = 24 * time.Hour
	minRetention = 31 * day // as long as the renewals, whose anchors are events
	minMaxMB     = 64
)

func defaultAudit() Audit { return Audit{Retention: AuditRetention{Age: 400 * day, MaxMB: 4096}} }

// Of is the retention as the audit log takes it.
func (r AuditRetention) Of() audit.Retention {
	return audit.Retention{Age: r.Age, Bytes: int64(r.MaxMB) << 20}
}

// AuditExport says where audit events go beside the database, as JSON lines.
type AuditExport struct {
	File    string       `conf:"file" usage:"append audit events to this file" is:"path"`
	Stdout  bool         `conf:"stdout" usage:"write audit events to standard output"`
	Syslog  string       `conf:"syslog" usage:"send audit events to udp://host:port, tcp://host:port or unix:///path (RFC 5424)"`
	Webhook AuditWebhook `conf:"webhook"`
}

// AuditWebhook posts audit events, signed.
type AuditWebhook struct {
	URL        string `conf:"url" usage:"post audit events to this https URL"`
	SecretPath string `conf:"secret_path" usage:"file with the secret that signs them, at least 16 bytes" is:"path"`
}

func (a Audit) validate() error {
	var f settings.Faults
	e := a.Export
	f.Require(e.File == "" || filepath.IsAbs(e.File), "export.file", "must be an absolute path, is %q", e.File)
	if e.Syslog != "" {
		if _, _, err := export.ParseSyslog(e.Syslog); err != nil {
			f.Add("export.syslog", "%v", err)
		}
	}
	w := e.Webhook
	f.Require(w.URL == "" || isWebhook(w.URL), "export.webhook.url", "must be an https URL (http for loopback only), is %q", redacted(w.URL))
	f.Require((w.URL == "") == (w.SecretPath == ""), "export.webhook.secret_path", "url and secret_path go together")
	f.Require(w.SecretPath == "" || isFilePath(w.SecretPath), "export.webhook.secret_path", notFilePath, w.SecretPath)
	r := a.Retention
	f.Require(r.Age == 0 || r.Age >= minRetention, "retention.age", "must be at least %s, or 0 to keep events for ever, is %s", minRetention, r.Age)
	f.Require(r.MaxMB == 0 || r.MaxMB >= minMaxMB && r.MaxMB <= 1<<30, "retention.max_mb", "must be at least %d, or 0 for no limit, is %d", minMaxMB, r.MaxMB)
	return f.Err()
}

// isWebhook: events name people and addresses, so they do not cross a network in
// the clear.
func isWebhook(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	return u.Scheme == "https" || u.Scheme == "http" && settings.IsLoopback(net.JoinHostPort(u.Hostname(), port))
}

// redacted keeps a password out of the error.
func redacted(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "not a URL"
	}
	return u.Redacted()
}
