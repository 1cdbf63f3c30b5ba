package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

const (
	// lookEvery is how often the files are compared with what is in use.
	lookEvery = 10 * time.Second
	maxFile   = 1 << 20
)

// Files is a certificate in files.
type Files struct {
	cert, key string
	log       *zap.Logger
	current   atomic.Pointer[tls.Certificate]

	// What was read last, good or not. Only Run uses it, and Load before.
	content [2][]byte
	// failing is a pair that cannot be used.
	failing logging.Reminder
	fault   atomic.Pointer[fault]
}

// fault is why a pair cannot be used, and since when.
type fault struct {
	why   error
	since time.Time
}

// Load reads the pair of PEM files; a pair that is broken at the start is an error.
func Load(cert, key string, log *zap.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log.Named("certs")}
	if _, err := f.read(); err != nil {
		return nil, fmt.Errorf("%w: check admin.tls_cert and admin.tls_key", err)
	}
	return f, nil
}

// read takes a pair of files over that differs from the last one.
func (f *Files) read() (changed bool, err error) {
	var content [2][]byte
	for i, path := range []string{f.cert, f.key} {
		if content[i], err = atomicfile.Read(path, maxFile); err != nil {
			return false, fmt.Errorf("admin certificate: %w", err)
		}
	}
	if bytes.Equal(content[0], f.content[0]) && bytes.Equal(content[1], f.content[1]) {
		return false, nil
	}
	pair, err := tls.X509KeyPair(content[0], content[1]) // also checks that the two belong together
	if err != nil {
		return false, fmt.Errorf("admin certificate: %w", err)
	}
	f.content = content
	f.current.Store(&pair)
	return true, nil
}

// TLS serves the newest pair.
func (f *Files) TLS() *tls.Config {
	return base(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

// renewFiles is what to do about a pair of files.
const renewFiles = "put a new pair of files in the place of admin.tls_cert and admin.tls_key: they are read within 10 seconds"

// Certificates are the one of the files.
func (f *Files) Certificates() []Certificate {
	c := Certificate{NotAfter: f.current.Load().Leaf.NotAfter, Do: renewFiles}
	if t := f.fault.Load(); t != nil {
		c.Failure, c.Since = t.why, t.since
	}
	return []Certificate{c}
}

// Run compares the files with the pair in use every ten seconds, and at each of the
// signals, until ctx ends. It reads them, and does not watch them: what changes may be
// a symbolic link anywhere on the way to them, as where Kubernetes mounts a secret.
func (f *Files) Run(ctx context.Context, signals <-chan os.Signal) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for failed := false; ; {
		asked := false
		select {
		case <-ctx.Done():
			return nil
		case <-signals:
			asked = true
		case <-ticker.C:
		}
		err := f.look()
		// Whoever replaces the files writes two. Only a second failure means more.
		if err != nil && (failed || asked) {
			f.complain(err, asked)
		}
		failed = err != nil
	}
}

func (f *Files) look() error {
	changed, err := f.read()
	if err != nil {
		return err
	}
	f.failing.Over()
	f.fault.Store(nil)
	if leaf := f.current.Load().Leaf; changed {
		f.log.Info("admin certificate reloaded", zap.String("serial", leaf.SerialNumber.String()), zap.Time("not_after", leaf.NotAfter))
	}
	return nil
}

// complain logs a pair that cannot be used, and always to a person who asked.
func (f *Files) complain(err error, asked bool) {
	due, _ := f.failing.Due(time.Now())
	f.fault.Store(&fault{err, f.failing.Began()})
	if due || asked {
		f.log.Error("admin certificate not reloaded, the old one stays in use: check admin.tls_cert and admin.tls_key",
			zap.Time("not_after", f.current.Load().Leaf.NotAfter), zap.Error(err))
	}
}

// base is what every configuration has. No client certificate is asked for.
func base(get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: []string{"h2", "http/1.1"}, ClientAuth: tls.NoClientCert,
	}
}
