package relay_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controltest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/witness"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// saves notes which files could not be written.
type saves struct {
	mu     sync.Mutex
	faults map[string]error
}

func (s *saves) note(file string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults == nil {
		s.faults = map[string]error{}
	}
	s.faults[file] = err
}

// failing says whether the file was tried last and could not be written.
func (s *saves) failing(file string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults[file] != nil
}

func (s *saves) written(file string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, tried := s.faults[file]
	return tried && err == nil
}

// blocked is a state directory that nobody can write to, not even root, until free.
func blocked(t *testing.T) (dir string, free func()) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.WriteFile(dir, nil, 0o600))
	return dir, func() {
		require.NoError(t, os.Remove(dir))
		require.NoError(t, os.Mkdir(dir, 0o700))
	}
}

func exists(dir, file string) bool {
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}

// TestAConnectorWorksWithoutItsStateDirectory: it says so, serves, and writes what it
// has once it can.
func TestAConnectorWorksWithoutItsStateDirectory(t *testing.T) {
	t.Parallel()
	ca, kept := mtlstest.NewCA(t, td), &saves{}
	c := startController(t, ca, anyAddress, controllerID)
	dir, free := blocked(t)
	w := startConnector(t, ca, c.addr, withState(dir), func(c *relay.Config) { c.Saved, c.Timing.SaveAgain = kept.note, 10*time.Millisecond })
	s := c.next(t)
	s.hello(t)
	log := controltest.NewLog(t, "mycorp.internal/audit").With(t, "a")
	s.shows(t, log.Offer(t, 0), 1)
	s.policy(t, 1, laptopID)
	s.applied(t, 1)
	require.NoError(t, w.relay.PolicyReady(t.Context()))
	require.NoError(t, w.relay.AuditReady(t.Context()), "there is nothing that it could have forgotten")
	session := w.attach(t, "laptop")
	require.Eventually(t, func() bool { return kept.failing("policy.json") && kept.failing(witness.FileName) }, soon, time.Millisecond)

	free()
	require.Eventually(t, func() bool { return kept.written("policy.json") }, soon, time.Millisecond)
	s.shows(t, log.Offer(t, 0), 1) // the next checkpoint, which is the same
	require.True(t, kept.written(witness.FileName))
	f, err := witness.Load(filepath.Join(dir, witness.FileName))
	require.NoError(t, err)
	require.NotEmpty(t, f.Checkpoint)
	require.NoError(t, session.beat())
}

// TestAKeptPolicyThatNamesWhoIsNoTunnelerIsNotUsed: what is in the file is checked as what a
// controller sends, and admits as before if it is good.
func TestAKeptPolicyThatNamesWhoIsNoTunnelerIsNotUsed(t *testing.T) {
	t.Parallel()
	ca, dir := mtlstest.NewCA(t, td), t.TempDir()
	c := startController(t, ca, anyAddress, controllerID)
	w := startConnector(t, ca, c.addr, withState(dir))
	s, since := c.next(t), time.Now().Add(-time.Hour).Truncate(time.Second)
	s.sendPolicy(t, 1, &zerotrustv1.PolicyUpdate{IssuedAt: timestamppb.Now()}, &zerotrustv1.PolicyTunneler{SpiffeId: laptopID, SvidNotBefore: timestamppb.New(since)})
	s.applied(t, 1)
	w.stop()
	path := filepath.Join(dir, "policy.json")
	good, err := os.ReadFile(path)
	require.NoError(t, err)

	// The digest that it says is that of the controller, so nothing comes again.
	w = startConnector(t, ca, c.addr, withState(dir))
	at := c.next(t).hello(t).GetPolicy()
	require.Equal(t, uint64(1), at.GetAt())
	require.Equal(t, (delta.Digest{}).Add(delta.Tunneler(laptopID, "", since.Unix())).Bytes(), at.GetDigest())
	w.attach(t, "laptop")
	w.stop()
	c.stop()

	for _, wrong := range []string{"spiffe://mycorp.internal/connector/gw", "spiffe://other.internal/tunneler/laptop", "laptop", ""} {
		require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(good), laptopID, wrong)), 0o600))
		w = startConnector(t, ca, c.addr, withState(dir), again(time.Millisecond))
		require.Error(t, w.relay.PolicyReady(t.Context()), wrong)
		_, err := w.attempt(t, ca.Identity(ca.SVID(t, laptopID)), "laptop")
		requireStatus(t, err, codes.Unavailable, "")
		w.stop()
	}
}

// TestAMissingFileIsNoResetWhereNoneCouldBeWritten: who can fill the disk of a
// connector must not make it believe another log by that.
func TestAMissingFileIsNoResetWhereNoneCouldBeWritten(t *testing.T) {
	t.Parallel()
	ca := mtlstest.NewCA(t, td)
	c := startController(t, ca, anyAddress, controllerID)
	dir := filepath.Join(t.TempDir(), "missing", "state") // a file in it does not exist, and cannot be made
	free := func() { require.NoError(t, os.MkdirAll(dir, 0o700)) }
	w := startConnector(t, ca, c.addr, withState(dir))
	s := c.next(t)
	s.hello(t)
	log := controltest.NewLog(t, "mycorp.internal/audit").With(t, "a", "b", "c")
	s.shows(t, log.Offer(t, 0), 3)
	other := log.Empty().With(t, "X", "Y", "Z", "Z")
	for range 3 { // each time it looks whether an operator has taken the file away
		require.NotEmpty(t, s.show(t, other.Offer(t, 3)).GetFailure())
	}
	free()
	require.NotEmpty(t, s.show(t, other.Offer(t, 3)).GetFailure(), "now it has a file again")
	require.NoError(t, os.Remove(filepath.Join(dir, witness.FileName)))
	s.shows(t, other.Offer(t, 0), 4) // and this is a reset
	require.NoError(t, w.relay.AuditReady(t.Context()))
}
