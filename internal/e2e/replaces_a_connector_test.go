package e2e_test

import (
	"context"
	"encoding/json"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// TestATunnelerReplacesAConnectorThatIsGone: it uses two connectors of a network, and
// has another one within 2 s when one was killed, within 5 s when one fell silent.
// Without t.Parallel: what is measured here must not wait for other tests.
func TestATunnelerReplacesAConnectorThatIsGone(t *testing.T) {
	s := newWorld(t)
	connectors := map[string]*world.Host{}
	for _, id := range []string{"c-01", "c-02", "c-03"} {
		connectors[id] = s.join(id, "connector", id)
	}
	tunneler := s.join("t", "tunneler", "t-01")
	pair := s.pair(tunneler)

	died := pair[0].ConnectorID
	begin := time.Now()
	connectors[died].Program.Kill()
	took := s.replaced(tunneler, died).Sub(begin)
	t.Logf("%.1f s from SIGKILL of a connector to a session with another one", took.Seconds())
	require.Less(t, took, 2*time.Second)

	connectors["c-04"] = s.join("c-04", "connector", "c-04")
	pair = s.pair(tunneler)
	hung := pair[0].ConnectorID
	begin = time.Now()
	require.NoError(t, connectors[hung].Program.Signal(syscall.SIGSTOP))
	defer func() { _ = connectors[hung].Program.Signal(syscall.SIGCONT) }()
	took = s.replaced(tunneler, hung, died).Sub(begin)
	t.Logf("%.1f s from SIGSTOP of a connector to a session with another one", took.Seconds())
	require.Less(t, took, 5*time.Second)
}

// pair waits until the tunneler has sessions with two connectors, none of them in
// except.
func (s *system) pair(tunneler *world.Host, except ...string) (open []session.Info) {
	s.t.Helper()
	at := "http://" + s.healthOf(tunneler) + "/sessions"
	require.Eventually(s.t, func() bool {
		ctx, cancel := context.WithTimeout(s.t.Context(), time.Second)
		defer cancel()
		all := sessionsAt(ctx, at)
		open = nil
		for _, i := range all {
			if i.Connected {
				open = append(open, i)
			}
			for _, id := range except {
				if i.ConnectorID == id {
					return false
				}
			}
		}
		return len(all) == 2 && len(open) == 2
	}, soon, 20*time.Millisecond)
	return open
}

// replaced returns when the newer of both sessions was opened that are there without
// those that are gone.
func (s *system) replaced(tunneler *world.Host, gone ...string) time.Time {
	s.t.Helper()
	pair := s.pair(tunneler, gone...)
	if pair[1].Since.After(pair[0].Since) {
		return pair[1].Since
	}
	return pair[0].Since
}

// sessionsAt is empty when there is no answer.
func sessionsAt(ctx context.Context, url string) []session.Info {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer func() { _ = resp.Body.Close() }()
	var d struct {
		Sessions []session.Info `json:"sessions"`
	}
	if json.NewDecoder(resp.Body).Decode(&d) != nil {
		return nil
	}
	return d.Sessions
}
