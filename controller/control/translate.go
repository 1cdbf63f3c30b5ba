package control

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

func kindFromProto(k zerotrustv1.WorkloadKind) identity.Kind {
	switch k {
	case zerotrustv1.WorkloadKind_WORKLOAD_KIND_CONNECTOR:
		return identity.KindConnector
	case zerotrustv1.WorkloadKind_WORKLOAD_KIND_TUNNELER:
		return identity.KindTunneler
	default:
		return ""
	}
}

func directoryToProto(s *policy.Snapshot, e Endpoints) *zerotrustv1.Directory {
	d := &zerotrustv1.Directory{Revision: s.Revision, ControlPlaneAddresses: e.ControlPlane}
	for _, c := range s.Connectors {
		d.Connectors = append(d.Connectors, &zerotrustv1.DirectoryConnector{
			Id: c.ID, SpiffeId: c.SPIFFEID.String(), NetworkId: c.NetworkID, Addresses: c.Addresses,
			SvidNotBefore: timestamppb.New(c.SVIDNotBefore.Truncate(time.Second)), HostId: string(c.HostID),
		})
	}
	return d
}

func policyToProto(s *policy.Snapshot, e Endpoints, maxAge time.Duration) *zerotrustv1.PolicySnapshot {
	p := &zerotrustv1.PolicySnapshot{
		Revision: s.Revision, IssuedAt: timestamppb.New(s.IssuedAt), ControlPlaneAddresses: e.ControlPlane,
		Tunnelers: make([]*zerotrustv1.PolicyTunneler, 0, len(s.Tunnelers)),
	}
	if maxAge > 0 {
		p.MaxAge = durationpb.New(maxAge)
	}
	for _, t := range s.Tunnelers {
		p.Tunnelers = append(p.Tunnelers, &zerotrustv1.PolicyTunneler{
			SpiffeId: t.SPIFFEID.String(), SvidNotBefore: timestamppb.New(t.SVIDNotBefore.Truncate(time.Second)), HostId: string(t.HostID),
		})
	}
	return p
}

// svidOf is what we verified ourselves.
func svidOf(st mtls.SVIDStatus) presence.SVID {
	return presence.SVID{Serial: st.Serial, AuthorityID: st.AuthorityID, NotAfter: st.NotAfter}
}

// svidFromProto reads a report. It is shown to people and decides nothing.
func svidFromProto(s *zerotrustv1.SVIDStatus) presence.SVID {
	out := presence.SVID{Serial: clip(s.GetSerial()), AuthorityID: clip(s.GetAuthorityId())}
	if s.GetNotAfter().IsValid() {
		out.NotAfter = s.GetNotAfter().AsTime()
	}
	return out
}

// clip bounds a reported text and takes out what a terminal would obey: a
// connector must not draw on an operator's screen.
func clip(s string) string { return wire.Clip(s, wire.MaxKeyID) }
