package enrollclient

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
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

// finish checks and keeps what the controller sent.
func (c *Client) finish(reply *zerotrustv1.EnrollResponse, r Request, h *host) (Result, error) {
	out, err := c.accept(reply, r, h)
	if err != nil {
		return Result{}, fmt.Errorf("the controller's reply is not usable: %w", err)
	}
	return out, giveToOwner(r.Dir)
}

// accept checks the reply and writes it down, host.crt last.
func (c *Client) accept(reply *zerotrustv1.EnrollResponse, r Request, h *host) (Result, error) {
	want, err := r.Workload.SPIFFEID(c.cfg.TrustDomain)
	if err != nil {
		return Result{}, err
	}
	if reply.GetTrustDomain() != c.cfg.TrustDomain.Name() || reply.GetSpiffeId() != want.String() {
		return Result{}, fmt.Errorf("it is about %q, expected %q", reply.GetSpiffeId(), want)
	}
	hostID, err := identity.ParseHostID(reply.GetHostId())
	if err != nil {
		return Result{}, err
	}
	bundle, err := parseBundle(reply.GetBundle())
	if err != nil {
		return Result{}, err
	}
	if bundle.ServerAddress == "" {
		return Result{}, errNoServer
	}
	credential, err := h.credential(reply, hostID, c.cfg)
	if err != nil {
		return Result{}, err
	}
	err = errors.Join(
		r.Dir.WriteBundle(bundle.Authorities),
		atomicfile.Write(r.Dir.ControllerCA(), r.CA, 0o644),
		r.Dir.WriteHost(hostagent.Host{
			HostID: hostID, TrustDomain: c.cfg.TrustDomain, ControllerAddress: c.cfg.Address, ControllerCAPath: r.Dir.ControllerCA(),
			SPIREServerAddress: bundle.ServerAddress, Ephemeral: r.Ephemeral,
		}))
	if err != nil {
		return Result{}, err
	}
	if err := atomicfile.Write(credential.path, credential.data, credential.mode); err != nil {
		return Result{}, err
	}
	return Result{SPIFFEID: reply.GetSpiffeId(), HostID: hostID, Reply: reply, SecondOne: h.certificate != nil}, nil
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

// errNoServer is about a controller without an address of its own.
var errNoServer = errors.New("it gives no address of the SPIRE server that this host can use: " +
	"set public_address on the controller, then run the same command again")

// acceptable takes out of a reply the addresses that who is at from may not tell.
func acceptable(reply *zerotrustv1.EnrollResponse, from net.Addr) *zerotrustv1.EnrollResponse {
	if reply == nil {
		return nil
	}
	reply.ControlPlaneAddresses = controlclient.Acceptable(reply.GetControlPlaneAddresses(), from)
	if d := reply.GetDirectory(); d != nil {
		d.ControlPlaneAddresses = controlclient.Acceptable(d.GetControlPlaneAddresses(), from)
	}
	acceptableServer(reply.GetBundle(), from)
	return reply
}

// acceptableServer takes out the address of the SPIRE server and returns it, if who is
// at from may not tell it.
func acceptableServer(info *zerotrustv1.BundleInfo, from net.Addr) (refused string) {
	address := info.GetSpireServerAddress()
	if address == "" || len(controlclient.Acceptable([]string{address}, from)) == 1 {
		return ""
	}
	info.SpireServerAddress = ""
	return address
}

// parseBundle refuses what an agent could not bootstrap from.
func parseBundle(in *zerotrustv1.BundleInfo) (hostagent.Bundle, error) {
	out := hostagent.Bundle{ServerAddress: in.GetSpireServerAddress(), SyncInterval: in.GetAgentSyncInterval().AsDuration()}
	for _, der := range in.GetX509Authorities() {
		a, err := x509.ParseCertificate(der)
		if err != nil {
			return hostagent.Bundle{}, fmt.Errorf("trust bundle: %w", err)
		}
		if !a.IsCA {
			return hostagent.Bundle{}, fmt.Errorf("trust bundle: %q is not a CA", a.Subject)
		}
		out.Authorities = append(out.Authorities, a)
	}
	if len(out.Authorities) == 0 {
		return hostagent.Bundle{}, errors.New("trust bundle: is empty")
	}
	return out, nil
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
