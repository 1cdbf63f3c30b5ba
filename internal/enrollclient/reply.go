package enrollclient

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/atomicfile"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

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

// errNoServer is about a controller without an address of its own.
var errNoServer = errors.New("it gives no address of the SPIRE server that this host can use: " +
	"set public_address on the controller, then run the same command again")

// acceptable takes out of a reply the addresses that the peer at from may not send.
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
// at from may not send it.
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
