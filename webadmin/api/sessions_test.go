package api_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store/storetest"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/api/apitest"
)

// meeting is two connectors and two tunnelers on the real roster, fleet and store. It
// knows what is true of them.
type meeting struct {
	*apitest.Env
	dir     string // of the command line
	roster  *presence.Roster
	streams map[string]uint64 // of connectors that run
	open    map[[2]string]time.Time
	shown   map[string]string // connector_id in the last sample
}

var (
	meetingConnectors = []string{"c-1", "c-2"}
	meetingTunnelers  = []string{"t-1", "t-2"}
)

func newMeeting(t *testing.T) *meeting {
	t.Helper()
	m := &meeting{dir: t.TempDir(), streams: map[string]uint64{}, open: map[[2]string]time.Time{}, shown: map[string]string{}}
	s, err := store.Open(t.Context(), storetest.File(t, filepath.Join(t.TempDir(), "controller.db")))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	local, socket := apitest.Socket(t)
	m.Env = apitest.Start(t, local, func(c *api.Config) {
		m.roster = presence.NewRoster(c.Now)
		c.Fleet = fleet.New(fleet.Config{
			Store: s, Roster: m.roster, Changed: &enrolltest.Changes{}, Audit: audit.New(zap.NewNop(), c.Now), Now: c.Now,
		})
	})
	writeFile(t, filepath.Join(m.dir, "run.json"), `{"admin":"`+m.Server.Addr().String()+`","admin_socket":"`+socket+`","enrollment":"127.0.0.1:1"}`)
	require.NoError(t, s.EnrollTx(t.Context(), func(tx enroll.Tx) error {
		h := fleet.Host{ID: identity.NewHostID(), EnrolledAt: m.Clock.Now()}
		h.KeyHash = []byte(h.ID)
		if err := tx.PutHost(t.Context(), h); err != nil {
			return err
		}
		for _, id := range slices.Concat(meetingConnectors, meetingTunnelers) {
			kind := identity.KindConnector
			if strings.HasPrefix(id, "t") {
				kind = identity.KindTunneler
			}
			who := fleet.Member{Workload: identity.Workload{Kind: kind, ID: id}, HostID: h.ID, EnrolledAt: m.Clock.Now()}
			if err := tx.PutMember(t.Context(), who); err != nil {
				return err
			}
		}
		return nil
	}))
	return m
}

// step changes one thing: a connector comes or is killed, a session opens or ends.
func (m *meeting) step(r *rand.Rand) {
	c, t := meetingConnectors[r.IntN(2)], meetingTunnelers[r.IntN(2)]
	_, running := m.streams[c]
	_, has := m.open[[2]string{t, c}]
	switch {
	case !running:
		m.streams[c] = m.roster.ConnectorUp(presence.Arrival{ID: c, InstanceID: m.Clock.Now().String()}, "192.0.2.1:1", presence.SVID{})
	case r.IntN(4) == 0: // killed: it says of no session that it ended
		m.roster.ConnectorDown(c, m.streams[c])
		delete(m.streams, c)
		for _, t := range meetingTunnelers {
			delete(m.open, [2]string{t, c})
		}
	case has && r.IntN(2) == 0:
		m.roster.TunnelerReport(c, presence.Report{TunnelerID: t, Detached: true})
		delete(m.open, [2]string{t, c})
	case !has:
		m.open[[2]string{t, c}] = m.Clock.Now()
	}
}

// beat lets some time pass, and has the connectors that run say what they have.
func (m *meeting) beat() {
	m.Clock.Advance(5 * time.Second)
	for _, c := range meetingConnectors {
		stream, running := m.streams[c]
		if !running {
			continue
		}
		m.roster.ConnectorBeat(c, stream, presence.SVID{}, 1)
		for _, t := range meetingTunnelers {
			if since, ok := m.open[[2]string{t, c}]; ok {
				m.roster.TunnelerReport(c, presence.Report{TunnelerID: t, Version: "v2", Since: since, RemoteAddr: "at " + c})
			}
		}
	}
}

// check takes one sample of each view.
func (m *meeting) check(t *testing.T) {
	t.Helper()
	listed := decode[adminapi.TunnelerList](t, get(t, m.Env, "/api/admin/tunnelers")).Tunnelers
	require.Len(t, listed, 2)
	var fromCLI []adminapi.Tunneler
	require.NoError(t, json.Unmarshal([]byte(runCLI("tunnelers", "list", "--data-dir", m.dir, "-o", "json").out), &fromCLI))
	require.Equal(t, listed, fromCLI, "the command line and the list")
	counts := map[string]int{}
	for _, it := range listed {
		require.Equal(t, it, decode[adminapi.Tunneler](t, get(t, m.Env, "/api/admin/tunnelers/"+it.ID)), "the detail and the list")
		var shown adminapi.Tunneler
		require.NoError(t, json.Unmarshal([]byte(runCLI("tunnelers", "show", it.ID, "--data-dir", m.dir, "-o", "json").out), &shown))
		require.Equal(t, it, shown, "the detail on the command line")
		m.checkTruth(t, it)
		for _, one := range it.Sessions {
			counts[one.ConnectorID]++
		}
	}
	for _, c := range meetingConnectors { // what the topology and the page of a connector read
		found := 0
		for _, it := range decode[adminapi.TunnelerList](t, get(t, m.Env, "/api/admin/tunnelers?status=ONLINE&page_size=500&q="+c)).Tunnelers {
			found += len(slices.DeleteFunc(it.Sessions, func(s adminapi.TunnelerSession) bool { return s.ConnectorID != c }))
		}
		require.Equal(t, counts[c], found, "the topology and the list")
	}
}

func (m *meeting) checkTruth(t *testing.T, it adminapi.Tunneler) {
	t.Helper()
	var named, alive []string
	for _, one := range it.Sessions {
		named = append(named, one.ConnectorID)
		require.LessOrEqual(t, m.Clock.Now().Sub(one.LastReport), presence.OfflineAfter)
	}
	for _, c := range meetingConnectors {
		if _, ok := m.open[[2]string{it.ID, c}]; ok {
			alive = append(alive, c)
		}
	}
	require.Equal(t, len(named) > 0, it.Status == adminapi.Online)
	require.Subset(t, named, alive, "a session that lives is shown; no false OFFLINE")
	if len(alive) > 0 {
		require.Contains(t, alive, it.ConnectorID, "it is shown where it has a session")
	}
	if was := m.shown[it.ID]; slices.Contains(alive, was) {
		require.Equal(t, was, it.ConnectorID, "it stays where its session lives")
	}
	m.shown[it.ID] = it.ConnectorID
}

// TestEveryViewShowsTheSameSessions takes 200 samples while connectors and sessions
// come and go.
func TestEveryViewShowsTheSameSessions(t *testing.T) {
	t.Parallel()
	m := newMeeting(t)
	r := rand.New(rand.NewPCG(12, 4))
	both := 0
	for i := range 200 {
		if i%2 == 0 {
			m.step(r)
		}
		m.beat()
		m.check(t)
		if len(m.open) > 2 {
			both++
		}
	}
	require.Greater(t, both, 20, "sessions at both connectors")
}

func TestCLIShowsOneMember(t *testing.T) {
	t.Parallel()
	e, dir := startForCLI(t)
	now := time.Now()
	e.Fleet.AddConnector("c-1", func(m *fleet.Connector) { m.PrivateIP, m.Addresses = "10.0.0.7", []string{"a:1", "b:2"} })
	e.Fleet.AddTunneler("t-1", func(m *fleet.Tunneler) {
		m.ConnectorID, m.Contested = "c-2", true
		m.Presence = presence.State{Status: presence.Online, LastSeen: now, RemoteAddr: "192.0.2.2:2"}
		for i, id := range []string{"c-1", "c-2"} {
			m.Sessions = append(m.Sessions, presence.Session{
				ConnectorID: id, Since: now.Add(-time.Hour), LastSeen: now.Add(-3 * time.Second), Version: "v2", RemoteAddr: fmt.Sprintf("192.0.2.%d:1\x1b[2J", i),
			})
		}
	})
	out := runCLI("tunnelers", "show", "t-1", "--data-dir", dir).out
	require.Regexp(t, `(?s)^ID +t-1\nName +-\nLabels +-\nStatus +ONLINE\n.*Note +contested.*\nNotes +-\nConnector +c-2\nSessions +2\n\nSESSION AT +OPENED +LAST REPORT +FROM +VERSION\nc-1 +1 h ago +\d s ago +192\.0\.2\.0:1.*\nc-2 `, out)
	require.NotContains(t, out, "\x1b")
	require.Contains(t, runCLI("tunnelers", "list", "--data-dir", dir).out, "  c-2,c-1  ", "all connectors, the one that it is shown at first")
	require.Regexp(t, `(?s)^ID +c-1\nName +-\nLabels +-\nStatus +OFFLINE\n.*\nTunnelers reach it at +a:1,b:2\n`, runCLI("connectors", "show", "c-1", "--data-dir", dir).out)
	require.Contains(t, runCLI("connectors", "show", "c-1", "--data-dir", dir, "-o", "json").out, `"private_ip": "10.0.0.7"`)

	for _, id := range []string{"gone", "..", "../tunnelers/t-1", "a\x1b[2J\r\n"} {
		r := runCLI("tunnelers", "show", "--data-dir", dir, "--", id)
		require.NotZero(t, r.code, id)
		require.Empty(t, r.out)
		require.Equal(t, 1, strings.Count(r.errOut, "\n"), r.errOut)
		require.NotContains(t, r.errOut, "\x1b")
	}
	require.Equal(t, 2, runCLI("tunnelers", "show", "--data-dir", dir).code)
}
