package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/leaks"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world/worldtest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
)

// soon is how long anything may take that takes a second or two on an idle
// machine.
const soon = 60 * time.Second

const trustDomain = "mycorp.internal"

var td = spiffeid.RequireTrustDomainFromString(trustDomain)

// system is one controller with its hosts.
type system struct {
	*worldtest.World
	t       *testing.T
	dir     string
	api     *adminclient.Client
	spire   *server.Client
	secrets []string // what no log may hold
	said    bytes.Buffer
	cloned  bool // this test clones a host
	kills   int  // of the controller
}

func programs(t *testing.T) string {
	t.Helper()
	return worldtest.Programs(t)
}

// prepareWorld is a world whose controller was not started yet.
func prepareWorld(t *testing.T, flags ...string) *system {
	t.Helper()
	flags = append([]string{
		"--spire-attestation-limit=false",
		// Ports of its own, so that nobody has taken them when it comes back.
		"--listen-enrollment", hosttest.Address(t), "--listen-control", hosttest.Address(t), "--listen-admin", hosttest.Address(t),
		"--listen-health", hosttest.Address(t), "--spire-server-listen", hosttest.Address(t),
	}, flags...)
	s := &system{World: worldtest.New(t, flags...), t: t}
	s.dir, s.Ended = s.Path("."), s.ended
	return s
}

// newWorld is a world whose controller is ready.
func newWorld(t *testing.T, flags ...string) *system {
	t.Helper()
	s := prepareWorld(t, flags...)
	s.start()
	return s
}

func (s *system) start() {
	s.t.Helper()
	require.NoError(s.t, s.Start(s.t.Context()))
	s.connect()
}

// connect takes what a started controller says of itself.
func (s *system) connect() {
	s.t.Helper()
	s.Connect()
	s.api = s.API
	if s.spire == nil {
		s.dialSPIRE(filepath.Join(s.Dir, "spire", "server.sock"))
	}
}

// dialSPIRE looks at the SPIRE server itself, beside the controller.
func (s *system) dialSPIRE(socket string) {
	s.t.Helper()
	var err error
	s.spire, err = server.Dial(socket, td, zap.NewNop())
	require.NoError(s.t, err)
}

// ended looks for hosts called cloned, and for secrets in what the commands printed;
// those in logs are looked for by all worlds.
func (s *system) ended() {
	if s.spire != nil {
		_ = s.spire.Close()
	}
	s.noFalseAlarm()
	s.Secrets.Add("a secret of this test", s.secrets...)
	for _, secret := range s.secrets {
		if strings.Contains(s.said.String(), secret) {
			s.t.Error("a command printed a secret that it was given")
		}
	}
}

// search knows what no log may hold.
func (s *system) search() *leaks.Search {
	out := &leaks.Search{}
	out.Add("a secret of this test", s.secrets...)
	return out
}

// noFalseAlarm looks for hosts called cloned, in every test that restarts, kills,
// cuts off or moves what it likes and clones nothing.
func (s *system) noFalseAlarm() {
	file := filepath.Join(s.Dir, "controller.db")
	if _, err := os.Stat(file); err != nil || s.cloned {
		return
	}
	db, err := store.Open(context.WithoutCancel(s.t.Context()), file)
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = db.Close() }()
	hosts, err := db.Hosts(context.WithoutCancel(s.t.Context()))
	if err != nil {
		s.t.Error(err)
	}
	for _, h := range hosts {
		if !h.ClonedAt.IsZero() {
			s.t.Errorf("host %s was called cloned: %+v", h.ID, h.Clone)
		}
	}
}

// host prepares a machine; it is stopped with the test.
func (s *system) host(name, kind, id string) *world.Host { return s.Host(name, kind, id) }

// secondRole prepares another program on an enrolled machine.
func (s *system) secondRole(of *world.Host, kind, id string) *world.Host {
	return s.Second(of, kind, id)
}

// token asks for a token by the command line.
func (s *system) token(kind, id string, more ...string) adminapi.CreatedToken {
	s.t.Helper()
	tok, err := s.Token(s.t.Context(), kind, id, more...)
	require.NoError(s.t, err)
	s.secrets = append(s.secrets, tok.Token)
	return tok
}

// try spends a token by the real command, whatever comes of it.
func (s *system) try(h *world.Host, token string, flags ...string) world.Result {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	r, err := h.Enroll(ctx, token, flags...)
	require.NoError(s.t, err)
	s.said.WriteString(r.Stdout + r.Stderr)
	return r
}

// enroll spends a new token for the host.
func (s *system) enroll(h *world.Host, flags ...string) {
	s.t.Helper()
	r := s.try(h, s.token(h.Kind, h.ID).Token, flags...)
	require.Zero(s.t, r.Code, "enroll %s: %s", h.ID, r.Stderr)
}

// join brings a new host all the way.
func (s *system) join(name, kind, id string) *world.Host {
	s.t.Helper()
	h := s.host(name, kind, id)
	s.enroll(h)
	require.NoError(s.t, h.Start())
	s.online(h)
	return h
}

// eventually fails the test when check does not pass in time.
func (s *system) eventually(within time.Duration, what string, check func(context.Context) error) {
	s.t.Helper()
	s.Eventually(within, what, check)
}

// online waits until the admin API says so of all hosts.
func (s *system) online(hosts ...*world.Host) {
	s.t.Helper()
	s.Online(hosts...)
}

// offline waits until the admin API says so.
func (s *system) offline(h *world.Host) {
	s.t.Helper()
	s.eventually(soon, h.ID+" OFFLINE", func(ctx context.Context) error { return s.isOffline(ctx, h) })
}

func (s *system) isOffline(ctx context.Context, h *world.Host) error {
	seen, err := h.Seen(ctx, s.api)
	if err == nil && seen.Status != adminapi.Offline {
		err = fmt.Errorf("%s is %s", h.ID, seen.Status)
	}
	return err
}

// staysOffline looks again and again for the given time.
func (s *system) staysOffline(h *world.Host, during time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), during)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		require.NoError(s.t, s.isOffline(s.t.Context(), h))
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *system) seen(h *world.Host) world.Seen {
	s.t.Helper()
	return s.Seen(h)
}

// back waits for a stream of the host that opened after since.
func (s *system) back(h *world.Host, since time.Time) {
	s.t.Helper()
	s.eventually(soon, h.ID+" back", func(ctx context.Context) error {
		seen, err := h.Seen(ctx, s.api)
		if err != nil {
			return err
		}
		if seen.Status != adminapi.Online || !seen.Since.After(since) {
			return fmt.Errorf("%s is %s, stream since %s", h.ID, seen.Status, seen.Since)
		}
		return nil
	})
}

// cli runs a grpccontroller command that has to succeed.
func (s *system) cli(args ...string) string {
	s.t.Helper()
	r, err := s.CLI(s.t.Context(), args...)
	require.NoError(s.t, err)
	require.Zero(s.t, r.Code, "%v: %s", args, r.Stderr)
	return r.Stdout
}

// agentOf returns what the SPIRE server knows of a host's agent.
func (s *system) agentOf(ctx context.Context, host string) (fleet.Agent, error) {
	id, err := identity.HostID(host).AgentID(td)
	if err != nil {
		return fleet.Agent{}, err
	}
	return s.spire.Agent(ctx, id)
}

// entries are those of the controller, as SPIRE has them.
func (s *system) entries(ctx context.Context) (all []fleet.Entry, err error) {
	err = s.spire.EachEntries(ctx, func(page []fleet.Entry) error {
		all = append(all, page...)
		return nil
	})
	return all, err
}

// entryFor says whether SPIRE has a registration entry of ours for the workload.
func (s *system) entryFor(ctx context.Context, kind, id string) (bool, error) {
	all, err := s.entries(ctx)
	for _, e := range all {
		if e.SPIFFEID.Path() == "/"+kind+"/"+id {
			return true, err
		}
	}
	return false, err
}

// logged waits for a line of a log.
func (s *system) logged(p *world.Process, text string) {
	s.t.Helper()
	s.eventually(soon, text+" in "+p.Log, func(context.Context) error {
		b, err := os.ReadFile(p.Log)
		if err == nil && !bytes.Contains(b, []byte(text)) {
			err = fmt.Errorf("not logged:\n%s", p.Tail(5))
		}
		return err
	})
}

func decode[T any](t *testing.T, text string) (out T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// gone waits until none of the processes runs any more.
func gone(t *testing.T, pids []int) {
	t.Helper()
	require.NoError(t, world.Eventually(t.Context(), 10*time.Second, "children ended", func(context.Context) error {
		for _, pid := range pids {
			if name := world.Program(pid); name != "" {
				return fmt.Errorf("%s (%d) still runs", name, pid)
			}
		}
		return nil
	}))
}
