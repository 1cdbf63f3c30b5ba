package relay

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// White-box, because the surface of the listener is not exported.
func TestEveryRPCHasAnAuthorizationRow(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	register(server, &service{}, zerotrustv1.UnimplementedReproofServiceServer{}, healthpb.UnimplementedHealthServer{})
	rules, seen := Rules(), 0
	for service, info := range server.GetServiceInfo() {
		for _, m := range info.Methods {
			rule, ok := rules["/"+service+"/"+m.Name]
			require.True(t, ok, "no row for %s/%s", service, m.Name)
			require.False(t, rule.Public)
			require.Equal(t, []identity.Kind{identity.KindTunneler}, rule.Kinds)
			seen++
		}
	}
	require.Len(t, rules, seen, "a row without an RPC")
}

func FuzzParseSnapshot(f *testing.F) {
	f.Add([]byte(`{"connector":"spiffe://a/connector/b","revision":1,"tunnelers":[{"spiffe_id":"spiffe://a/tunneler/c"}]}`))
	f.Add([]byte(`{"revision":-1}`))
	f.Add([]byte(`{} {}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if s, err := parseSnapshot(raw); err == nil {
			set := admissions()
			set.Restore(s.Timeline, s.Revision, s.Tunnelers)
			require.LessOrEqual(t, set.Len(), len(s.Tunnelers))
		}
	})
}
