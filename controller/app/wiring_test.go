package app_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/app"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll/enrolltest"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// shortDir is a directory whose path leaves room for a socket's name.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zt") //nolint:usetesting // t.TempDir is too long for a socket
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func wire(t *testing.T) (*app.Wired, *fakeSPIRE) {
	t.Helper()
	cfg := config.Default()
	cfg.DataDir, cfg.PublicAddress = shortDir(t), "127.0.0.1"
	cfg.Listen = config.Listen{Enrollment: "127.0.0.1:0", Control: "127.0.0.1:0", Admin: "127.0.0.1:0", Health: "127.0.0.1:0"}
	id := spiffeid.RequireFromPath(spiffeid.RequireTrustDomainFromString(cfg.TrustDomain), "/controller/"+cfg.ControllerID)
	spire, admin, api := serveSPIRE(t, id)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w, err := app.Wire(ctx, cfg, admin, api, id)
	require.NoError(t, err)
	t.Cleanup(func() { cancel(); require.NoError(t, w.Wait()) })
	return w, spire
}

// soon is far below the half minute after which policy and reconciler look by
// themselves: what is seen within it was caused by the change.
const soon = 10 * time.Second

// TestEverythingThatIsBuiltRuns: a part that is built and not run fails nowhere.
func TestEverythingThatIsBuiltRuns(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	require.Empty(t, w.Idle(), "built, and its Run is not among the components")
}

// TestPolicyRevisionsOutgrowThoseOfARestoredBackup: peers ignore a revision that is
// older than theirs.
func TestPolicyRevisionsOutgrowThoseOfARestoredBackup(t *testing.T) {
	t.Parallel()
	before := time.Now().UnixMilli()
	w, _ := wire(t)
	require.GreaterOrEqual(t, w.Policy().Revision, uint64(before))
}

// TestPeersHearWhereTheControllerHasMovedTo: streams that are woken send the addresses.
func TestPeersHearWhereTheControllerHasMovedTo(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	require.True(t, w.Moved())
}

// TestEveryListenerHasItsShareOfTheDescriptors: one that is told nothing has caps of its
// own, with which a flood of it takes what the others need.
func TestEveryListenerHasItsShareOfTheDescriptors(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	all := 0
	for name, want := range map[string]sourcelimit.Caps{
		"enrollment": {Most: 150, Anonymous: 75, AnonymousFrom: 37, PerIdentity: 16},
		"control":    {Most: 650, Anonymous: 325, AnonymousFrom: 162},
		"admin":      {Most: 100, Anonymous: 50, AnonymousFrom: 25, PerIdentity: 64},
		"local":      {Most: 20, Anonymous: 10, AnonymousFrom: 5, PerIdentity: 64},
		"health":     {Most: 50, Anonymous: 25, AnonymousFrom: 12},
	} {
		l := w.Connections()[name]
		require.Equal(t, want, l.Caps(), name)
		all += l.Caps().Most
		if name == "local" || name == "health" { // every caller here is root; nobody accepts here, see Wire
			continue
		}
		const more = 3
		for range want.AnonymousFrom + more {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
		}
		require.Eventually(t, func() bool {
			_, anonymous := l.Open()
			return anonymous <= want.AnonymousFrom && l.Closed(sourcelimit.ReasonAddress) >= more
		}, soon, 5*time.Millisecond, "%s: a flood from one address", name)
	}
	require.Len(t, w.Connections(), 5)
	require.LessOrEqual(t, all, app.Descriptors)
}

func TestAChangeOfMembersReachesPolicyAndSPIRE(t *testing.T) {
	t.Parallel()
	w, spire := wire(t)
	who := identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}
	_, secret, err := w.Enroll().Create(t.Context(), enroll.TokenRequest{Workload: who, TTL: 10 * time.Minute})
	require.NoError(t, err)
	_, err = w.Enroll().Redeem(t.Context(), enroll.Redemption{
		Secret: secret, Workload: who, CSR: enrolltest.NewKey(t).CSR, Source: netip.MustParseAddrPort("192.0.2.7:4711"),
		Facts: enroll.Facts{BinaryPath: "/usr/bin/grpctunneler", UID: 1000, Hostname: "box", Version: "v1"},
	})
	require.NoError(t, err)
	named := func() bool { return w.Policy().Names(who) }
	entry := func() bool {
		return slices.ContainsFunc(spire.Entries(), func(id string) bool { return strings.Contains(id, "laptop") })
	}
	require.Eventually(t, named, soon, 5*time.Millisecond, "the policy names whoever has enrolled")
	require.True(t, entry())
	require.Eventually(t, func() bool { return spire.listed.Load() > 0 }, soon, 5*time.Millisecond, "the look at the start is not the one that is waited for")

	caughtUp := func() bool {
		behind, err := w.Behind(t.Context())
		return err == nil && len(behind) == 0
	}
	require.Eventually(t, caughtUp, soon, 5*time.Millisecond, "every part that follows the change log takes all of it")
	recorded := func() bool {
		ok, err := w.Recorded(t.Context())
		return err == nil && ok
	}
	require.Eventually(t, recorded, soon, 5*time.Millisecond, "the revision is recorded, and each event has its place")

	err = w.Fleet().Revoke(t.Context(), fleet.Revocation{Workload: who, Actor: "person:p"})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !named() }, soon, 5*time.Millisecond, "the policy no longer names whom it revoked")
	require.Eventually(t, recorded, soon, 5*time.Millisecond)
	require.Eventually(t, func() bool { return !entry() }, soon, 5*time.Millisecond, "SPIRE's entry is deleted")
}

// TestRefusalsDoNotFillTheAuditLog: the limit of rows stands between every caller and
// the log, also as the controller puts them together.
func TestRefusalsDoNotFillTheAuditLog(t *testing.T) {
	t.Parallel()
	w, _ := wire(t)
	before, err := w.AuditRows(t.Context())
	require.NoError(t, err)
	token, key := strings.Replace(secret, "ztc_", "ztt_", 1), enrolltest.NewKey(t)
	for range 300 {
		_, err := w.Enroll().Redeem(t.Context(), enroll.Redemption{
			Secret: token, Workload: identity.Workload{Kind: identity.KindTunneler, ID: "laptop"}, CSR: key.CSR,
			Source: netip.MustParseAddrPort("192.0.2.7:4711"), Facts: enroll.Facts{BinaryPath: "/usr/bin/grpctunneler", UID: 1000, Hostname: "box", Version: "v1"},
		})
		require.Error(t, err)
	}
	after, err := w.AuditRows(t.Context())
	require.NoError(t, err)
	require.Positive(t, after-before, "an operator sees that somebody tries")
	require.Less(t, after-before, 20)
}
