package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/guardedhttp"
)

const (
	requestTimeout = 30 * time.Second
	// maxReply is far above any reply; the longest is a chain of certificates.
	maxReply = 1 << 20
)

// newClient is the client for everything that the ACME server is asked.
func newClient(c ACMEConfig) (*http.Client, error) {
	next := c.Transport
	if next == nil {
		roots, err := readRoots(c.CAPath)
		if err != nil {
			return nil, err
		}
		next = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: requestTimeout, IdleConnTimeout: requestTimeout, MaxIdleConns: 2,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		}
	}
	return guardedhttp.New(guardedhttp.Config{Service: c.DirectoryURL, Transport: next, Timeout: requestTimeout, MaxReply: maxReply}), nil
}

// readRoots reads the CAs of the ACME server's own certificate; nil is those of the system.
func readRoots(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil // as tls.Config has it
	}
	text, err := atomicfile.Read(path, maxFile)
	if err != nil {
		return nil, fmt.Errorf("admin.acme.ca_path: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("admin.acme.ca_path: %s has no certificate (PEM)", path)
	}
	return roots, nil
}

// CheckACMECA returns an error where the file of admin.acme.ca_path is of no use.
func CheckACMECA(path string) error {
	_, err := readRoots(path)
	return err
}
