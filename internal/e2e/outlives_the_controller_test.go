package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/hosttest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
)

const (
	// shortestTTL and shortestPolicyAge are the least that the configuration permits.
	shortestTTL       = 30 * time.Second
	shortestPolicyAge = time.Minute
	// grace is how long a session outlives the SVID that was proved last.
	grace = 30 * time.Second
	// punctual is how far an end may be from its time: a certificate carries whole
	// seconds, and the machine is busy.
	punctual = 3 * time.Second
)

func aboutTwoMinutes(t *testing.T) {
	t.Helper()
	t.Parallel()
	if testing.Short() {
		t.Skip("takes two minutes, left out by -short")
	}
}

// TestSessionsOutliveTheController is an outage of the controller alone: SPIRE goes
// on renewing identities, so nothing ends, and who starts meanwhile is let in.
func TestSessionsOutliveTheController(t *testing.T) {
	aboutTwoMinutes(t)
	s, server := externalWorld(t, "--svid-ttl-connector", shortestTTL.String(), "--svid-ttl-tunneler", shortestTTL.String())
	s.start()
	connector := s.fixedConnector("a", "c-01", "LOG_LEVEL=debug") // which has each re-proof
	stays, returns := s.join("b", "tunneler", "t-stays"), s.join("c", "tunneler", "t-returns")
	_, err := returns.Program.Stop()
	require.NoError(t, err)
	late := s.host("d", "tunneler", "t-late")
	s.enroll(late)

	killed := s.blackout()
	s.wait(killed, 3*shortestTTL+5*time.Second)
	require.Equal(t, proc.StateReady, server.Process.Status().State, "SPIRE is up")
	require.Empty(t, s.lines(connector, "session ended", stays, killed), "the session of before lives on")
	require.GreaterOrEqual(t, len(s.lines(connector, "re-proof accepted", stays, killed)), 3, "by new SVIDs")
	require.ErrorContains(t, s.unready(stays), attached)
	require.ErrorContains(t, s.unready(stays), "no controller since", "and says what is wrong")

	t.Log("a tunneler that was off, a host that never ran, and a tunneler that restarts: all are let in")
	begin := time.Now()
	require.NoError(t, returns.StartProgram())
	require.NoError(t, late.Start())
	stays.Program.Kill()
	require.NoError(t, stays.StartProgram())
	s.opened(connector, begin, stays, returns, late)
	require.ErrorContains(t, s.unready(late), "using the directory stored on disk")

	t.Log("also by a connector that restarts, with the policy that it kept")
	begin = time.Now()
	connector.Program.Kill()
	require.NoError(t, connector.StartProgram())
	s.opened(connector, begin, stays, returns, late)
	t.Logf("%.0f s after the controller's end", time.Since(killed).Seconds())

	s.start()
	s.online(connector, stays, returns, late)
}

// TestSessionsEndWithTheIdentity is an outage of controller and SPIRE: a session
// ends 30 s after the SVID of one of its ends, neither earlier nor later.
func TestSessionsEndWithTheIdentity(t *testing.T) {
	t.Parallel()
	for _, shorter := range []string{"connector", "tunneler"} {
		t.Run("of the "+shorter, func(t *testing.T) {
			aboutTwoMinutes(t)
			s := newWorld(t, "--svid-ttl-connector", "10m", "--svid-ttl-tunneler", "10m", "--svid-ttl-"+shorter, shortestTTL.String())
			connector := s.fixedConnector("a", "c-01")
			tunneler := s.join("b", "tunneler", "t-01")
			budget := s.budget(shorter)

			killed := s.blackout()
			// Who verifies the SVID that ends is who cuts and who knows why.
			cutter, line := tunneler, "stream ended, retrying"
			if shorter == "tunneler" {
				cutter, line = connector, "connection cut"
			}
			cut := s.line(cutter, line, "not re-proved", killed, budget[1]+punctual)
			ended := lastProven(t, cut.text)
			late := cut.at.Sub(ended) - grace
			t.Logf("cut %.2f s after expiry and 30 s, %.1f s after the outage began; budget %s to %s",
				late.Seconds(), cut.at.Sub(killed).Seconds(), budget[0], budget[1])
			require.GreaterOrEqual(t, late, time.Duration(0), "not earlier")
			require.Less(t, late, punctual)
			require.Greater(t, cut.at.Sub(killed), budget[0]-punctual)
			require.Less(t, cut.at.Sub(killed), budget[1]+punctual)
			over := s.line(connector, "session ended", "", killed, soon)
			require.WithinDuration(t, cut.at, over.at, time.Second)
			if shorter == "tunneler" {
				require.Contains(t, over.text, "not re-proved", "the session's end says why")
			}
			s.refused(tunneler, unattached)
			s.start()
			s.online(connector, tunneler)
		})
	}
}

// TestNobodyIsAdmittedByAPolicyThatIsTooOld is the other clock: the identities are
// good for much longer, the policy is not.
func TestNobodyIsAdmittedByAPolicyThatIsTooOld(t *testing.T) {
	aboutTwoMinutes(t)
	s := newWorld(t, "--policy-age", shortestPolicyAge.String())
	connector := s.fixedConnector("a", "c-01")
	tunneler := s.join("b", "tunneler", "t-01")
	s.printsTheBudget(connector, tunneler)

	killed := s.blackout()
	s.wait(killed, shortestPolicyAge/2)
	begin := time.Now()
	tunneler.Program.Kill()
	require.NoError(t, tunneler.StartProgram())
	s.opened(connector, begin, tunneler)

	const why = "no controller has confirmed the last one for too long"
	over := s.line(connector, "session ended", why, begin, shortestPolicyAge)
	t.Logf("the open session ended %.1f s after the outage began", over.at.Sub(killed).Seconds())
	require.WithinDuration(t, killed.Add(shortestPolicyAge), over.at, punctual)
	s.refused(tunneler, why)
	s.line(connector, "session refused", why, over.at, soon)

	t.Log("a restart makes no policy younger")
	connector.Program.Kill()
	require.NoError(t, connector.StartProgram())
	begin = time.Now()
	s.line(connector, "session refused", why, begin, soon)
	require.ErrorContains(t, s.unready(connector), "may be used for "+shortestPolicyAge.String())
	require.Empty(t, s.lines(connector, "session opened", tunneler, over.at))
	s.start()
	s.online(connector, tunneler)
}

// printsTheBudget compares what the programs say with what was configured.
func (s *system) printsTheBudget(connector, tunneler *world.Host) {
	s.t.Helper()
	age := health.Span(shortestPolicyAge)
	ca := s.cli("ca", "status")
	require.Contains(s.t, ca, "sessions continue and are admitted for "+age)
	require.Contains(s.t, ca, "connector   3m to 5m30s")
	require.Contains(s.t, ca, "tunneler    15m30s to 30m30s")
	for want, spec := range map[string]world.Spec{
		"sessions continue and are admitted for " + age + " (policy_age)": {
			Path: filepath.Join(s.Bin, "grpccontroller"), Args: []string{"check-config", "--data-dir", s.Dir, "--policy-age", age},
		},
		"sessions continue and are admitted for " + age + " (the controller's policy_age)": connector.Spec("check", "check-config", "--config", connector.ConfFile()),
		"(the controller's policy_age, 24h by default)":                                    tunneler.Spec("check", "check-config", "--config", tunneler.ConfFile()),
	} {
		spec.Name, spec.Dir = "check-config", s.dir
		r, err := world.Run(s.t.Context(), spec, "")
		require.NoError(s.t, err)
		require.Zero(s.t, r.Code, r.Stderr)
		require.Contains(s.t, r.Stdout, want)
		require.Contains(s.t, r.Stdout, "3m to")
	}
}

// fixedConnector is a connector that listens where it did before a restart.
func (s *system) fixedConnector(name, id string, env ...string) *world.Host {
	s.t.Helper()
	h := s.host(name, "connector", id)
	h.Env = append(append(h.Env, env...), "LISTEN_ADDR="+hosttest.Address(s.t))
	s.enroll(h)
	require.NoError(s.t, h.Start())
	s.online(h)
	return h
}

// blackout kills the controller with whatever it runs, and says when.
func (s *system) blackout() time.Time {
	s.t.Helper()
	children := world.Children(s.PID())
	at := time.Now()
	s.Kill()
	gone(s.t, children)
	return at
}

// wait waits until so long after a moment.
func (s *system) wait(since time.Time, long time.Duration) {
	s.t.Helper()
	s.eventually(long+soon, "the wait is over", func(context.Context) error {
		if left := long - time.Since(since); left > 0 {
			return fmt.Errorf("%s left", left)
		}
		return nil
	})
}

// budget is the least and the most that ca status says of a kind.
func (s *system) budget(kind string) (out [2]time.Duration) {
	s.t.Helper()
	for _, k := range decode[adminapi.CA](s.t, s.cli("ca", "status", "-o", "json")).OutageBudget.Identity {
		if k.Kind != kind {
			continue
		}
		for i, text := range []string{k.Least, k.Most} {
			d, err := time.ParseDuration(text)
			require.NoError(s.t, err)
			out[i] = d
		}
	}
	require.NotZero(s.t, out[0])
	return out
}

// The check of a tunneler's sessions in /readyz.
const (
	attached   = "[+] session: ok"
	unattached = "[-] session: "
)

// unready is what /readyz of the host's program has to say.
func (s *system) unready(h *world.Host) error {
	a, err := h.Addresses()
	if err != nil {
		return err
	}
	return world.Readyz(s.t.Context(), a.Health)
}

// refused waits until the tunneler's readiness gives the reason.
func (s *system) refused(h *world.Host, why string) {
	s.t.Helper()
	s.eventually(soon, h.ID+" knows why", func(context.Context) error {
		if err := s.unready(h); err == nil || !strings.Contains(err.Error(), why) {
			return fmt.Errorf("it says: %w", err)
		}
		return nil
	})
}

// opened waits for a session of each tunneler.
func (s *system) opened(connector *world.Host, since time.Time, tunnelers ...*world.Host) {
	s.t.Helper()
	for _, h := range tunnelers {
		s.eventually(soon, "a session of "+h.ID, func(context.Context) error {
			if len(s.lines(connector, "session opened", h, since)) == 0 {
				return errors.New("none")
			}
			return nil
		})
	}
}

// entry is a line of a program's log.
type entry struct {
	at   time.Time
	text string // all of it
}

// lines lists what a program logged about a tunneler, or about anybody.
func (s *system) lines(h *world.Host, message string, about *world.Host, since time.Time) (out []entry) {
	s.t.Helper()
	f, err := os.Open(h.Program.Log)
	require.NoError(s.t, err)
	defer func() { _ = f.Close() }()
	for in := bufio.NewScanner(f); in.Scan(); {
		var line struct {
			Time time.Time `json:"time"`
			Msg  string    `json:"msg"`
		}
		text := in.Text()
		if json.Unmarshal([]byte(text), &line) != nil || line.Msg != message || line.Time.Before(since) {
			continue
		}
		if about == nil || strings.Contains(text, "/tunneler/"+about.ID+`"`) {
			out = append(out, entry{line.Time, text})
		}
	}
	return out
}

// line waits for a line and returns the first.
func (s *system) line(h *world.Host, message, why string, since time.Time, within time.Duration) (first entry) {
	s.t.Helper()
	s.eventually(within, h.ID+": "+message, func(context.Context) error {
		for _, e := range s.lines(h, message, nil, since) {
			if strings.Contains(e.text, why) {
				first = e
				return nil
			}
		}
		return errors.New("not said")
	})
	return first
}

var endedAt = regexp.MustCompile(`the last proven SVID ended at ([0-9TZ:-]+)`)

// lastProven reads from a reason when the SVID ended that was proved last.
func lastProven(t *testing.T, text string) time.Time {
	t.Helper()
	m := endedAt.FindStringSubmatch(text)
	require.Len(t, m, 2, text)
	at, err := time.Parse(time.RFC3339, m[1])
	require.NoError(t, err)
	return at
}
