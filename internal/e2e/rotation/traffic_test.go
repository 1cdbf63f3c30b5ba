package rotation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/connector/relay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/tunneler/session"
)

// flow is one session, as its two ends see it.
type flow struct {
	tunneler  session.Info
	connector relay.SessionInfo
}

// traffic is what every program says of itself at one moment.
type traffic struct {
	flows  map[string]flow     // by tunneler and connector
	trusts map[string][]string // by host, the authorities in its bundle
}

// document is GET /sessions of a program.
type document[T any] struct {
	Trusts   []string `json:"bundle_authority_ids"`
	Sessions []T      `json:"sessions"`
}

func sessionsOf[T any](ctx context.Context, h *world.Host, since time.Time) (out document[T], err error) {
	at, err := h.Addresses()
	if err != nil {
		return out, err
	}
	u := url.URL{Scheme: "http", Host: at.Health, Path: "/sessions"}
	if !since.IsZero() {
		u.RawQuery = url.Values{"since": {since.UTC().Format(time.RFC3339Nano)}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return out, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return out, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return out, fmt.Errorf("%s of %s: %s", u.Path, h.ID, resp.Status)
	}
	err = json.NewDecoder(resp.Body).Decode(&out)
	return out, err
}

// traffic asks everybody; waits are those since a time.
func (s *crowded) traffic(since time.Time) traffic {
	s.t.Helper()
	out := traffic{flows: map[string]flow{}, trusts: map[string][]string{}}
	for _, h := range s.tunnelers {
		d, err := sessionsOf[session.Info](s.t.Context(), h, since)
		require.NoError(s.t, err)
		out.trusts[h.ID] = d.Trusts
		for _, info := range d.Sessions {
			out.flows[h.ID+" "+info.ConnectorID] = flow{tunneler: info}
		}
	}
	for _, h := range s.connectors {
		d, err := sessionsOf[relay.SessionInfo](s.t.Context(), h, time.Time{})
		require.NoError(s.t, err)
		out.trusts[h.ID] = d.Trusts
		for _, info := range d.Sessions {
			f, ok := out.flows[info.TunnelerID+" "+h.ID]
			require.True(s.t, ok, "%s has a session of %s that nobody keeps", h.ID, info.TunnelerID)
			f.connector = info
			out.flows[info.TunnelerID+" "+h.ID] = f
		}
	}
	require.Len(s.t, out.flows, soakTunnelers*soakConnectors)
	return out
}

// settled is the traffic once all was acknowledged that had been sent when it was
// called: what was still on its way is not lost.
func (s *crowded) settled(since time.Time) traffic {
	s.t.Helper()
	sent := s.traffic(since)
	var now traffic
	s.Eventually(soon, "everything is acknowledged", func(context.Context) error {
		now = s.traffic(since)
		for name, f := range sent.flows {
			if n := now.flows[name].tunneler; n.Acknowledged+n.Lost < f.tunneler.Sent {
				return fmt.Errorf("%s has %d acknowledged of %d", name, n.Acknowledged, f.tunneler.Sent)
			}
		}
		return nil
	})
	return now
}

// since sums up what happened after an earlier moment, with the longest waits of
// any session.
func (now traffic) since(before traffic) (sum sums) {
	for name, f := range now.flows {
		n, was := f.tunneler, before.flows[name].tunneler
		sum = sum.and(sums{
			Streams: n.Streams - was.Streams, Sent: n.Sent - was.Sent, Acknowledged: n.Acknowledged - was.Acknowledged,
			Lost: n.Lost - was.Lost, Disordered: n.Disordered - was.Disordered,
			LongestAnswer: n.LongestAnswer, LongestSilence: n.LongestSilence,
		})
	}
	return sum
}

// sums are the counts of many sessions.
type sums session.Counts

func (s sums) and(o sums) sums {
	return sums{
		Streams: s.Streams + o.Streams, Sent: s.Sent + o.Sent, Acknowledged: s.Acknowledged + o.Acknowledged,
		Lost: s.Lost + o.Lost, Disordered: s.Disordered + o.Disordered,
		LongestAnswer: max(s.LongestAnswer, o.LongestAnswer), LongestSilence: max(s.LongestSilence, o.LongestSilence),
	}
}

// String is one line for people.
func (s sums) String() string {
	return fmt.Sprintf("%d messages sent, %d acknowledged, %d lost, %d reordered, longest stall %d ms to an acknowledgement, %d ms between two",
		s.Sent, s.Acknowledged, s.Lost, s.Disordered, s.LongestAnswer.Milliseconds(), s.LongestSilence.Milliseconds())
}

// requireRotated: every session is the one it was, has carried everything, and both
// of its ends have proved an SVID of the new authority on it.
func (now traffic) requireRotated(t *testing.T, before traffic, authority string) {
	t.Helper()
	for name, was := range before.flows {
		n := now.flows[name]
		require.True(t, n.tunneler.Connected, name)
		require.Equal(t, was.tunneler.Streams, n.tunneler.Streams, "%s is the same stream", name)
		require.Equal(t, was.connector.StartedAt, n.connector.StartedAt, "%s is the same stream", name)
		require.Equal(t, was.tunneler.Socket, n.tunneler.Socket, "%s is on the same socket", name)
		require.Equal(t, n.tunneler.Socket, n.connector.Socket, "%s is the same at both ends", name)
		require.NotEqual(t, was.connector.Serial, n.connector.Serial, "the tunneler of %s proved a new SVID", name)
		require.NotEqual(t, was.tunneler.Serial, n.tunneler.Serial, "the connector of %s proved a new SVID", name)
		require.Equal(t, authority, n.connector.AuthorityID, name)
		require.Equal(t, authority, n.tunneler.AuthorityID, name)
		require.Equal(t, was.tunneler.Lost, n.tunneler.Lost, "%s lost messages", name)
		require.Equal(t, was.tunneler.Disordered, n.tunneler.Disordered, "%s was out of order", name)
		require.Greater(t, n.tunneler.Acknowledged, was.tunneler.Acknowledged, name)
		require.Greater(t, n.connector.Received, was.connector.Received, name)
	}
}

// timings are how long rotations and their phases took.
type timings struct {
	order  []string
	phases map[string][]time.Duration
	totals []time.Duration
}

func (t *timings) add(r adminapi.Rotation) {
	if t.phases == nil {
		t.phases = map[string][]time.Duration{}
	}
	for _, p := range r.Phases {
		if !slices.Contains(t.order, p.Phase) {
			t.order = append(t.order, p.Phase)
		}
		t.phases[p.Phase] = append(t.phases[p.Phase], time.Duration(p.Seconds*float64(time.Second)))
	}
	t.totals = append(t.totals, r.EndedAt.Sub(r.StartedAt))
}

// quantile is the nearest of the values, not one between two.
func quantile(of []time.Duration, percent int) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[min(len(sorted)*percent/100, len(sorted)-1)]
}

func (t *timings) median() time.Duration { return quantile(t.totals, 50) }

func (t *timings) p95() time.Duration { return quantile(t.totals, 95) }

// String has the median and the 95th percentile of each phase and of the whole.
func (t timings) String() string {
	var b strings.Builder
	for _, phase := range t.order {
		fmt.Fprintf(&b, "%s %.1f / %.1f s, ", phase, quantile(t.phases[phase], 50).Seconds(), quantile(t.phases[phase], 95).Seconds())
	}
	fmt.Fprintf(&b, "rotation %.1f / %.1f s (median / p95)", t.median().Seconds(), t.p95().Seconds())
	return b.String()
}
