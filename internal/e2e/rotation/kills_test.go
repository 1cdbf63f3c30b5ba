package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// What a child is told: the admin socket, the database, and the call, counted
// from 1, at which it kills itself, before (odd) or after (even) its effect.
const (
	socketEnv = "ROTATION_TEST_SOCKET"
	storeEnv  = "ROTATION_TEST_STORE"
	killEnv   = "ROTATION_TEST_KILL_AT"
)

func TestMain(m *testing.M) {
	if os.Getenv(socketEnv) != "" {
		if err := drive(os.Getenv(socketEnv), os.Getenv(storeEnv), os.Getenv(killEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// lethal kills this process with SIGKILL around a call of SPIRE or the store.
type lethal struct {
	rotation.SPIRE
	rotation.Store

	at    int
	calls int
}

func (l *lethal) around(call func() error) error {
	l.dieAt()
	err := call()
	if err == nil {
		l.dieAt()
	}
	return err
}

func (l *lethal) dieAt() {
	if l.calls++; l.calls == l.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
}

func (l *lethal) Prepare(ctx context.Context) error {
	return l.around(func() error { return l.SPIRE.Prepare(ctx) })
}

func (l *lethal) Activate(ctx context.Context, id string) error {
	return l.around(func() error { return l.SPIRE.Activate(ctx, id) })
}

func (l *lethal) Taint(ctx context.Context, id string) error {
	return l.around(func() error { return l.SPIRE.Taint(ctx, id) })
}

func (l *lethal) Revoke(ctx context.Context, id string) error {
	return l.around(func() error { return l.SPIRE.Revoke(ctx, id) })
}

func (l *lethal) RotationTx(ctx context.Context, fn func(rotation.Tx) error) error {
	return l.around(func() error { return l.Store.RotationTx(ctx, fn) })
}

// alone is a roster without members: no gate is closed, so only the calls count.
type alone struct{}

func (alone) Peers() []presence.Peer { return nil }

func (alone) PeersOf(identity.Workload) []presence.Peer { return nil }

func (alone) SubscribePeers() (changed <-chan struct{}, unsubscribe func()) {
	return nil, func() {}
}

// manager is the driver as the controller has it, on a real spire-server.
func manager(socket, file string, around func(rotation.SPIRE, rotation.Store) (rotation.SPIRE, rotation.Store)) (*rotation.Manager, *store.Store, func(), error) {
	db, err := store.Open(context.Background(), file)
	if err != nil {
		return nil, nil, nil, err
	}
	client, err := server.Dial(socket, td, zap.NewNop())
	if err != nil {
		return nil, nil, nil, errors.Join(err, db.Close())
	}
	spire := server.NewAuthorities(client.Conn())
	// A controller that always follows.
	self := func() presence.Peer {
		a, _ := spire.Authorities(context.Background())
		p := presence.Peer{Workload: identity.Workload{Kind: identity.KindController, ID: "self"}, SVID: presence.SVID{AuthorityID: a.Active.ID}}
		for _, b := range a.Bundle {
			p.Trusts = append(p.Trusts, b.ID)
		}
		return p
	}
	s, st := around(spire, db)
	m := rotation.New(rotation.Config{
		SPIRE: s, Store: st, Members: db, Online: alone{}, Agents: client, Self: self,
		Audit: audit.New(zap.NewNop(), time.Now), Log: zap.NewNop(), Now: time.Now,
	})
	return m, db, func() { _, _ = client.Close(), db.Close() }, nil
}

func plain(s rotation.SPIRE, st rotation.Store) (rotation.SPIRE, rotation.Store) { return s, st }

// drive is the child: it runs the driver until the rotation is finished.
func drive(socket, file, killAt string) error {
	at, err := strconv.Atoi(killAt)
	if err != nil {
		return err
	}
	m, db, closeAll, err := manager(socket, file, func(s rotation.SPIRE, st rotation.Store) (rotation.SPIRE, rotation.Store) {
		l := &lethal{SPIRE: s, Store: st, at: at}
		return l, l
	})
	if err != nil {
		return err
	}
	defer closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := db.Rotation(ctx)
		if err != nil || r.Finished() {
			cancel()
			return errors.Join(err, <-done)
		}
		<-tick.C
	}
}

// TestTheDriverIsKilledAtEveryCall runs one rotation for each call on a real
// spire-server, in a child that is killed before or after that call and in a
// second one that goes on.
func TestTheDriverIsKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	server := spiretest.StartServer(t, nil)
	file := filepath.Join(t.TempDir(), "controller.db")
	m, db, closeAll, err := manager(server.SocketPath, file, plain)
	require.NoError(t, err)
	defer closeAll()
	bundle := func() (ids []string) {
		r, err := m.Report(t.Context())
		require.NoError(t, err)
		for _, b := range r.Authorities.Bundle {
			ids = append(ids, b.ID)
		}
		return ids
	}
	var killed []string
	for at := 1; ; at++ {
		before := bundle()
		require.Len(t, before, 1)
		r, err := m.Start(t.Context(), rotation.Request{
			Options: rotation.Options{Offline: rotation.ProceedOffline, OnExpiry: rotation.DropHoldouts}, Actor: "test",
		})
		require.NoError(t, err)
		died := child(t, server.SocketPath, file, at)
		if died {
			r, err := db.Rotation(t.Context())
			require.NoError(t, err)
			killed = append(killed, string(r.Phase))
			require.False(t, child(t, server.SocketPath, file, 0), "the second life ends by itself")
		}
		end, err := db.Rotation(t.Context())
		require.NoError(t, err)
		require.Equal(t, r.ID, end.ID)
		require.Equal(t, rotation.Done, end.State, end.Reason)
		after := bundle()
		require.Len(t, after, 1, "killed at call %d: one authority was prepared, and the old one is gone", at)
		require.NotEqual(t, before, after)
		if !died {
			break // there are no more calls
		}
	}
	t.Logf("killed %d times, in phases %s", len(killed), strings.Join(killed, " "))
	for _, phase := range []rotation.Phase{rotation.Preparing, rotation.Activating, rotation.Tainting, rotation.Revoking, rotation.Revoked, rotation.Distrusted} {
		require.Contains(t, killed, string(phase))
	}
}

// child runs the driver in a process of its own and says whether it was killed.
func child(t *testing.T, socket, file string, killAt int) bool {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), socketEnv+"="+socket, storeEnv+"="+file, killEnv+"="+strconv.Itoa(killAt))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		status, ok := exit.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "%s", out)
		return true
	}
	require.NoError(t, err, "%s", out)
	return false
}
