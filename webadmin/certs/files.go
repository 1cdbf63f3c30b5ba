package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// settle is how long the files must have been quiet before they are read: whoever
// replaces them writes two.
const settle = 200 * time.Millisecond

// Files is a certificate in files.
type Files struct {
	cert, key string
	log       *zap.Logger
	current   atomic.Pointer[tls.Certificate]
}

// Load reads the pair of PEM files; a pair that is broken at the start is an error.
func Load(cert, key string, log *zap.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log.Named("certs")}
	if err := f.read(); err != nil {
		return nil, fmt.Errorf("%w: check admin.tls_cert and admin.tls_key", err)
	}
	return f, nil
}

func (f *Files) read() error {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key) // also checks that the two belong together
	if err != nil {
		return fmt.Errorf("admin certificate: %w", err)
	}
	f.current.Store(&pair)
	return nil
}

// TLS serves the newest pair.
func (f *Files) TLS() *tls.Config {
	return base(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

// Run reads the pair again whenever a file in its directories changes, until ctx
// ends. It watches directories and not files, for a file that is replaced is
// another one.
func (f *Files) Run(ctx context.Context) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch admin certificate: %w", err)
	}
	defer func() { _ = w.Close() }()
	for _, dir := range []string{filepath.Dir(f.cert), filepath.Dir(f.key)} {
		if err := w.Add(dir); err != nil {
			return fmt.Errorf("watch admin certificate: %s: %w", dir, err)
		}
	}
	f.reload() // it may have changed since Load
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
			quiet.Reset(settle)
		case err := <-w.Errors: // such as an overflow: something changed
			f.log.Warn("watch of the admin certificate lost events", zap.Error(err))
			quiet.Reset(settle)
		case <-quiet.C:
			f.reload()
		}
	}
}

func (f *Files) reload() {
	before := f.current.Load()
	if err := f.read(); err != nil {
		f.log.Error("admin certificate not reloaded, the old one stays in use", zap.Error(err))
		return
	}
	if now := f.current.Load(); !now.Leaf.Equal(before.Leaf) {
		f.log.Info("admin certificate reloaded", zap.String("serial", now.Leaf.SerialNumber.String()), zap.Time("not_after", now.Leaf.NotAfter))
	}
}

// base is what every configuration has. No client certificate is asked for.
func base(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: []string{"h2", "http/1.1"}, ClientAuth: tls.NoClientCert,
	}
}
