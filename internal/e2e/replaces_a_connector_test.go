package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// TestATunnelerReplacesAConnectorThatIsGone: it uses two connectors of a network, and
// has another one within 2 s when one was killed, within 5 s when one fell silent:
// because its program hangs, or because the network drops its packets. It has a
// session in the network that a connector was moved to.
// Without t.Parallel: what is measured here must not wait for other tests.
func TestATunnelerReplacesAConnectorThatIsGone(t *testing.T) {
	here := newLink(t)
	s := newWorld(t, here.listen()...)
	connectors, links := map[string]*world.Host{}, map[string]*link{}
	join := func(ids ...string) {
		for _, id := range ids {
			links[id] = newLink(t)
			connectors[id] = s.behind(links[id], id)
		}
	}
	join("c-01", "c-02", "c-03")
	tunneler := s.join("t", "tunneler", "t-01")
	s.follows(tunneler, "c-01", "c-02", "c-03")
	var gone []string
	lose := func(how string, within time.Duration, fail func(id string)) {
		t.Helper()
		lost := s.pair(tunneler, gone...)[0].ConnectorID
		gone = append(gone, lost)
		begin := time.Now()
		fail(lost)
		took := s.replaced(tunneler, gone...).Sub(begin)
		t.Logf("%.1f s from %s to a session with another connector", took.Seconds(), how)
		require.Less(t, took, within)
	}

	lose("SIGKILL of a connector", 2*time.Second, func(id string) { connectors[id].Program.Kill() })
	join("c-04")
	lose("SIGSTOP of a connector", 5*time.Second, func(id string) {
		require.NoError(t, connectors[id].Program.Pause())
		t.Cleanup(func() { _ = connectors[id].Program.Signal(syscall.SIGCONT) })
	})
	join("c-05")
	lose("the end of all packets of a connector", 5*time.Second, func(id string) { links[id].set("down") })
}

// follows moves the connector without a session of the tunneler to a network of its own: the
// tunneler opens one there, and ends one when the connector is back.
func (s *system) follows(tunneler *world.Host, connectors ...string) {
	s.t.Helper()
	pair := s.pair(tunneler)
	spare := slices.DeleteFunc(connectors, func(id string) bool { return id == pair[0].ConnectorID || id == pair[1].ConnectorID })[0]
	_, err := s.api.CreateNetwork(s.t.Context(), adminapi.NetworkRequest{ID: "berlin"})
	require.NoError(s.t, err)
	move := func(network string) {
		_, err := s.api.ChangeConnector(s.t.Context(), spare, adminapi.ConnectorChange{NetworkID: network})
		require.NoError(s.t, err)
	}
	begin := time.Now()
	move("berlin")
	s.eventually(soon, "a session in the new network", func(ctx context.Context) error {
		all := sessionsAt(ctx, "http://"+s.healthOf(tunneler)+"/sessions")
		if len(all) == 3 && slices.ContainsFunc(all, func(i session.Info) bool { return i.Connected && i.ConnectorID == spare && i.Network == "berlin" }) {
			return nil
		}
		return fmt.Errorf("sessions: %+v", all)
	})
	s.t.Logf("%.1f s from the move of a connector to a session in its new network", time.Since(begin).Seconds())
	move("default")
	s.pair(tunneler)
	require.NoError(s.t, s.api.DeleteNetwork(s.t.Context(), "berlin"))
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
