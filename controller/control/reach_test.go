package control_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// told takes messages until a list has come, and returns its ids.
func told(t *testing.T, stream watching) (ids []string) {
	t.Helper()
	for {
		m, err := stream.Recv()
		require.NoError(t, err)
		r := m.GetReach()
		if r == nil {
			continue
		}
		for _, one := range r.GetResources() {
			ids = append(ids, one.GetId())
		}
		if r.GetPart() == r.GetParts() {
			return ids
		}
	}
}

func watchFrom(t *testing.T, w *world, id string) watching {
	t.Helper()
	s, err := zerotrustv1.NewDirectoryServiceClient(w.dial(t, tunneler(id))).Watch(patient(t), &zerotrustv1.WatchRequest{Protocol: wire.Protocol, TunnelerId: id})
	require.NoError(t, err)
	return s
}

// TestATunnelerIsToldWhatItMayReach and nothing that another one may.
func TestATunnelerIsToldWhatItMayReach(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.directory.Reaches = w.policy
	r := w.rulers()
	w.member(t, tunneler("laptop"))
	w.member(t, tunneler("other"))
	r.resource(t, "db", fleet.DefaultNetwork, nil)
	r.resource(t, "vault", fleet.DefaultNetwork, nil)
	r.grant(t, "v", "tunneler/other", "resource/vault")
	w.now(t)
	stream := watchFrom(t, w, "laptop")
	require.Empty(t, told(t, stream), "nothing yet")

	r.grant(t, "g", "tunneler/laptop", "resource/db")
	w.now(t)
	require.Equal(t, []string{"db"}, told(t, stream))
	r.resource(t, "third", fleet.DefaultNetwork, nil) // which concerns nobody: the next list is that of the grant
	r.grant(t, "w", "tunneler/other", "resource/third")
	require.NoError(t, r.DeleteGrant(t.Context(), "g", operator))
	w.now(t)
	require.Empty(t, told(t, stream))

	_, err := r.CreateGrant(t.Context(), access.GrantText{ID: "short", Subject: "tunneler/laptop", Object: "resource/db", Until: time.Now().Add(500 * time.Millisecond)}, operator)
	require.NoError(t, err)
	w.now(t)
	require.Equal(t, []string{"db"}, told(t, stream))
	require.Empty(t, told(t, stream), "the grant ends, and no rule changes")
}

func TestAListOfAnyLengthComesInPartsThatFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	many := manyReach{of: largest(t, 0), n: wire.MaxReach}
	w.directory.Reaches = many
	w.member(t, tunneler("laptop"))
	w.now(t)
	require.Len(t, told(t, watchFrom(t, w, "laptop")), wire.MaxReach)
}

// manyReach says that a tunneler reaches as many resources as it may be told of, each of which is as
// large as possible.
type manyReach struct {
	of access.Resource
	n  int
}

// largest is a resource of the greatest size.
func largest(t *testing.T, i int) access.Resource {
	t.Helper()
	text := access.ResourceText{ID: fmt.Sprintf("r-%05d", i), NetworkID: fleet.DefaultNetwork, Name: strings.Repeat("n", access.MaxResourceName)}
	for i := range access.MaxHosts {
		text.Hosts = append(text.Hosts, fmt.Sprintf("%02d-a-host-of-thirty-characters", i))
	}
	for i := range access.MaxPorts {
		text.Ports = append(text.Ports, fmt.Sprintf("%d-%d", 10000+10*i, 10001+10*i))
	}
	out, err := text.Parse()
	require.NoError(t, err)
	return out
}

// Reach implements control.Reaches.
func (m manyReach) Reach(string, uint64) (out policy.Reach, again time.Duration, news bool) {
	for i := range m.n {
		m.of.ID = fmt.Sprintf("r-%05d", i)
		out.Resources = append(out.Resources, policy.Reachable{Resource: m.of})
	}
	return out, 0, true
}
