package control

import (
	"errors"
	"io"
	"math"
	"net/netip"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

const helloTimeout = 10 * time.Second

// hello reads the first message and checks what it claims.
func (s *ControlPlane) hello(c caller, in <-chan *zerotrustv1.ConnectRequest, woken *wakeups) (fleet.Hello, *zerotrustv1.ConnectorHello, error) {
	var first *zerotrustv1.ConnectRequest
	select {
	case first = <-in:
	case <-woken.hint: // nothing else wakes it yet
		if why := woken.ended(); !errors.Is(why, io.EOF) {
			return fleet.Hello{}, nil, why
		}
	case <-time.After(helloTimeout):
		return fleet.Hello{}, nil, status.Error(codes.DeadlineExceeded, "no hello within 10 s")
	}
	h := first.GetHello()
	switch {
	case h == nil:
		return fleet.Hello{}, nil, status.Error(codes.InvalidArgument, "the first message must be a hello")
	case h.GetConnectorId() != c.ID:
		return fleet.Hello{}, nil, status.Error(codes.PermissionDenied, "connector_id is not the id of this SVID")
	}
	out := fleet.Hello{
		ID: c.ID, Version: h.GetVersion(), PrivateIP: h.GetPrivateIp(), Addresses: h.GetListenAddresses(),
		InstanceID: h.GetInstanceId(), BootID: h.GetBootId(), AgentStart: h.GetAgentStart(),
		From: c.addr, Began: c.conn.Began(),
		Witnessed: int64(min(h.GetAuditWitnessedSize(), math.MaxInt64)),
	}
	if err := validateHello(out); err != nil {
		return out, nil, err
	}
	return out, h, speaks(h.GetProtocol(), c, s.Policy, s.Outdated)
}

// speaks refuses a caller of another protocol: what it says next could not be
// understood. It learns which side is to be upgraded, and so does the operator if the policy
// names the caller.
func speaks(protocol uint32, c caller, snapshots Snapshots, outdated func(identity.Workload, string)) error {
	err, why := wire.CheckProtocol(protocol), ""
	if err != nil {
		why = err.Error()
	}
	if outdated != nil && snapshots.Current().Admits(c.Workload, c.svid.Issue) {
		outdated(c.Workload, why)
	}
	if err != nil {
		return status.Error(codes.FailedPrecondition, why)
	}
	return nil
}

func validateHello(h fleet.Hello) error {
	for field, text := range map[string]string{"version": h.Version, "instance_id": h.InstanceID, "boot_id": h.BootID, "agent_start": h.AgentStart} {
		if !wire.Label(text) {
			return status.Errorf(codes.InvalidArgument, "%s: must be at most 64 bytes of printable text", field)
		}
	}
	// An IPv6 zone is free text of any length.
	if _, err := netip.ParseAddr(h.PrivateIP); h.PrivateIP != "" && (err != nil || !wire.Label(h.PrivateIP)) {
		return status.Error(codes.InvalidArgument, "private_ip: is not an IP address")
	}
	if len(h.Addresses) > wire.MaxAddresses {
		return status.Error(codes.InvalidArgument, "listen_addresses: more than 16")
	}
	for _, a := range h.Addresses {
		if !wire.HostPort(a) {
			return status.Error(codes.InvalidArgument, "listen_addresses: not of the form host:port")
		}
	}
	return nil
}

// arrival is what of a hello the roster keeps.
func arrival(h fleet.Hello) presence.Arrival {
	return presence.Arrival{ID: h.ID, Version: h.Version, InstanceID: h.InstanceID, BootID: h.BootID}
}
