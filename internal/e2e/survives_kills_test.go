package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
)

func TestAnyProcessMayBeKilledAndEverybodyReturns(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector, tunneler := s.join("a", "connector", "c-01"), s.join("b", "tunneler", "t-01")
	s.token("tunneler", "pending")
	hosts := []*world.Host{connector, tunneler}
	was := s.inventory()

	for _, step := range []struct {
		what string
		kill func()
		back []*world.Host // whose streams have to be new
	}{
		{"the controller", s.killController, []*world.Host{connector}},
		{"its spire-server", func() { s.killChild(s.Process, "spire-server") }, nil},
		{"its spire-agent", func() { s.killChild(s.Process, "spire-agent") }, nil},
		{"agent run of the connector's host", func() { s.killAgent(connector) }, nil},
		{"agent run of the tunneler's host", func() { s.killAgent(tunneler) }, nil},
		{"the connector's spire-agent", func() { s.killChild(connector.Agent, "spire-agent"); s.newSVID(connector) }, nil},
		{"grpcconnector", func() { connector.Program.Kill(); require.NoError(t, connector.StartProgram()) }, hosts},
		{"grpctunneler", func() { tunneler.Program.Kill(); require.NoError(t, tunneler.StartProgram()) }, []*world.Host{tunneler}},
		{"everything at once", s.killEverything, hosts},
	} {
		begin, session := time.Now(), s.seen(tunneler).Since
		step.kill()
		for _, h := range step.back {
			s.back(h, begin)
		}
		s.online(hosts...)
		s.eventually(soon, "controller ready", s.Ready)
		if !slices.Contains(step.back, tunneler) {
			require.Equal(t, session, s.seen(tunneler).Since, "the session at the connector outlives %s", step.what)
		}
		require.Equal(t, was, s.inventory(), "after %s was killed", step.what)
		t.Logf("%5.1f s until all was well after SIGKILL of %s", time.Since(begin).Seconds(), step.what)
	}
}

// inventory is what no crash may change.
func (s *system) inventory() (out []string) {
	s.t.Helper()
	for _, c := range decode[[]adminapi.Connector](s.t, s.cli("connectors", "list", "-o", "json")) {
		out = append(out, fmt.Sprint(c.ID, c.HostID, c.EnrolledAt, c.RevokedAt, c.Contested, c.SPIFFEID, c.PrivateIP))
	}
	for _, c := range decode[[]adminapi.Tunneler](s.t, s.cli("tunnelers", "list", "-o", "json")) {
		out = append(out, fmt.Sprint(c.ID, c.HostID, c.EnrolledAt, c.RevokedAt, c.Contested, c.SPIFFEID, c.ConnectorID))
	}
	for _, c := range decode[[]adminapi.Token](s.t, s.cli("token", "list", "-o", "json")) {
		out = append(out, fmt.Sprint(c))
	}
	entries, err := s.entries(s.t.Context())
	require.NoError(s.t, err)
	for _, e := range entries {
		out = append(out, fmt.Sprint(e.ID, e.SPIFFEID, e.ParentID))
	}
	slices.Sort(out)
	return out
}

// killController kills the controller; its children must not outlive it, and it
// must be able to start again on the same ports at once.
func (s *system) killController() {
	s.t.Helper()
	children := world.Children(s.PID())
	require.GreaterOrEqual(s.t, len(children), 2, "spire-server and spire-agent")
	s.kills++
	s.Kill()
	gone(s.t, children)
	require.NoError(s.t, s.Start(s.t.Context()))
}

// killChild kills a supervised child and waits for its successor.
func (s *system) killChild(p *world.Process, program string) {
	s.t.Helper()
	pid := child(p, program)
	require.NotZero(s.t, pid, "%s has no child %s", p.Name, program)
	require.NoError(s.t, syscall.Kill(pid, syscall.SIGKILL))
	s.eventually(soon, "another "+program, func(context.Context) error {
		if next := child(p, program); next == 0 || next == pid {
			return errors.New("not started again")
		}
		return nil
	})
}

func child(p *world.Process, program string) int {
	for _, pid := range world.Children(p.PID()) {
		if world.Program(pid) == program {
			return pid
		}
	}
	return 0
}

// killAgent kills the supervisor of a host's agent, with the agent.
func (s *system) killAgent(h *world.Host) {
	s.t.Helper()
	children := world.Children(h.Agent.PID())
	require.NotEmpty(s.t, children)
	h.Agent.Kill()
	gone(s.t, children)
	require.NoError(s.t, h.StartAgent())
	s.newSVID(h)
}

// newSVID waits until the host's program has another X509-SVID.
func (s *system) newSVID(h *world.Host) {
	s.t.Helper()
	old := s.seen(h).SVID.Serial
	s.eventually(soon, "another SVID of "+h.ID, func(ctx context.Context) error {
		seen, err := h.Seen(ctx, s.api)
		if err == nil && seen.SVID.Serial == old {
			err = errors.New("still the old one")
		}
		return err
	})
}

// killEverything is a power failure of all machines.
func (s *system) killEverything() {
	s.t.Helper()
	var all []int
	processes := []*world.Process{s.Process}
	for _, h := range s.Hosts() {
		processes = append(processes, h.Agent, h.Program)
	}
	for _, p := range processes {
		all = append(all, world.Children(p.PID())...)
		p.Kill()
	}
	gone(s.t, all)
	for _, h := range s.Hosts() { // before their controller
		require.NoError(s.t, h.Start())
	}
	require.NoError(s.t, s.Start(s.t.Context()))
}

func TestNoAcknowledgedTokenIsLostByAKill(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	const tokens, workers, before = 20, 4, 6
	var mu sync.Mutex
	acknowledged := map[string]adminapi.CreatedToken{}
	enough := make(chan struct{})
	ids := make(chan string, tokens)
	for i := range tokens {
		ids <- fmt.Sprintf("c-%02d", i)
	}
	close(ids)
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for id := range ids {
				tok, err := s.api.CreateToken(t.Context(), adminapi.TokenRequest{Kind: "connector", ID: id})
				if err != nil {
					continue // the controller is dead
				}
				mu.Lock()
				acknowledged[id] = tok
				if len(acknowledged) == before {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	s.Kill()
	all.Wait()
	require.NoError(t, s.Start(t.Context()))
	require.Less(t, len(acknowledged), tokens, "killed too late to prove anything")

	kept := map[string]string{}
	for _, tok := range decode[[]adminapi.Token](t, s.cli("token", "list", "-o", "json")) {
		kept[tok.TokenID] = tok.Status
	}
	for _, tok := range acknowledged {
		require.Equal(t, "pending", kept[tok.TokenID], tok.ID)
		s.secrets = append(s.secrets, tok.Token)
	}
	for id, tok := range acknowledged { // and they work
		_, err := s.enrollment(nil).Enroll(within(t, soon), enrollRequest(t, tok.Token, id, newKey(t)))
		require.NoError(t, err, id)
	}
}

func TestAControllerKilledInTheMiddleOfAnEnrollmentLosesNothing(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.host("a", "connector", "c-01")
	require.NoError(t, os.MkdirAll(connector.Dir, 0o700))
	token := s.token("connector", "c-01").Token
	file := filepath.Join(connector.Dir, "token")
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	spec := connector.Spec("enroll", "enroll", "--conf", connector.ConfFile(), "--token-file", file)
	spec.Env = append(spec.Env, "CONTROLLER_ADDR="+s.Run.Enrollment, "CONTROLLER_CA_PATH="+s.Run.CA, "CONNECTOR_ID=c-01")
	enrolling, err := world.Start(spec)
	require.NoError(t, err)
	s.eventually(soon, "claimed", func(ctx context.Context) error { return s.claimed(ctx, "c-01") })
	s.Kill()
	require.NoFileExists(t, filepath.Join(connector.HostDir(), "host.crt"), "killed too late to prove anything")
	require.NoError(t, s.Start(t.Context()))
	// The command has gone on by itself, with the same key.
	<-enrolling.Done()
	require.FileExists(t, filepath.Join(connector.HostDir(), "host.crt"), "%s", enrolling.Tail(10))
	require.NoError(t, os.Remove(file))
	require.NoError(t, connector.Start())
	s.online(connector)
	require.False(t, s.seen(connector).Contested)
}
