package app

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/settings"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/certs"
)

// checkFiles looks at the files that the configuration names as serve does, which ends
// where one is missing or not what it should be. Who checks a configuration may not be
// allowed to read all of them, and has no systemd credentials.
func checkFiles(cfg config.Config) error {
	var f settings.Faults
	look := func(key string, configured bool, err func() error) {
		if !configured {
			return
		}
		if err := err(); err != nil && !errors.Is(err, fs.ErrPermission) {
			f.Add(key, "%v", errors.New(strings.TrimPrefix(err.Error(), key+": ")))
		}
	}
	look("data_dir", true, func() error { // the longer of the sockets in it
		return conf.CheckSocketPath(paths(cfg.DataDir).serverSocket())
	})
	look("ca_bundle_paths", len(cfg.CABundlePaths) > 0, func() error {
		_, err := bootstrap.LoadAnchors(cfg.CABundlePaths...)
		return err
	})
	look("admin.tls_cert", cfg.Admin.TLSCert != "", func() error {
		_, err := certs.Load(cfg.Admin.TLSCert, cfg.Admin.TLSKey, zap.NewNop())
		return err
	})
	look("admin.acme.ca_path", cfg.Admin.ACME.CAPath != "", func() error { return certs.CheckACMECA(cfg.Admin.ACME.CAPath) })
	look("admin.oidc.client_secret_path", cfg.Admin.OIDC.Issuer != "" && filepath.IsAbs(cfg.Admin.OIDC.ClientSecretPath), func() error {
		_, err := atomicfile.Read(cfg.Admin.OIDC.ClientSecretPath, maxSecret)
		return err
	})
	look("audit.export.webhook.secret_path", filepath.IsAbs(cfg.Audit.Export.Webhook.SecretPath), func() error {
		_, err := webhookSecret(cfg.Audit.Export.Webhook.SecretPath)
		return err
	})
	look("tracing.ca_path", cfg.Tracing.CAPath != "", cfg.Tracing.CheckFiles)
	return f.Err()
}

// webhookSecret reads the secret that signs exported events.
func webhookSecret(path string) ([]byte, error) {
	text, err := atomicfile.Read(path, 4<<10)
	if err != nil {
		return nil, err
	}
	secret := strings.TrimSpace(string(text))
	if len(secret) < 16 {
		return nil, fmt.Errorf("%s: %w", path, export.ErrSecret)
	}
	return []byte(secret), nil
}
