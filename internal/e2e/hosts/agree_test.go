package hosts_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/hosts"
)

const (
	// besideID is a second connector, on the laptop.
	besideID = "laptop-01-in"
	// agreed is how many samples are taken, and turns how often at least a connector goes
	// and comes back meanwhile: each of the two by a stop and by SIGKILL.
	agreed, turns = 200, 4
)

// agree compares, while two connectors come and go, what the list, the topology, the
// details and the commands say of two tunnelers, and with the connectors' own sessions.
func agree(t *testing.T, s *site, gw, lap *hosts.Box) {
	t.Helper()
	install(t, lap, "grpcconnector")
	s.paste(lap, connector, besideID, "", s.issue(connector, besideID).command(t, "program"))
	m := &meeting{t: t, s: s, since: time.Now(), on: map[string]*hosts.Box{gatewayID: gw, besideID: lap}}
	taken, moved, begin := 0, 0, time.Now()
	for taken < agreed || m.turns < turns {
		require.Less(t, time.Since(m.since), patience, "%d samples, %d turns: a connector does not come back", taken, m.turns)
		if m.sample() {
			taken++
		} else {
			moved++
		}
		m.next()
	}
	t.Logf("%d samples in %.1f s, %d more in which something changed; a connector went and came back %d times",
		taken, time.Since(begin).Seconds(), moved, m.turns)
	require.Less(t, moved, taken/4, "so much changes that nothing was compared")

	s.controller.Run("grpccontroller", "connectors", "revoke", besideID, "--yes")
	lap.Run("dpkg", "--purge", "grpcconnector")
	s.onlineSince(time.Now(), member{gw, connector, gatewayID}, member{lap, tunneler, laptopID})
}

// meeting is two connectors and two tunnelers.
type meeting struct {
	t  *testing.T
	s  *site
	on map[string]*hosts.Box // the connectors

	turns int
	since time.Time // of the last turn
	full  bool      // both tunnelers have a session at both connectors, and the list says so
	gone  int       // samples since the connector of this turn was sent away; zero: it is there
}

// view is what one reading says of a tunneler: of what changes only when a session does.
type view struct {
	Status, ConnectorID string
	Sessions            []string
}

func viewOf(it adminapi.Tunneler) view {
	v := view{Status: it.Status, ConnectorID: it.ConnectorID}
	for _, one := range it.Sessions {
		v.Sessions = append(v.Sessions, one.ConnectorID+" "+one.Since.UTC().Format(time.RFC3339Nano))
	}
	slices.Sort(v.Sessions)
	return v
}

func viewsOf(all []adminapi.Tunneler) map[string]view {
	out := map[string]view{}
	for _, it := range all {
		out[it.ID] = viewOf(it)
	}
	return out
}

// sample reads everything once, the list first and last. If the two are the same, nothing
// changed in between and all readings must agree; it returns false if they are not.
// Whatever changed, a tunneler that kept a session is ONLINE in each of them.
func (m *meeting) sample() bool {
	t := m.t
	t.Helper()
	before := m.sessions()
	dec := json.NewDecoder(strings.NewReader(m.s.controller.Run("sh", "-c", `c() { for path; do set -- "$@" "http://localhost/api/admin/$path"; shift; done
		curl -sSf --max-time 5 --unix-socket /run/grpccontroller/admin.sock "$@"; }
		c tunnelers 'tunnelers?status=ONLINE&page_size=500' tunnelers/`+laptopID+` tunnelers/`+secondID+`
		grpccontroller tunnelers list -o json; grpccontroller tunnelers show `+laptopID+` -o json
		c tunnelers`)))
	after := m.sessions()
	var list, topology, last adminapi.TunnelerList
	var details [2]adminapi.Tunneler
	var fromCLI []adminapi.Tunneler
	var shown adminapi.Tunneler
	for _, into := range []any{&list, &topology, &details[0], &details[1], &fromCLI, &shown, &last} {
		require.NoError(t, dec.Decode(into))
	}
	first := viewsOf(list.Tunnelers)
	require.Len(t, first, 2)
	readings := map[string]map[string]view{
		"the list": first, "the topology": viewsOf(topology.Tunnelers), "the details": viewsOf(details[:]),
		"the command line": viewsOf(fromCLI), "the list read again": viewsOf(last.Tunnelers),
	}
	for id := range first {
		require.True(t, kept(before[id], after[id]), "%s had no session for a moment: this sample shows nothing", id)
		for of, reading := range readings {
			require.Equal(t, adminapi.Online, reading[id].Status, "%s of %s, which has a session", of, id)
		}
	}
	m.full = len(after[laptopID]) == 2 && len(after[secondID]) == 2 && len(last.Tunnelers[0].Sessions) == 2 && len(last.Tunnelers[1].Sessions) == 2
	if !equal(first, readings["the list read again"]) {
		return false
	}
	for of, reading := range readings {
		require.Equal(t, first, reading, of)
	}
	require.Equal(t, first[laptopID], viewOf(shown), "the detail on the command line")
	return true
}

// sessions are those that the connectors themselves have: when each began, by tunneler
// and connector.
func (m *meeting) sessions() map[string]map[string]time.Time {
	out := map[string]map[string]time.Time{laptopID: {}, secondID: {}}
	for id, b := range m.on {
		var d struct {
			Sessions []struct {
				TunnelerID string    `json:"tunneler_id"`
				StartedAt  time.Time `json:"started_at"`
			}
		}
		text, err := b.Try("curl", "-sSf", "--max-time", "5", "http://"+connector.health+"/sessions")
		if err != nil { // it is away
			continue
		}
		require.NoError(m.t, json.Unmarshal([]byte(text), &d), text)
		for _, one := range d.Sessions {
			out[one.TunnelerID][id] = one.StartedAt
		}
	}
	return out
}

// next sends a connector away once everybody has a session with both, and fetches it back
// some samples later. Nothing waits: what happens meanwhile is what the samples are for.
func (m *meeting) next() {
	id := []string{gatewayID, besideID}[m.turns%2]
	stop := m.turns/2%2 == 0
	switch {
	case m.gone > 0:
		if m.gone++; m.gone == 8 && stop {
			m.on[id].Run("systemctl", "--no-block", "start", connector.unit)
		}
		if m.gone > 8 && m.full {
			m.gone, m.turns, m.since = 0, m.turns+1, time.Now()
		}
	case !m.full:
	case stop:
		m.on[id].Run("systemctl", "--no-block", "stop", connector.unit)
		m.gone = 1
	default:
		m.on[id].Run("systemctl", "kill", "--signal=KILL", connector.unit)
		m.gone = 1
	}
}

// kept says that one session was there all the time.
func kept(before, after map[string]time.Time) bool {
	for at, since := range before {
		if after[at].Equal(since) {
			return true
		}
	}
	return false
}

func equal(a, b map[string]view) bool {
	for id := range a {
		if x, y := a[id], b[id]; x.Status != y.Status || x.ConnectorID != y.ConnectorID || !slices.Equal(x.Sessions, y.Sessions) {
			return false
		}
	}
	return len(a) == len(b)
}
