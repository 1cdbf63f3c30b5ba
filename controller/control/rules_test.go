package control_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/control"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// without lists the methods that have no authorization rule, and the rows that
// have no method.
func without(services map[string]grpc.ServiceInfo, rules rpcauth.Rules) []string {
	var out []string
	spare := maps.Clone(rules)
	for service, info := range services {
		for _, m := range info.Methods {
			method := "/" + service + "/" + m.Name
			if _, ok := rules[method]; !ok {
				out = append(out, "no row for "+method)
			}
			delete(spare, method)
		}
	}
	for method := range spare {
		out = append(out, "no method for "+method)
	}
	return out
}

func TestEveryRPCHasARule(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, c := range map[string]struct {
		server *control.Server
		rules  rpcauth.Rules
		method string
	}{
		"enrollment":    {w.enrollment, control.EnrollmentRules, zerotrustv1.EnrollmentService_Enroll_FullMethodName},
		"control plane": {w.plane, control.ControlRules, zerotrustv1.ControlPlaneService_Connect_FullMethodName},
	} {
		t.Run("of the "+name+" listener", func(t *testing.T) {
			t.Parallel()
			require.Empty(t, without(c.server.Services(), c.rules))
			t.Run("and this test fails when a row is deleted", func(t *testing.T) {
				t.Parallel()
				fewer := maps.Clone(c.rules)
				delete(fewer, c.method)
				require.Equal(t, []string{"no row for " + c.method}, without(c.server.Services(), fewer))
			})
		})
	}
	t.Run("none of the control plane is public", func(t *testing.T) {
		t.Parallel()
		for method, rule := range control.ControlRules {
			require.False(t, rule.Public, method)
			require.NotEmpty(t, rule.Kinds, method)
		}
	})
}

func TestHealthService(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anonymous := healthv1.NewHealthClient(dialTLS(t, w.enrollment.Addr(), bootstrap.ClientConfig(w.anchors(), td, nil)))
	got, err := anonymous.Check(patient(t), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	require.Equal(t, healthv1.HealthCheckResponse_SERVING, got.GetStatus())

	t.Run("a stranger cannot hold a stream open", func(t *testing.T) {
		t.Parallel()
		s, err := anonymous.Watch(patient(t), &healthv1.HealthCheckRequest{})
		require.NoError(t, err)
		_, err = s.Recv()
		require.Equal(t, codes.PermissionDenied, status.Code(err))
	})
	t.Run("a stranger cannot list services", func(t *testing.T) {
		t.Parallel()
		_, err := anonymous.List(patient(t), &healthv1.HealthListRequest{})
		require.Equal(t, codes.PermissionDenied, status.Code(err))
	})
	t.Run("a connector may ask the control plane", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.member(t, connector("c-01"))
		client := healthv1.NewHealthClient(w.dial(t, connector("c-01")))
		require.Equal(t, serving, checked(t, client))
		got, err := client.Check(patient(t), &healthv1.HealthCheckRequest{Service: zerotrustv1.ControlPlaneService_ServiceDesc.ServiceName})
		require.NoError(t, err)
		require.Equal(t, serving, got.GetStatus())
	})
	t.Run("one that was revoked learns nothing, nor one that never enrolled, nor its former holder", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.member(t, tunneler("t-02"))
		w.memberSince(t, connector("c-03"), time.Now().Add(-time.Minute)) // the SVIDs here are five minutes old
		w.revoke(t, tunneler("t-02"))
		require.NoError(t, w.policy.Refresh(t.Context()))
		for _, who := range []identity.Workload{connector("c-02"), tunneler("t-02"), connector("c-03")} {
			client := healthv1.NewHealthClient(w.dial(t, who))
			_, err := client.Check(patient(t), &healthv1.HealthCheckRequest{})
			require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", who, err)
			_, err = client.List(patient(t), &healthv1.HealthListRequest{})
			require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", who, err)
			watch, err := client.Watch(patient(t), &healthv1.HealthCheckRequest{})
			require.NoError(t, err)
			_, err = watch.Recv()
			require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", who, err)
		}
	})
	t.Run("it says NOT_SERVING while a check fails, and without the reason", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.member(t, connector("c-01"))
		w.unready.Store(true)
		anonymous := healthv1.NewHealthClient(dialTLS(t, w.enrollment.Addr(), bootstrap.ClientConfig(w.anchors(), td, nil)))
		mine := healthv1.NewHealthClient(w.dial(t, connector("c-01")))
		require.Equal(t, notServing, checked(t, anonymous))
		require.Equal(t, notServing, checked(t, mine))
		w.unready.Store(false)
		eventually(t, "SERVING again", func() bool { return checked(t, anonymous) == serving && checked(t, mine) == serving })
	})
	t.Run("a watcher hears of the shutdown and does not hold it up", func(t *testing.T) {
		t.Parallel()
		w := newWorldThatDrains(t, 10*patience)
		w.member(t, connector("c-01"))
		client := healthv1.NewHealthClient(w.dial(t, connector("c-01")))
		watch, err := client.Watch(patient(t), &healthv1.HealthCheckRequest{})
		require.NoError(t, err)
		got, err := watch.Recv()
		require.NoError(t, err)
		require.Equal(t, serving, got.GetStatus())
		begin := time.Now()
		w.shutDown()
		got, err = watch.Recv()
		require.NoError(t, err)
		require.Equal(t, notServing, got.GetStatus())
		for range 2 {
			require.NoError(t, <-w.stopped)
		}
		require.Less(t, time.Since(begin), patience, "nobody waits for the drain to be cut")
	})
}

const (
	serving    = healthv1.HealthCheckResponse_SERVING
	notServing = healthv1.HealthCheckResponse_NOT_SERVING
)

func checked(t *testing.T, client healthv1.HealthClient) healthv1.HealthCheckResponse_ServingStatus {
	t.Helper()
	got, err := client.Check(patient(t), &healthv1.HealthCheckRequest{})
	require.NoError(t, err)
	return got.GetStatus()
}
