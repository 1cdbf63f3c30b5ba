package adversary_test

import (
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/denial"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// collecting is a controller that was restored.
type collecting struct {
	open chan struct{}
	gave chan string
}

func (c collecting) Open() <-chan struct{} { return c.open }
func (c collecting) Gave(id string)        { c.gave <- id }

// signedDenial is of the tunneler.
func signedDenial(t *testing.T, by *controltest.Log) denial.Entry {
	t.Helper()
	e, err := denial.Sign(by, denial.Entry{ID: spiffeid.RequireFromString(tunnelerID), SVIDNotBefore: time.Now().Add(-time.Minute).UTC().Truncate(time.Second)})
	require.NoError(t, err)
	return e
}

// restoredWorld is one with a connector's stream, on which it was asked what it holds.
func restoredWorld(t *testing.T) (*world, collecting, *controltest.Log, zerotrustv1.ControlPlaneService_ConnectClient) {
	t.Helper()
	c, key := collecting{make(chan struct{}), make(chan string, 1)}, controltest.NewLog(t, "mycorp.internal/audit")
	w := newWorld(t, between{recall: c, key: key})
	w.enrolled(t, connector, tunneler)
	conn, _ := dial(t, w.plane.Addr(), w.svid(t, connectorID))
	s, err := zerotrustv1.NewControlPlaneServiceClient(conn).Connect(patient(t))
	require.NoError(t, err)
	require.NoError(t, s.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Hello{
		Hello: &zerotrustv1.ConnectorHello{Protocol: wire.Protocol, ConnectorId: connector.ID, Version: "v1", InstanceId: "i", BootId: "b"},
	}}))
	m, err := s.Recv()
	require.NoError(t, err)
	require.True(t, m.GetDenials().GetComplete())
	return w, c, key, s
}

func giveBack(t *testing.T, s zerotrustv1.ControlPlaneService_ConnectClient, c collecting, e denial.Entry) {
	t.Helper()
	require.NoError(t, s.Send(&zerotrustv1.ConnectRequest{Message: &zerotrustv1.ConnectRequest_Denials{Denials: denial.Message([]denial.Entry{e}, true)}}))
	select {
	case <-c.gave:
	case <-time.After(soon):
		require.FailNow(t, "the controller has not read it")
	}
}

// One stolen connector could revoke the fleet.
func TestAConnectorsWordRevokesNobody(t *testing.T) {
	t.Parallel()
	w, c, _, s := restoredWorld(t)
	giveBack(t, s, c, signedDenial(t, controltest.NewLog(t, "mycorp.internal/audit")))
	m, err := w.member(t, tunneler)
	require.NoError(t, err)
	require.True(t, m.Live())
}

// Whoever was revoked after the backup was admitted again by each connector, until the
// one came that knew.
func TestARestoredControllerAdmitsNobodyBeforeItHasCollected(t *testing.T) {
	t.Parallel()
	w, c, key, s := restoredWorld(t)
	giveBack(t, s, c, signedDenial(t, key))
	require.NoError(t, w.policy.Refresh(t.Context()))
	close(c.open)
	for {
		m, err := s.Recv()
		require.NoError(t, err)
		if p := m.GetPolicy(); p != nil {
			require.Empty(t, p.GetUpserts())
			return
		}
	}
}

// A controller that is not ours could have connectors forget what ours had signed.
func TestNobodyReplacesASignedDenial(t *testing.T) {
	t.Parallel()
	key := controltest.NewLog(t, "mycorp.internal/audit")
	k := denial.Open(denial.Config{TrustDomain: td, Log: zap.NewNop(), Genuine: func(e denial.Entry) bool { return denial.Genuine(key.Key, e) }})
	mine, theirs := signedDenial(t, key), signedDenial(t, key)
	theirs.SVIDNotBefore = theirs.SVIDNotBefore.Add(10 * time.Second)
	k.Take(denial.Message([]denial.Entry{mine}, false))
	k.Take(denial.Message([]denial.Entry{theirs}, false))
	require.Equal(t, []denial.Entry{mine}, k.Since(nil))
}
