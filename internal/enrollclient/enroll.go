package enrollclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

// Request is one enrollment.
type Request struct {
	Token    Token
	Workload identity.Workload
	Facts    *zerotrustv1.HostFacts
	Dir      hostagent.Dir
	// CA is the bootstrap CA (PEM), kept in Dir for the bundle fetches to come: the
	// user of spire-agent may not be able to read the file it came from.
	CA []byte
	// Ephemeral is for a host without a disk: key in memory, SPIRE join token.
	Ephemeral bool
	// NewHost puts the files of an enrolled host aside first.
	NewHost bool
}

// Result is a completed enrollment. Everything in it has been checked.
type Result struct {
	SPIFFEID  string
	HostID    identity.HostID
	Reply     *zerotrustv1.EnrollResponse
	SecondOne bool // the host had been enrolled before, for another role
}

// Enroll spends the token and writes the files of the host. It may be run again
// after any failure.
func (c *Client) Enroll(ctx context.Context, r Request) (Result, error) {
	if err := r.Token.check(r.Workload.Kind); err != nil {
		return Result{}, err
	}
	if err := c.CheckClock(ctx); err != nil {
		return Result{}, fmt.Errorf("nothing was sent, the token is not spent: %w", err)
	}
	h, err := c.prepare(r)
	if err != nil {
		return Result{}, err
	}
	csr, err := h.request()
	if err != nil {
		return Result{}, err
	}
	c.cfg.Progress(fmt.Sprintf("enrolling %s at %s", r.Workload, c.cfg.Address))
	reply, err := c.enroll(ctx, &zerotrustv1.EnrollRequest{
		Token: r.Token.secret, Kind: kindToProto(r.Workload.Kind), Id: r.Workload.ID, Csr: csr, Host: r.Facts, Ephemeral: r.Ephemeral,
	}, h.certificate)
	if errors.Is(err, ErrRefused) && h.certificate != nil {
		return Result{}, fmt.Errorf("%w; if this host itself was revoked, or the controller was restored from a backup of before its enrollment, enroll with --new-host", err)
	}
	if err != nil {
		return Result{}, err
	}
	return c.finish(reply, r, h)
}

// enroll sends the request until it has an answer.
func (c *Client) enroll(ctx context.Context, req *zerotrustv1.EnrollRequest, host *tls.Certificate) (*zerotrustv1.EnrollResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	wait, retries := controlclient.NewBackoff(nil), c.explaining("no answer yet, retrying with the same key")
	for {
		reply, err := c.tryEnroll(ctx, req, host)
		if err == nil {
			return reply, nil
		}
		if final, ok := finalError(err); ok {
			return nil, final
		}
		retries.because(err)
		select {
		case <-time.After(min(wait.Next(), maxWait)):
		case <-ctx.Done():
			return nil, fmt.Errorf("no answer from %s within %s: run the same command again, the token is not lost: %w", c.cfg.Address, c.cfg.Timeout, err)
		}
	}
}

func (c *Client) tryEnroll(ctx context.Context, req *zerotrustv1.EnrollRequest, host *tls.Certificate) (*zerotrustv1.EnrollResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	var reply *zerotrustv1.EnrollResponse
	from, err := c.call(host, func(api zerotrustv1.EnrollmentServiceClient) (err error) {
		reply, err = api.Enroll(ctx, req)
		return err
	})
	return acceptable(reply, from), err
}

// prepare has the host's key on the disk.
func (c *Client) prepare(r Request) (*host, error) {
	if err := r.Dir.Create(); err != nil {
		return nil, fmt.Errorf("host directory: %w: run as the user of spire-agent or as root", err)
	}
	if r.NewHost {
		if err := c.archive(r.Dir); err != nil {
			return nil, err
		}
	}
	return openHost(r.Dir, c.cfg.TrustDomain, r.Ephemeral)
}

// archive puts the files of an enrolled host aside. A key without a certificate
// stays: it belongs to an enrollment that did not finish, and a new key would be
// a second one for the same token, which is refused.
func (c *Client) archive(d hostagent.Dir) error {
	if enrolled, err := exists(d.Certificate(), d.JoinToken()); err != nil || !enrolled {
		return err
	}
	suffix := "." + time.Now().UTC().Format("20060102T150405Z")
	for _, path := range []string{d.Key(), d.Certificate(), d.JoinToken(), d.Bundle(), d.ControllerCA(), d.HostFile(), d.Data()} {
		if err := os.Rename(path, path+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("put the old host aside: %w", err)
		}
	}
	c.cfg.Progress("the files of the old host are kept with the suffix " + suffix)
	return nil
}

func exists(paths ...string) (bool, error) {
	for _, path := range paths {
		if _, err := os.Stat(path); err == nil {
			return true, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return false, err
		}
	}
	return false, nil
}

func kindToProto(k identity.Kind) zerotrustv1.WorkloadKind {
	switch k {
	case identity.KindConnector:
		return zerotrustv1.WorkloadKind_WORKLOAD_KIND_CONNECTOR
	case identity.KindTunneler:
		return zerotrustv1.WorkloadKind_WORKLOAD_KIND_TUNNELER
	default:
		return zerotrustv1.WorkloadKind_WORKLOAD_KIND_UNSPECIFIED
	}
}

// sameKey says whether cert certifies the public half of key.
func sameKey(cert *x509.Certificate, key *ecdsa.PrivateKey) bool {
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	return ok && pub.Equal(key.Public())
}

// tlsCertificate is the host certificate as a TLS client presents it.
func tlsCertificate(cert *x509.Certificate, key *ecdsa.PrivateKey) *tls.Certificate {
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}
