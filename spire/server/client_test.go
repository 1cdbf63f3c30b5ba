package server_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/conf"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/server"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/spiretest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bySet compares entries whatever the order of entries and selectors.
var bySet = []cmp.Option{
	cmp.AllowUnexported(spiffeid.ID{}, spiffeid.TrustDomain{}),
	cmpopts.SortSlices(func(a, b fleet.Selector) bool { return a.String() < b.String() }),
	cmpopts.SortSlices(func(a, b fleet.Entry) bool { return a.ID < b.ID }),
}

func dial(t *testing.T, srv *spiretest.Server) *server.Client {
	t.Helper()
	c, err := server.Dial(srv.SocketPath, srv.TrustDomain, zap.NewNop())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// foreignEntries is the API as an operator uses it, past our checks.
func foreignEntries(t *testing.T, srv *spiretest.Server) entryv1.EntryClient {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+srv.SocketPath, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return entryv1.NewEntryClient(conn)
}

func entry(td spiffeid.TrustDomain, name string) fleet.Entry {
	parent, err := identity.NewHostID().AgentID(td)
	if err != nil {
		panic(err)
	}
	return fleet.Entry{
		ID: fleet.EntryIDPrefix + "connector." + name, SPIFFEID: spiffeid.RequireFromSegments(td, "connector", name), ParentID: parent,
		Selectors:   []fleet.Selector{{Type: "unix", Value: "uid:1000"}, {Type: "unix", Value: "path:/usr/bin/grpcconnector"}},
		X509SVIDTTL: 5 * time.Minute,
	}
}

// find returns the entry with this ID, which must exist.
func find(t *testing.T, c *server.Client, id string) fleet.Entry {
	t.Helper()
	for _, e := range list(t, c) {
		if e.ID == id {
			return e
		}
	}
	require.Fail(t, "no entry "+id)
	return fleet.Entry{}
}

func list(t *testing.T, c *server.Client) []fleet.Entry {
	t.Helper()
	var all []fleet.Entry
	require.NoError(t, c.EachEntries(t.Context(), func(page []fleet.Entry) error {
		all = append(all, page...)
		return nil
	}))
	return all
}

func equal(t *testing.T, want, got fleet.Entry) {
	t.Helper()
	require.Empty(t, cmp.Diff(want, got, bySet...))
}

// One server serves all: each subtest has entries of its own.
func TestRegistrar(t *testing.T) {
	t.Parallel()
	srv := spiretest.StartServer(t, nil)
	c, td := dial(t, srv), srv.TrustDomain
	require.NoError(t, c.Healthy(t.Context()))
	t.Run("entries", func(t *testing.T) { testEntries(t, srv, c) })
	t.Run("agents", func(t *testing.T) { testAgents(t, srv, c) })
	t.Run("returns the bundle", func(t *testing.T) {
		authorities, err := c.Bundle(t.Context())
		require.NoError(t, err)
		require.Len(t, authorities, 1)
		require.True(t, authorities[0].IsCA)
		require.Equal(t, td.IDString(), authorities[0].URIs[0].String())
	})
	t.Run("comes back after the srv was restarted", func(t *testing.T) {
		require.NoError(t, srv.Process.Restart(t.Context(), nil))
		require.Eventually(t, func() bool { return c.Healthy(t.Context()) == nil }, 30*time.Second, 50*time.Millisecond)
	})
}

func testEntries(t *testing.T, srv *spiretest.Server, c *server.Client) {
	td := srv.TrustDomain
	t.Run("puts an entry twice", func(t *testing.T) {
		e := entry(td, "twice")
		require.NoError(t, c.PutEntry(t.Context(), e))
		require.NoError(t, c.PutEntry(t.Context(), e))
		equal(t, e, find(t, c, e.ID))
	})
	t.Run("puts changed fields", func(t *testing.T) {
		e := entry(td, "changed")
		require.NoError(t, c.PutEntry(t.Context(), e))
		for name, change := range map[string]func(*fleet.Entry){
			"DNS name":  func(e *fleet.Entry) { e.DNSName = identity.NewHostID().SVIDName() },
			"TTL":       func(e *fleet.Entry) { e.X509SVIDTTL = 30 * time.Minute },
			"selectors": func(e *fleet.Entry) { e.Selectors = []fleet.Selector{{Type: "systemd", Value: "id:x.service"}} },
			"SPIFFE ID": func(e *fleet.Entry) { e.SPIFFEID = spiffeid.RequireFromSegments(td, "connector", "other") },
			"parent ID": func(e *fleet.Entry) { e.ParentID = entry(td, "x").ParentID },
		} {
			change(&e)
			require.NoError(t, c.PutEntry(t.Context(), e), name)
			equal(t, e, find(t, c, e.ID))
		}
	})
	t.Run("writes nothing when the entry is equal in another order", func(t *testing.T) {
		e := entry(td, "unchanged")
		require.NoError(t, c.PutEntry(t.Context(), e))
		e.Selectors[0], e.Selectors[1] = e.Selectors[1], e.Selectors[0]
		require.NoError(t, c.PutEntry(t.Context(), e))
		raw, err := foreignEntries(t, srv).GetEntry(t.Context(), &entryv1.GetEntryRequest{Id: e.ID})
		require.NoError(t, err)
		require.Zero(t, raw.RevisionNumber)
	})
	t.Run("takes back privileges that somebody added", func(t *testing.T) {
		e := entry(td, "admin")
		require.NoError(t, c.PutEntry(t.Context(), e))
		raw := foreignEntries(t, srv)
		_, err := raw.BatchUpdateEntry(t.Context(), &entryv1.BatchUpdateEntryRequest{
			Entries: []*types.Entry{{Id: e.ID, Admin: true, DnsNames: []string{"a.example"}}}, InputMask: &types.EntryMask{Admin: true, DnsNames: true},
		})
		require.NoError(t, err)
		require.NoError(t, c.PutEntry(t.Context(), e))
		got, err := raw.GetEntry(t.Context(), &entryv1.GetEntryRequest{Id: e.ID})
		require.NoError(t, err)
		require.False(t, got.Admin)
		require.Empty(t, got.DnsNames)
	})
	t.Run("replaces a similar entry that is ours", func(t *testing.T) {
		old := entry(td, "similar")
		require.NoError(t, c.PutEntry(t.Context(), old))
		e := old
		e.ID += ".next"
		require.NoError(t, c.PutEntry(t.Context(), e))
		equal(t, e, find(t, c, e.ID))
		for _, have := range list(t, c) {
			require.NotEqual(t, old.ID, have.ID)
		}
	})
	t.Run("neither adopts nor deletes a similar entry that is not ours", func(t *testing.T) {
		e, other, raw := entry(td, "foreign"), entry(td, "foreign-too"), foreignEntries(t, srv)
		putForeign(t, raw, "operators-own", e)
		require.ErrorIs(t, c.PutEntry(t.Context(), e), server.ErrForeignEntry)
		require.NoError(t, c.PutEntry(t.Context(), other))
		e.ID = other.ID
		require.ErrorIs(t, c.PutEntry(t.Context(), e), server.ErrForeignEntry, "by an update neither")
		_, err := raw.GetEntry(t.Context(), &entryv1.GetEntryRequest{Id: "operators-own"})
		require.NoError(t, err)
		for _, have := range list(t, c) {
			require.NotEqual(t, "operators-own", have.ID, "a foreign entry is not listed")
		}
	})
	t.Run("deletes twice", func(t *testing.T) {
		e := entry(td, "deleted")
		require.NoError(t, c.PutEntry(t.Context(), e))
		require.NoError(t, c.DeleteEntry(t.Context(), e.ID))
		require.NoError(t, c.DeleteEntry(t.Context(), e.ID))
		for _, have := range list(t, c) {
			require.NotEqual(t, e.ID, have.ID)
		}
	})
	t.Run("does not delete what is not ours", func(t *testing.T) {
		require.ErrorIs(t, c.DeleteEntry(t.Context(), "operators-own"), server.ErrInvalidEntry)
	})
	t.Run("refuses", func(t *testing.T) { testRefusals(t, c, td) })
	t.Run("lists more than one page", func(t *testing.T) {
		var batch []*types.Entry
		for i := range 1100 {
			e := entry(td, fmt.Sprintf("many-%d", i))
			batch = append(batch, proto(e, e.ID))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := foreignEntries(t, srv).BatchCreateEntry(ctx, &entryv1.BatchCreateEntryRequest{Entries: batch})
		require.NoError(t, err)
		many := 0
		for _, e := range list(t, c) {
			if strings.HasPrefix(e.SPIFFEID.Path(), "/connector/many-") {
				many++
			}
		}
		require.Equal(t, len(batch), many)
		stop, pages := errors.New("enough"), 0
		require.ErrorIs(t, c.EachEntries(t.Context(), func(page []fleet.Entry) error {
			pages++
			require.LessOrEqual(t, len(page), 500)
			return stop
		}), stop)
		require.Equal(t, 1, pages, "no page is asked for in vain")
	})
	t.Run("lists the entries of one SPIFFE ID", func(t *testing.T) {
		a, b := entry(td, "of-one"), entry(td, "of-another")
		again := entry(td, "of-one") // of the same workload, on another host
		again.ID += ".again"
		for _, e := range []fleet.Entry{a, b, again} {
			require.NoError(t, c.PutEntry(t.Context(), e))
		}
		putForeign(t, foreignEntries(t, srv), "operators-of-one", fleet.Entry{SPIFFEID: a.SPIFFEID, ParentID: b.ParentID, Selectors: a.Selectors})
		got, err := c.EntriesOf(t.Context(), a.SPIFFEID)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([]fleet.Entry{a, again}, got, bySet...), "ours, and nobody else's")
		got, err = c.EntriesOf(t.Context(), spiffeid.RequireFromSegments(td, "connector", "never"))
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

func testRefusals(t *testing.T, c *server.Client, td spiffeid.TrustDomain) {
	other := spiffeid.RequireTrustDomainFromString("other.internal")
	for name, change := range map[string]func(*fleet.Entry){
		"an ID without our prefix":        func(e *fleet.Entry) { e.ID = "abc" },
		"an ID with a slash":              func(e *fleet.Entry) { e.ID += "/x" },
		"an ID with a colon":              func(e *fleet.Entry) { e.ID += ":x" },
		"an ID that is too long":          func(e *fleet.Entry) { e.ID += strings.Repeat("x", 255) },
		"no selectors":                    func(e *fleet.Entry) { e.Selectors = nil },
		"a TTL of half a second":          func(e *fleet.Entry) { e.X509SVIDTTL = time.Second / 2 },
		"a negative TTL":                  func(e *fleet.Entry) { e.X509SVIDTTL = -time.Second },
		"a SPIFFE ID of another domain":   func(e *fleet.Entry) { e.SPIFFEID = spiffeid.RequireFromSegments(other, "connector", "a") },
		"a parent of another domain":      func(e *fleet.Entry) { e.ParentID = entry(other, "a").ParentID },
		"a SPIFFE ID that is not a value": func(e *fleet.Entry) { e.SPIFFEID = spiffeid.ID{} },
	} {
		t.Run(name, func(t *testing.T) {
			e := entry(td, "refused")
			change(&e)
			require.ErrorIs(t, c.PutEntry(t.Context(), e), server.ErrInvalidEntry)
		})
	}
}

func proto(e fleet.Entry, id string) *types.Entry {
	p := &types.Entry{
		Id:       id,
		SpiffeId: &types.SPIFFEID{TrustDomain: e.SPIFFEID.TrustDomain().Name(), Path: e.SPIFFEID.Path()},
		ParentId: &types.SPIFFEID{TrustDomain: e.ParentID.TrustDomain().Name(), Path: e.ParentID.Path()},
	}
	for _, s := range e.Selectors {
		p.Selectors = append(p.Selectors, &types.Selector{Type: s.Type, Value: s.Value})
	}
	return p
}

func putForeign(t *testing.T, raw entryv1.EntryClient, id string, e fleet.Entry) {
	t.Helper()
	resp, err := raw.BatchCreateEntry(t.Context(), &entryv1.BatchCreateEntryRequest{Entries: []*types.Entry{proto(e, id)}})
	require.NoError(t, err)
	require.Zero(t, resp.Results[0].Status.Code, resp.Results[0].Status.Message)
}

func testAgents(t *testing.T, srv *spiretest.Server, c *server.Client) {
	t.Run("that never attested are not found", func(t *testing.T) {
		id := entry(srv.TrustDomain, "x").ParentID
		require.ErrorIs(t, c.BanAgent(t.Context(), id), fleet.ErrNotFound)
		_, err := c.Agent(t.Context(), id)
		require.ErrorIs(t, err, fleet.ErrNotFound)
	})
	t.Run("are banned by proof of possession host", func(t *testing.T) {
		host := identity.NewHostID()
		id, err := host.AgentID(srv.TrustDomain)
		require.NoError(t, err)
		agent, _ := spiretest.StartAgent(t, srv, func(a *conf.Agent, dir string) {
			a.X509POP = &conf.X509POP{PrivateKeyPath: filepath.Join(dir, "host.key"), CertificatePath: filepath.Join(dir, "host.crt")}
			srv.HostCA.WriteHost(t, host, srv.TrustDomain, a.X509POP.PrivateKeyPath, a.X509POP.CertificatePath)
		})
		a, err := c.Agent(t.Context(), id)
		require.NoError(t, err)
		require.False(t, a.Banned)
		require.NotEmpty(t, a.SerialNumber)
		require.WithinDuration(t, time.Now().Add(time.Hour), a.ExpiresAt, time.Minute)
		all, err := c.Agents(t.Context())
		require.NoError(t, err)
		require.Empty(t, cmp.Diff([]fleet.Agent{a}, all, bySet...))
		require.NoError(t, c.EachAgents(t.Context(), func(page []fleet.Agent) error {
			require.Empty(t, cmp.Diff(all, page, bySet...))
			return nil
		}))
		page, next, err := c.AgentPage(t.Context(), "")
		require.NoError(t, err)
		require.Len(t, page, 1)
		require.Empty(t, next, "SPIRE names a page after it, which is empty")

		require.NoError(t, c.BanAgent(t.Context(), id))
		require.NoError(t, c.BanAgent(t.Context(), id))
		a, err = c.Agent(t.Context(), id)
		require.NoError(t, err)
		require.True(t, a.Banned)
		require.NoError(t, c.EachAgents(t.Context(), func(page []fleet.Agent) error {
			require.Empty(t, page, "it is banned")
			return nil
		}))
		require.Eventually(t, func() bool { return agent.Status().Restarts > 0 }, 30*time.Second, 50*time.Millisecond, "the agent exits")
	})
	t.Run("attest by join token under the ID that was foretold", func(t *testing.T) {
		token, id, err := c.CreateJoinToken(t.Context(), time.Minute)
		require.NoError(t, err)
		spiretest.StartAgent(t, srv, func(a *conf.Agent, dir string) {
			a.JoinTokenFile = filepath.Join(dir, "join-token")
			spiretest.WriteFile(t, a.JoinTokenFile, []byte(token))
		})
		a, err := c.Agent(t.Context(), id)
		require.NoError(t, err)
		require.False(t, a.Banned)
		_, _, err = c.CreateJoinToken(t.Context(), time.Millisecond)
		require.Error(t, err, "a TTL that SPIRE would round to nothing")
	})
}
