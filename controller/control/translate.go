package control

import (
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/protobuf/proto"
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

// maxFirst bounds the directory in the reply to an enrollment; the first stream brings
// what has no place there.
const maxFirst = 32 << 10

func firstDirectory(s *policy.Snapshot, timeline uint64, e Endpoints) *zerotrustv1.Directory {
	d := &zerotrustv1.Directory{Revision: s.Revision, Timeline: timeline, ControlPlaneAddresses: e.ControlPlane}
	left := maxFirst
	for _, c := range s.Connectors.All() {
		listed := connectorToProto(c)
		if left -= proto.Size(listed) + perEntry; left < 0 {
			d.Partial = true
			break
		}
		d.Connectors = append(d.Connectors, listed)
	}
	return d
}

func connectorToProto(c policy.Connector) *zerotrustv1.DirectoryConnector {
	return &zerotrustv1.DirectoryConnector{
		Id: c.ID, SpiffeId: c.SPIFFEID.String(), NetworkId: c.NetworkID, Addresses: c.Addresses,
		SvidNotBefore: timestamppb.New(c.SVIDNotBefore.Truncate(time.Second)), HostId: string(c.HostID),
	}
}

// memberOf names a member of this kind.
func memberOf(kind identity.Kind) func(spiffeid.TrustDomain, string) (string, error) {
	return func(td spiffeid.TrustDomain, id string) (string, error) {
		gone, err := identity.Workload{Kind: kind, ID: id}.SPIFFEID(td)
		return gone.String(), err
	}
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
