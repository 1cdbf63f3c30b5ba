package attention_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit/export"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

var errDisk = errors.New("disk")

// world is everything that a board asks, as a test wants it.
type world struct {
	*attention.Board
	now        time.Time
	connectors []fleet.Connector
	tunnelers  []fleet.Tunneler
	hosts      []fleet.Host
	requests   []enroll.Request
	rotation   *rotation.Rotation
	gate       *rotation.Gate
	reports    int
	bootstrap  anchors.Report
	exports    []export.State
	certs      []attention.Presented
	recovery   string
	store      memory
	fails      error
}

func newWorld() *world {
	w := &world{now: start, recovery: "a key"}
	w.Board = attention.New(attention.Config{
		Fleet: w, Requests: w, Rotations: rotations{w}, Bootstraps: bootstraps{w}, Store: &w.store,
		Audit: audit.New(zap.NewNop(), w.clock), Now: w.clock,
		Certificates: func() []attention.Presented { return w.certs }, Exports: func() []export.State { return w.exports },
		RecoveryKey: func() string { return w.recovery },
	})
	return w
}

func (w *world) clock() time.Time { return w.now }

func (w *world) Lists(context.Context) (*fleet.Lists, error) {
	return fleet.NewLists(present{w}, w.connectors, w.tunnelers, w.hosts), w.fails
}

func (w *world) RequestPage(_ context.Context, q enroll.RequestQuery) (out fleet.Page[enroll.Request], err error) {
	for _, r := range w.requests {
		if r.State(w.now) == q.State && len(out.Items) < q.Limit {
			out.Items = append(out.Items, r)
		}
	}
	slices.SortFunc(out.Items, func(a, b enroll.Request) int { return a.CreatedAt.Compare(b.CreatedAt) })
	out.Total = len(out.Items)
	return out, w.fails
}

type rotations struct{ *world }

func (r rotations) Unfinished(context.Context) (*rotation.Rotation, error) {
	return r.rotation, r.fails
}

func (r rotations) Report(context.Context) (rotation.Report, error) {
	r.reports++
	return rotation.Report{Rotation: r.rotation, Gate: r.gate}, r.fails
}

type bootstraps struct{ *world }

func (b bootstraps) Report(context.Context) (anchors.Report, error) { return b.bootstrap, b.fails }

// present knows what is in the rows.
type present struct{ *world }

func (p present) Connector(id string, stored time.Time) presence.State {
	for _, c := range p.connectors {
		if c.ID == id {
			return received(c.Presence, stored)
		}
	}
	return presence.State{}
}

func (p present) LastSeen(_ identity.Workload, stored time.Time) time.Time { return stored }

func (p present) Tunneler(id string, stored time.Time) (presence.State, string, []presence.Session) {
	for _, t := range p.tunnelers {
		if t.ID == id {
			return received(t.Presence, stored), "", nil
		}
	}
	return presence.State{}, "", nil
}

func received(p presence.State, stored time.Time) presence.State {
	if p.LastSeen.IsZero() {
		p.LastSeen = stored
	}
	return p
}

// host is the id of a host by a number.
func host(n int) identity.HostID { return identity.HostID(fmt.Sprintf("%032x", n)) }

// connector is one that is ONLINE; edit may be nil.
func (w *world) connector(id string, edit func(*fleet.Connector)) {
	c := fleet.Connector{Member: fleet.Member{Workload: identity.Workload{Kind: identity.KindConnector, ID: id}, HostID: host(len(w.hosts)), EnrolledAt: start.Add(-time.Hour)}}
	c.Presence = presence.State{Status: presence.Online, Since: start, LastSeen: start}
	if edit != nil {
		edit(&c)
	}
	w.hosts = append(w.hosts, fleet.Host{ID: c.HostID, EnrolledAt: c.EnrolledAt, ContestedAt: start.Add(-time.Minute), ClonedAt: start.Add(-time.Second)})
	w.connectors = append(w.connectors, c)
}

// away is a connector that went at a time.
func (w *world) away(id string, at time.Time) {
	w.connector(id, func(c *fleet.Connector) { c.Presence, c.LastSeenAt = presence.State{Status: presence.Offline}, at })
}

func (w *world) list(t *testing.T) attention.List {
	t.Helper()
	l, err := w.List(t.Context(), 20)
	require.NoError(t, err)
	return l
}

// only is the one item that there is.
func (w *world) only(t *testing.T) attention.Item {
	t.Helper()
	l := w.list(t)
	require.Equal(t, 1, l.Total, "%+v", l.Items)
	require.Len(t, l.Items, 1)
	require.NotEmpty(t, l.Items[0].Do, "it says what to do")
	return l.Items[0]
}

func (w *world) nothing(t *testing.T) {
	t.Helper()
	l := w.list(t)
	require.Empty(t, l.Items)
	require.Zero(t, l.Total)
}

func TestAWellFleetNeedsNoAttention(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.connector("a", nil)
	w.tunnelers = []fleet.Tunneler{{Member: fleet.Member{Workload: identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}, LastSeenAt: start.Add(-time.Hour)}}}
	w.bootstrap.Anchors = []*x509.Certificate{{NotAfter: start.AddDate(5, 0, 0)}}
	w.certs = []attention.Presented{{NotAfter: start.AddDate(0, 1, 0)}, {Name: "c.example.com", NotAfter: start.Add(time.Hour), Renews: true}}
	w.nothing(t)
	w.certs = []attention.Presented{{Name: "c.example.com", Renews: true}} // the first order is under way
	w.nothing(t)
}

func TestConnectorsThatStayAwayAreOneItem(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.away("just-gone", start.Add(-time.Minute))
	w.connector("new", func(c *fleet.Connector) { c.EnrolledAt, c.Presence = start, presence.State{} })
	w.connector("revoked", func(c *fleet.Connector) {
		c.RevokedAt, c.Presence, c.LastSeenAt = start, presence.State{}, start.Add(-time.Hour)
	})
	w.nothing(t)

	w.away("a", start.Add(-10*time.Minute))
	it := w.only(t)
	require.Equal(t, attention.Offline, it.Kind)
	require.Equal(t, attention.Warning, it.Severity)
	require.Equal(t, "The connector a is OFFLINE.", it.Found)
	require.Equal(t, start.Add(-10*time.Minute), it.Since)

	w.connector("never", func(c *fleet.Connector) { c.Presence = presence.State{} })
	require.Equal(t, it.ID, w.only(t).ID, "an older one is no news")
	require.Equal(t, "2 connectors are OFFLINE: a, never.", w.only(t).Found)
	w.connector("absent", func(c *fleet.Connector) { c.Presence, c.EnrolledAt = presence.State{}, start.Add(-5*time.Minute) })
	require.NotEqual(t, it.ID, w.only(t).ID, "who dismissed a has not heard of one that never came")
	require.Equal(t, "3 connectors are OFFLINE: absent, a, never.", w.only(t).Found)
	w.connectors = w.connectors[:len(w.connectors)-1]
	require.Equal(t, it.ID, w.only(t).ID)
	for i := range 5 {
		w.away(fmt.Sprintf("b%d", i), start.Add(-9*time.Minute))
	}
	require.Regexp(t, `^7 connectors are OFFLINE, the last ones are b4, b3, b2\.$`, w.only(t).Found)
	require.NotEqual(t, it.ID, w.only(t).ID)
}

func TestMembersInTroubleAreNamedWithTheGravestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.connector("a", func(c *fleet.Connector) { c.Contested = true })
	w.connector("b", func(c *fleet.Connector) { c.Presence.Refusal = "older than the policy in use" })
	w.connector("c", func(c *fleet.Connector) { c.Clone = &fleet.Clone{} })
	w.connector("d", func(c *fleet.Connector) {
		c.Presence = presence.State{Status: presence.Offline, Outdated: "it speaks protocol 0", LastSeen: start}
	})
	w.connector("e", func(c *fleet.Connector) { c.Contested, c.RevokedAt = true, start })
	l := w.list(t)
	require.Equal(t, 4, l.Total)
	var got []string
	for _, it := range l.Items {
		got = append(got, string(it.Severity)+" "+string(it.Kind)+" "+it.Subject)
	}
	require.Equal(t, []string{"critical refusing connector/b", "critical cloned connector/c", "critical contested connector/a", "warning outdated connector/d"}, got)
	require.Equal(t, start.Add(-time.Second), l.Items[1].Since)
	require.Equal(t, start.Add(-time.Minute), l.Items[2].Since)
}

func TestHostsThatWaitAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld()
	waiting := func(id string, at time.Time) enroll.Request {
		return enroll.Request{ID: id, CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	}
	w.requests = []enroll.Request{waiting("r2", start), waiting("over", start.Add(-2*time.Hour))}
	first := w.only(t)
	require.Equal(t, attention.Approvals, first.Kind)
	require.Equal(t, "A host waits for approval.", first.Found)
	w.requests = append(w.requests, waiting("r1", start.Add(-time.Minute)))
	second := w.only(t)
	require.Equal(t, "2 hosts wait for approval.", second.Found)
	require.Equal(t, start.Add(-time.Minute), second.Since)
	require.NotEqual(t, first.ID, second.ID)
	w.requests = w.requests[1:2]
	w.nothing(t)
}

func TestARotationThatDoesNotGoOnIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.rotation = &rotation.Rotation{ID: "r", State: rotation.Running, Phase: rotation.Prepared, PhaseSince: start}
	w.gate = &rotation.Gate{Total: 3, Through: 2, Holdouts: []rotation.Holdout{{Name: "connector/a", Why: "is OFFLINE"}}}
	w.nothing(t)
	require.Zero(t, w.reports, "nobody is looked at while it is young")
	w.now = start.Add(2 * time.Minute)
	it := w.only(t)
	require.Equal(t, attention.Rotation, it.Kind)
	require.Contains(t, it.Found, "waits for 1 of 3, among them connector/a: is OFFLINE")
	w.gate = &rotation.Gate{Total: 3, Through: 3}
	w.nothing(t)
	w.rotation.State, w.rotation.Reason = rotation.Paused, "the deadline passed."
	it = w.only(t)
	require.Equal(t, attention.Critical, it.Severity)
	require.Contains(t, it.Found, "stopped in the phase prepared: the deadline passed.")
	w.rotation = nil
	w.nothing(t)
}

func TestCertificatesThatEndAreShown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.certs = []attention.Presented{{NotAfter: start.Add(13 * 24 * time.Hour), Do: "renew it"}}
	soon := w.only(t)
	require.Equal(t, attention.Certificate, soon.Kind)
	require.Equal(t, attention.Warning, soon.Severity)
	require.Equal(t, "The certificate of this dashboard expires on 2030-01-15.", soon.Found)
	w.now = w.certs[0].NotAfter
	over := w.only(t)
	require.Equal(t, attention.Critical, over.Severity)
	require.NotEqual(t, soon.ID, over.ID)
	w.certs = nil
	w.nothing(t)

	w.bootstrap.Anchors = []*x509.Certificate{{NotAfter: w.now.AddDate(0, 11, 0)}}
	require.Equal(t, attention.Bootstrap, w.only(t).Kind)
	w.bootstrap.Record = &anchors.Record{State: anchors.Running, Phase: "added", PhaseAt: w.now}
	w.nothing(t)
	w.bootstrap.Gate = &anchors.Gate{Total: 2, Holdouts: []anchors.Holdout{{Name: "gateway", Why: "has the old CA"}}}
	w.nothing(t)
	w.now = w.now.Add(2 * time.Minute)
	require.Contains(t, w.only(t).Found, "waits for 1 of 2 hosts, among them gateway: has the old CA")
}

func TestACertificateThatIsNotRenewedIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.certs = []attention.Presented{{Name: "c.example.com", Renews: true, Failure: errDisk, Since: start, Do: "make room"}}
	none := w.only(t)
	require.Equal(t, attention.Critical, none.Severity)
	require.Equal(t, "The certificate of this dashboard for c.example.com could not be obtained: disk.", none.Found)
	require.Equal(t, "make room", none.Do)
	require.Equal(t, start, none.Since)

	w.certs[0].NotAfter = start.Add(30 * 24 * time.Hour)
	late := w.only(t)
	require.Equal(t, attention.Warning, late.Severity)
	require.Equal(t, "The certificate of this dashboard for c.example.com expires on 2030-02-01 and is not renewed: disk.", late.Found)
	require.NotEqual(t, none.ID, late.ID)
	w.certs[0].Failure = errors.New("the network at 12:03")
	require.Equal(t, late.ID, w.only(t).ID, "another attempt is no news")

	w.now = w.certs[0].NotAfter
	over := w.only(t)
	require.Equal(t, attention.Critical, over.Severity)
	require.Contains(t, over.Found, "expired on 2030-02-01 and is not renewed: the network at 12:03.")
	require.NotEqual(t, late.ID, over.ID)
	w.certs[0].Name = "d.example.com"
	require.NotEqual(t, over.ID, w.only(t).ID, "of another name")
	w.certs = append(w.certs, attention.Presented{Name: "e.example.com", Renews: true, NotAfter: start})
	require.Equal(t, 2, w.list(t).Total, "an end that nobody noticed is shown too")
}

func TestAReceiverThatTakesNothingIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.exports = []export.State{{Sink: "file"}, {Sink: "syslog", WaitingSince: start, Err: errDisk}}
	w.nothing(t)
	w.now = start.Add(time.Minute)
	it := w.only(t)
	require.Equal(t, attention.Export, it.Kind)
	require.Equal(t, "syslog", it.Subject)
	require.Contains(t, it.Found, "disk")
}

func TestAMissingRecoveryKeyIsShown(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.recovery = ""
	it := w.only(t)
	require.Equal(t, attention.Recovery, it.Kind)
	require.Contains(t, it.Do, "grpccontroller recovery init")
}

func TestWhatWasDismissedComesBackWithAnotherState(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.connector("a", func(c *fleet.Connector) { c.Contested = true })
	w.connector("b", func(c *fleet.Connector) { c.Presence.Refusal = "older than the policy in use" })
	l := w.list(t)
	for _, it := range l.Items {
		got, err := w.Dismiss(t.Context(), it.ID, audit.Event{Actor: "person:ada", RequestID: "r", Source: "192.0.2.1"})
		require.NoError(t, err)
		require.Equal(t, it, got)
	}
	w.nothing(t)
	events := w.store.Events()
	require.Len(t, events, 2)
	require.Equal(t, audit.Event{
		Time: start, Actor: "person:ada", Action: audit.AttentionDismiss, Target: "connector/b", Outcome: audit.Success,
		Reason: "refusing: It refuses the policy of this controller: older than the policy in use", RequestID: "r", Source: "192.0.2.1",
	}, events[0])

	_, err := w.Dismiss(t.Context(), l.Items[0].ID, audit.Event{Actor: "person:bob"})
	require.NoError(t, err, "somebody else was faster")
	require.Len(t, w.store.Events(), 2, "and is who did it")

	w.connectors[1].Presence.Refusal = "has another audit log"
	require.Equal(t, attention.Refusing, w.only(t).Kind)
	w.connectors[0].HostID = host(7)
	require.Equal(t, 2, w.list(t).Total, "contested is now another host")
}

// TestNoMoreThanAThousandDismissalsAreKept: each state that was ever dismissed would stay
// in the database.
func TestNoMoreThanAThousandDismissalsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.connector("a", func(c *fleet.Connector) { c.Presence.Refusal = "reason 0" })
	for i := range 1001 {
		w.connectors[0].Presence.Refusal = fmt.Sprintf("reason %d", i)
		_, err := w.Dismiss(t.Context(), w.only(t).ID, audit.Event{Actor: "person:ada"})
		require.NoError(t, err)
		w.nothing(t)
	}
	kept, err := w.store.Dismissals(t.Context())
	require.NoError(t, err)
	require.Len(t, kept, 1000)
	w.connectors[0].Presence.Refusal = "reason 0"
	w.only(t)
	w.connectors[0].Presence.Refusal = "reason 1"
	w.nothing(t)
}

func TestOnlyWhatIsThereCanBeDismissed(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.connector("a", func(c *fleet.Connector) { c.Contested = true })
	was := w.only(t)
	w.connectors[0].Contested = false
	for _, id := range []string{"", "x", was.ID, strings.Repeat("0", 24)} {
		_, err := w.Dismiss(t.Context(), id, audit.Event{Actor: "person:ada"})
		require.ErrorIs(t, err, attention.ErrNotFound)
	}
	require.Empty(t, w.store.Events())
}

func TestDismissedItemsDoNotHideOthers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	for i := range 30 {
		w.connector(fmt.Sprintf("c%02d", i), func(c *fleet.Connector) { c.Contested = true })
	}
	l, err := w.List(t.Context(), 5)
	require.NoError(t, err)
	require.Equal(t, 30, l.Total)
	require.Len(t, l.Items, 5)
	for _, it := range l.Items {
		_, err := w.Dismiss(t.Context(), it.ID, audit.Event{})
		require.NoError(t, err)
	}
	l, err = w.List(t.Context(), 5)
	require.NoError(t, err)
	require.Equal(t, 25, l.Total)
	require.Len(t, l.Items, 5)
	require.Equal(t, "connector/c05", l.Items[0].Subject)
}

// A board that could not ask must not look empty.
func TestWhatCannotBeKnownIsAnError(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.fails = errDisk
	_, err := w.List(t.Context(), 5)
	require.ErrorIs(t, err, errDisk)
	w.fails = nil
	w.store.Fail(errDisk)
	_, err = w.List(t.Context(), 5)
	require.ErrorIs(t, err, errDisk)
	w.connector("a", func(c *fleet.Connector) { c.Contested = true })
	w.store.Fail(nil)
	it := w.only(t)
	w.store.Fail(errDisk)
	_, err = w.Dismiss(t.Context(), it.ID, audit.Event{})
	require.ErrorIs(t, err, errDisk)
}
