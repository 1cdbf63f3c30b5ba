package bulk

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/config"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/store"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/leaks"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/e2e/world"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/proc"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

// ID of the i-th member of a kind.
func ID(kind identity.Kind, i int) string { return fmt.Sprintf("%s-%04d", kind, i) }

// fewEntries is how many registration entries a controller may write itself when it
// starts. They take it 5 ms each.
const fewEntries = 500

var td = spiffeid.RequireTrustDomainFromString("mycorp.internal")

// Enroll starts the controller once to make its store, puts n members into it and
// starts it again.
func Enroll(tb testing.TB, c *world.Controller, kind identity.Kind, n int) {
	tb.Helper()
	EnrollAll(tb, c, map[identity.Kind]int{kind: n})
}

// EnrollAll is Enroll for several kinds.
func EnrollAll(tb testing.TB, c *world.Controller, members map[identity.Kind]int) {
	tb.Helper()
	require.NoError(tb, c.Start(tb.Context()))
	tb.Cleanup(func() {
		_, _ = c.Stop()
		leaks.Check(tb, &leaks.Search{}, filepath.Dir(c.Dir)) // hosts are beside it
	})
	var all []identity.Workload
	for kind, n := range members {
		for i := range n {
			all = append(all, identity.Workload{Kind: kind, ID: ID(kind, i)})
		}
	}
	Add(tb, c, all)
}

// Add restarts a running controller with more members in its store, and in the
// datastore of its spire-server.
func Add(tb testing.TB, c *world.Controller, members []identity.Workload) {
	tb.Helper()
	_, err := c.Stop()
	require.NoError(tb, err)
	entries := insert(tb, filepath.Join(c.Dir, "controller.db"), members)
	if len(entries) > fewEntries {
		register(tb, c, entries)
	}
	require.NoError(tb, c.Start(tb.Context()))
}

// insert enrolls members in one transaction, and returns the entries that SPIRE should
// have of them.
func insert(tb testing.TB, file string, members []identity.Workload) (entries []spiretest.Entry) {
	tb.Helper()
	s, err := store.Open(tb.Context(), file)
	require.NoError(tb, err)
	require.NoError(tb, s.EnrollTx(tb.Context(), func(tx enroll.Tx) error {
		for i, w := range members {
			e, err := enrollOne(tb, tx, w, i)
			if err != nil {
				return err
			}
			entries = append(entries, e)
		}
		return tx.BumpPolicy(tb.Context())
	}))
	require.NoError(tb, s.Close())
	return entries
}

func enrollOne(tb testing.TB, tx enroll.Tx, w identity.Workload, i int) (e spiretest.Entry, err error) {
	tb.Helper()
	h := fleet.Host{ID: mtlstest.HostOf(w.String()), KeyHash: fmt.Appendf(nil, "key of %s", w.ID), EnrolledAt: time.Now().Add(-time.Hour)}
	if h.AgentID, err = h.ID.AgentID(td); err != nil {
		return e, err
	}
	if err := tx.PutHost(tb.Context(), h); err != nil {
		return e, err
	}
	m := fleet.Member{
		Workload: w, HostID: h.ID, EnrolledAt: h.EnrolledAt,
		Selectors: []fleet.Selector{{Type: "unix", Value: fmt.Sprintf("uid:%d", 100000+i)}},
	}
	if err := tx.PutMember(tb.Context(), m); err != nil {
		return e, err
	}
	ttl := config.Default().SVIDTTL
	want, err := fleet.EntryFor(m, h, td, map[identity.Kind]time.Duration{identity.KindConnector: ttl.Connector, identity.KindTunneler: ttl.Tunneler})
	return spiretest.Entry{
		ID: want.ID, SPIFFEID: want.SPIFFEID, Parent: want.ParentID, X509SVIDTTL: want.X509SVIDTTL, DNSName: want.DNSName,
		SelectorType: m.Selectors[0].Type, SelectorValue: m.Selectors[0].Value,
	}, err
}

// register has the controller's spire-server, without the controller, write entries.
func register(tb testing.TB, c *world.Controller, entries []spiretest.Entry) {
	tb.Helper()
	dir := filepath.Join(c.Dir, "spire")
	server, err := world.Start(world.Spec{
		Name: "spire-server", Dir: dir, Path: spiretest.Binary(tb, "spire-server"), Args: []string{"run", "-config", filepath.Join(dir, "server.conf")},
	})
	require.NoError(tb, err)
	defer func() {
		_, err := server.Stop()
		require.NoError(tb, err)
	}()
	socket := filepath.Join(dir, "server.sock")
	require.NoError(tb, world.Eventually(tb.Context(), time.Minute, "spire-server answers", func(ctx context.Context) error {
		return proc.Serving(ctx, socket)
	}))
	spiretest.CreateEntries(tb, socket, entries)
}

// Signer has SVIDs signed by the spire-server of a controller.
type Signer struct {
	td     spiffeid.TrustDomain
	minter *spiretest.Minter
	server *server.Client
	bundle *x509bundle.Bundle
	any    *mtlstest.CA
}

// NewSigner asks the server for its bundle once; see Refresh.
func NewSigner(tb testing.TB, c *world.Controller) *Signer {
	tb.Helper()
	s := &Signer{td: spiffeid.RequireTrustDomainFromString(c.Run.TrustDomain)}
	socket := filepath.Join(c.Dir, "spire", "server.sock")
	s.minter = spiretest.NewMinter(tb, socket)
	var err error
	s.server, err = server.Dial(socket, s.td, zap.NewNop())
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = s.server.Close() })
	s.any = mtlstest.NewCA(tb, s.td)
	s.Refresh(tb)
	return s
}

// Refresh has the identities that follow trust the server's bundle of now.
func (s *Signer) Refresh(tb testing.TB) {
	tb.Helper()
	authorities, err := s.server.Bundle(tb.Context())
	require.NoError(tb, err)
	s.bundle = x509bundle.FromX509Authorities(s.td, authorities)
}

// Identity is one member's, with an SVID that lives an hour.
func (s *Signer) Identity(tb testing.TB, w identity.Workload) *mtlstest.Identity {
	tb.Helper()
	return s.IdentityOn(tb, w, mtlstest.HostOf(w.String()))
}

// IdentityOn is that of a member on this host.
func (s *Signer) IdentityOn(tb testing.TB, w identity.Workload, host identity.HostID) *mtlstest.Identity {
	tb.Helper()
	id, err := w.SPIFFEID(s.td)
	require.NoError(tb, err)
	own := s.any.Identity(s.minter.Mint(tb.Context(), tb, id, host, time.Hour))
	own.Trust(s.bundle)
	return own
}
