package directory

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Directory is what a tunneler may use, as the controller last said.
type Directory struct {
	Revision         uint64
	Connectors       []Connector
	ControlAddresses []string
}

// Connector is one connector: its identity and where to find it.
type Connector struct {
	ID        string
	SPIFFEID  spiffeid.ID
	NetworkID string   // of the network that it belongs to
	Addresses []string // host:port, in order of preference
	// HostID and SVIDNotBefore: an SVID of another host, or with an earlier notBefore, is
	// of a former, revoked holder of the id.
	HostID        identity.HostID
	SVIDNotBefore time.Time
}

// equal compares all that a session depends on. An id that was revoked and enrolled
// anew may come back at the same address: only HostID and SVIDNotBefore distinguish its holder
// from the former one, for whoever missed what was in between.
func (c Connector) equal(o Connector) bool {
	return c.SPIFFEID == o.SPIFFEID && c.NetworkID == o.NetworkID && slices.Equal(c.Addresses, o.Addresses) && c.HostID == o.HostID && c.SVIDNotBefore.Equal(o.SVIDNotBefore)
}

// maxFaults bounds how many entries an error of parse describes.
const maxFaults = 8

// listed is an entry of the directory as the controller sent it, or as it was kept.
type listed struct {
	raw *zerotrustv1.DirectoryConnector
	Connector
	// void says that it is no connector of the trust domain. It is not used. It is held
	// because the controller counts it in its digest.
	void bool
}

// entries is the set of them, by SPIFFE ID.
func entries() *delta.Set[listed] {
	return delta.NewSet(delta.Config[listed]{
		Key: func(l listed) string { return l.raw.GetSpiffeId() },
		Digest: func(l listed) delta.Digest {
			return delta.Connector(l.raw.GetId(), l.raw.GetSpiffeId(), l.raw.GetHostId(), l.raw.GetNetworkId(), l.raw.GetSvidNotBefore().GetSeconds(), l.raw.GetAddresses())
		},
	})
}

// parse takes entries of the control plane or of the disk. Those that are void are in
// the error.
func parse(in []*zerotrustv1.DirectoryConnector, td spiffeid.TrustDomain) ([]listed, error) {
	var faults []error
	out := make([]listed, 0, len(in))
	for _, c := range in {
		parsed, err := parseConnector(c, td)
		if err != nil && len(faults) < maxFaults {
			faults = append(faults, err)
		}
		out = append(out, listed{raw: c, Connector: parsed, void: err != nil})
	}
	return out, errors.Join(faults...)
}

func parseConnector(in *zerotrustv1.DirectoryConnector, td spiffeid.TrustDomain) (Connector, error) {
	id, err := identity.Workload{Kind: identity.KindConnector, ID: in.GetId()}.SPIFFEID(td)
	if err != nil {
		return Connector{}, fmt.Errorf("connector id: %w", err)
	}
	if in.GetSpiffeId() != id.String() {
		return Connector{}, fmt.Errorf("connector %q has the SPIFFE ID %q, expected %q", in.GetId(), wire.Clip(in.GetSpiffeId(), wire.MaxReason), id)
	}
	earliest, ok := wire.Time(in.GetSvidNotBefore())
	if !ok {
		return Connector{}, fmt.Errorf("connector %q: svid_not_before is not a time", in.GetId())
	}
	host := identity.HostID(in.GetHostId())
	if host != "" {
		if host, err = identity.ParseHostID(in.GetHostId()); err != nil {
			return Connector{}, fmt.Errorf("connector %q: %w", in.GetId(), err)
		}
	}
	return Connector{
		ID: in.GetId(), SPIFFEID: id, NetworkID: wire.Clip(in.GetNetworkId(), wire.MaxLabel),
		Addresses: addresses(in.GetAddresses()), HostID: host, SVIDNotBefore: earliest,
	}, nil
}

// addresses drops what cannot be dialed.
func addresses(in []string) []string {
	kept, _ := wire.Addresses(in)
	return kept
}
