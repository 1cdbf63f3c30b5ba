package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

var requestID = regexp.MustCompile(`request id [0-9a-f]{16}`)

// sameWords takes out of an answer what is new in each.
func sameWords(s string) string { return requestID.ReplaceAllString(s, "request id N") }

func TestEveryBadTokenGetsTheSameRefusalAndItsOwnAuditReason(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	begin := time.Now().Add(-time.Second)
	dies := s.token("connector", "victim", "--ttl", "1m") // looked at last, when it has expired
	revoked := s.token("connector", "victim")
	s.cli("token", "revoke", revoked.TokenID, "--yes")
	other := s.token("connector", "other")
	spent := s.token("connector", "victim")
	victim := s.host("a", "connector", "victim")
	require.Zero(t, s.try(victim, spent.Token).Code)
	require.NoError(t, victim.Start())
	s.online(victim)
	late := s.token("connector", "late")

	answers := map[string]string{}
	tries := map[string]string{
		"unknown":      keys.NewSecret("ztc_"),
		"for other id": other.Token,
		"revoked":      revoked.Token,
		"replayed":     spent.Token,
	}
	for name, token := range tries {
		thief := s.host("thief-"+strings.ReplaceAll(name, " ", "-"), "connector", "victim")
		r := s.try(thief, token)
		require.Equal(t, 3, r.Code, "%s: %s", name, r.Stderr)
		require.Empty(t, r.Stdout, name)
		require.NotContains(t, r.Stderr, token, name)
		require.NoFileExists(t, filepath.Join(thief.HostDir(), "host.crt"))
		answers[name] = sameWords(r.Stderr)
	}
	for name, answer := range answers {
		require.Equal(t, answers["unknown"], answer, name)
	}

	for _, malformed := range []string{"let-me-in", spent.Token[:len(spent.Token)-1], keys.NewSecret("ztt_")} {
		r := s.try(s.host("clumsy", "connector", "victim"), malformed)
		require.Equal(t, 1, r.Code, r.Stderr)
		require.NotContains(t, r.Stderr, malformed)
		require.NotContains(t, r.Stderr, "request id", "it was not sent")
	}

	// What the command line finds out by itself is asked of the listener directly.
	refusals := map[string]string{}
	ask := func(name string, client zerotrustv1.EnrollmentServiceClient, req *zerotrustv1.EnrollRequest) {
		_, err := client.Enroll(within(t, soon), req)
		require.Equal(t, codes.PermissionDenied, status.Code(err), "%s: %v", name, err)
		refusals[name] = sameWords(status.Convert(err).Message())
	}
	ask("unknown", s.enrollment(nil), enrollRequest(t, tries["unknown"], "victim", newKey(t)))
	ask("malformed", s.enrollment(nil), enrollRequest(t, "let-me-in", "victim", newKey(t)))
	ask("no token", s.enrollment(nil), enrollRequest(t, "", "victim", newKey(t)))
	ask("replayed", s.enrollment(nil), enrollRequest(t, spent.Token, "victim", newKey(t)))
	wrongKind := enrollRequest(t, late.Token, "late", newKey(t))
	wrongKind.Kind = zerotrustv1.WorkloadKind_WORKLOAD_KIND_TUNNELER
	ask("wrong kind", s.enrollment(nil), wrongKind)
	hostKey := readKey(t, filepath.Join(victim.HostDir(), "host.key"))
	ask("again by its own host", s.enrollment(hostCertificate(t, victim)), enrollRequest(t, spent.Token, "victim", hostKey))
	ask("the key of an enrolled host", s.enrollment(nil), enrollRequest(t, late.Token, "late", hostKey))
	s.eventually(2*time.Minute, "the token expired", func(context.Context) error {
		if left := time.Until(dies.ExpiresAt); left > 0 {
			return context.DeadlineExceeded
		}
		return nil
	})
	ask("expired", s.enrollment(nil), enrollRequest(t, dies.Token, "victim", newKey(t)))
	for name, refusal := range refusals {
		require.Equal(t, refusals["unknown"], refusal, name)
	}

	// The host whose token somebody else held too is marked, and nothing happened to it.
	c := decode[[]adminapi.Connector](t, s.cli("connectors", "list", "-o", "json"))
	require.Len(t, c, 1)
	require.True(t, c[0].Contested)
	require.Equal(t, adminapi.Online, c[0].Status)
	// A token that was refused is as good as before.
	require.Zero(t, s.try(s.host("late", "connector", "late"), late.Token).Code)

	reasons := map[string]int{}
	for _, e := range s.audited(begin) {
		if e.Action == audit.Enroll && e.Outcome == audit.Denied {
			reasons[e.Reason] += timesOf(t, e)
		}
		if e.Action == audit.HostContest {
			reasons[string(e.Action)]++
		}
	}
	require.Equal(t, map[string]int{
		"unknown token": 4, "token is for another id": 1, "token is revoked": 1, "token was claimed by another key": 2,
		"token is for another kind": 1, "token is spent and its host has attested": 1,
		"key belongs to a host that enrolled before": 1, "token is expired": 1, string(audit.HostContest): 1,
	}, reasons)
}

// timesOf is how often it happened: a refusal that repeats is counted, not listed.
func timesOf(t *testing.T, e audit.Event) int {
	t.Helper()
	if e.After == "" {
		return 1
	}
	var counted struct{ Count int }
	require.NoError(t, json.Unmarshal([]byte(e.After), &counted))
	return counted.Count
}

func TestOfSixtyFourKeysExactlyOneRedeemsAToken(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	const keys = 64
	token := s.token("connector", "contended").Token
	type answer struct {
		reply *zerotrustv1.EnrollResponse
		err   error
	}
	requests, clients := make([]*zerotrustv1.EnrollRequest, keys), make([]zerotrustv1.EnrollmentServiceClient, keys)
	answers := make([]answer, keys)
	for i := range keys {
		requests[i], clients[i] = enrollRequest(t, token, "contended", newKey(t)), s.enrollment(nil)
		_, err := clients[i].FetchBundle(within(t, soon), &zerotrustv1.FetchBundleRequest{}) // connected before the start
		require.NoError(t, err)
	}
	start, all := make(chan struct{}), sync.WaitGroup{}
	for i := range keys {
		all.Go(func() {
			<-start
			answers[i].reply, answers[i].err = clients[i].Enroll(within(t, soon), requests[i])
		})
	}
	close(start)
	all.Wait()

	winner, refusals := -1, map[string]int{}
	for i, a := range answers {
		if a.err == nil {
			require.Negative(t, winner, "two keys redeemed one token")
			winner = i
			continue
		}
		require.Equal(t, codes.PermissionDenied, status.Code(a.err), "%v", a.err)
		refusals[sameWords(status.Convert(a.err).Message())]++
	}
	require.GreaterOrEqual(t, winner, 0, "nobody redeemed the token")
	require.Len(t, refusals, 1, "one refusal for all: %v", refusals)
	c := decode[[]adminapi.Connector](t, s.cli("connectors", "list", "-o", "json"))
	require.Len(t, c, 1)
	require.True(t, c[0].Contested)
	require.Equal(t, answers[winner].reply.GetHostId(), c[0].HostID)

	// The winner's reply was lost: the same key asks again and gets the same.
	for range 2 {
		again, err := s.enrollment(nil).Enroll(within(t, soon), requests[winner])
		require.NoError(t, err)
		require.Equal(t, answers[winner].reply.GetHostCertificate(), again.GetHostCertificate())
		require.Equal(t, answers[winner].reply.GetHostId(), again.GetHostId())
	}
	_, err := s.enrollment(nil).Enroll(within(t, soon), requests[(winner+1)%keys])
	require.Equal(t, codes.PermissionDenied, status.Code(err), "a loser stays one: %v", err)
}

func TestAHostKilledBeforeTheReplyEnrollsWithTheSameToken(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	connector := s.host("a", "connector", "unlucky")
	require.NoError(t, os.MkdirAll(connector.Dir, 0o700))
	token := s.token("connector", "unlucky").Token
	file := filepath.Join(connector.Dir, "token")
	require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	spec := connector.Spec("enroll", "enroll", "--conf", connector.ConfFile(), "--token-file", file)
	spec.Env = append(spec.Env, "CONTROLLER_ADDR="+s.Run.Enrollment, "CONTROLLER_CA_PATH="+s.Run.CA, "CONNECTOR_ID=unlucky")
	p, err := world.Start(spec)
	require.NoError(t, err)
	// The claim is in the audit at once, the reply waits for SPIRE's cache.
	s.logged(s.Process, `"target":"connector/unlucky"`)
	s.eventually(soon, "claimed", func(ctx context.Context) error { return s.claimed(ctx, "unlucky") })
	p.Kill()
	require.NoFileExists(t, filepath.Join(connector.HostDir(), "host.crt"), "killed too late to prove anything")
	require.NoError(t, os.Remove(file))

	require.Zero(t, s.try(connector, token).Code)
	require.NoError(t, connector.Start())
	s.online(connector)
	require.False(t, s.seen(connector).Contested)
	require.Equal(t, 3, s.try(s.host("b", "connector", "unlucky"), token).Code, "spent by now")
	require.True(t, s.seen(connector).Contested)
}

// claimed says whether a token for the id was claimed.
func (s *system) claimed(ctx context.Context, id string) error {
	all, err := s.api.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, tok := range all {
		if tok.ID == id && tok.Status == "redeemed" {
			return nil
		}
	}
	return os.ErrNotExist
}

func TestAnEnrollmentOverSixtyFourKiBIsRefused(t *testing.T) {
	t.Parallel()
	s := newWorld(t)
	req := enrollRequest(t, "ztc_x", "big", newKey(t))
	req.Csr = make([]byte, 65<<10)
	_, err := s.enrollment(nil).Enroll(within(t, soon), req)
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)

	for field, spoil := range map[string]func(*zerotrustv1.EnrollRequest){
		"id":                func(r *zerotrustv1.EnrollRequest) { r.Id = "../../controller" },
		"kind":              func(r *zerotrustv1.EnrollRequest) { r.Kind = 0 },
		"csr":               func(r *zerotrustv1.EnrollRequest) { r.Csr[len(r.Csr)-1] ^= 1 },
		"host.binary_path":  func(r *zerotrustv1.EnrollRequest) { r.Host.BinaryPath = "/usr/bin/../../tmp/evil" },
		"host.systemd_unit": func(r *zerotrustv1.EnrollRequest) { r.Host.SystemdUnit = "sshd.service" },
	} {
		req := enrollRequest(t, "ztc_x", "good", newKey(t))
		spoil(req)
		_, err := s.enrollment(nil).Enroll(within(t, soon), req)
		require.Equal(t, codes.InvalidArgument, status.Code(err), "%s: %v", field, err)
		require.True(t, strings.HasPrefix(status.Convert(err).Message(), field), "names the field %s: %v", field, err)
	}
}

// audited stops the controller and reads what it recorded. The log has each line too,
// apart from one that a kill kept from being written after the event was stored.
func (s *system) audited(since time.Time) []audit.Event {
	s.t.Helper()
	code, err := s.Stop()
	require.NoError(s.t, err)
	require.Zero(s.t, code)
	db, err := store.Open(s.t.Context(), filepath.Join(s.Dir, "controller.db"))
	require.NoError(s.t, err)
	defer func() { _ = db.Close() }()
	events, err := db.AuditSince(s.t.Context(), since)
	require.NoError(s.t, err)

	log, err := os.ReadFile(s.Log)
	require.NoError(s.t, err)
	lines := 0
	for line := range strings.Lines(string(log)) {
		var entry struct{ Logger string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Logger == "audit" {
			lines++
		}
	}
	require.GreaterOrEqual(s.t, lines+s.kills, len(events))
	return events
}
