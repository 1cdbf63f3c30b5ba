package app_test

import (
	"context"
	"crypto/x509"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	agentv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/agent/v1"
	bundlev1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/bundle/v1"
	entryv1 "github.com/spiffe/spire-api-sdk/proto/spire/api/server/entry/v1"
	"github.com/spiffe/spire-api-sdk/proto/spire/api/types"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls/mtlstest"
)

// fakeSPIRE is a spire-server's admin socket and an agent's Workload API in memory:
// as much of them as the controller's wiring shows.
type fakeSPIRE struct {
	entryv1.UnimplementedEntryServer
	agentv1.UnimplementedAgentServer
	bundlev1.UnimplementedBundleServer
	workload.UnimplementedSpiffeWorkloadAPIServer

	domain  spiffeid.TrustDomain
	ca      *mtlstest.CA
	own     *workload.X509SVIDResponse
	entries chan map[string]*types.Entry // one map, held by whoever works with it
	listed  atomic.Int32                 // full lists of entries
}

// serve listens on both sockets until the test ends.
func serveSPIRE(t *testing.T, id spiffeid.ID) (spire *fakeSPIRE, admin, api string) {
	t.Helper()
	ca := mtlstest.NewCA(t, id.TrustDomain())
	svid := ca.SVID(t, id.String())
	key, err := x509.MarshalPKCS8PrivateKey(svid.PrivateKey)
	require.NoError(t, err)
	s := &fakeSPIRE{domain: id.TrustDomain(), ca: ca, entries: make(chan map[string]*types.Entry, 1), own: &workload.X509SVIDResponse{Svids: []*workload.X509SVID{{
		SpiffeId: id.String(), X509Svid: svid.Certificates[0].Raw, X509SvidKey: key, Bundle: ca.Authority().Raw,
	}}}}
	s.entries <- map[string]*types.Entry{}
	dir := shortDir(t)
	admin, api = filepath.Join(dir, "admin.sock"), filepath.Join(dir, "api.sock")
	for path, register := range map[string]func(*grpc.Server){
		admin: func(g *grpc.Server) {
			entryv1.RegisterEntryServer(g, s)
			agentv1.RegisterAgentServer(g, s)
			bundlev1.RegisterBundleServer(g, s)
			healthv1.RegisterHealthServer(g, health.NewServer())
		},
		api: func(g *grpc.Server) { workload.RegisterSpiffeWorkloadAPIServer(g, s) },
	} {
		lis, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
		require.NoError(t, err)
		g := grpc.NewServer()
		register(g)
		done := make(chan struct{})
		go func() { defer close(done); _ = g.Serve(lis) }()
		t.Cleanup(func() { g.Stop(); <-done })
	}
	return s, admin, api
}

// Entries are the ids of the entries that there are.
func (s *fakeSPIRE) Entries() (ids []string) {
	s.with(func(all map[string]*types.Entry) {
		for id := range all {
			ids = append(ids, id)
		}
	})
	return ids
}

func (s *fakeSPIRE) with(use func(map[string]*types.Entry)) {
	all := <-s.entries
	defer func() { s.entries <- all }()
	use(all)
}

// ListEntries implements entryv1.EntryServer.
func (s *fakeSPIRE) ListEntries(_ context.Context, r *entryv1.ListEntriesRequest) (*entryv1.ListEntriesResponse, error) {
	out := &entryv1.ListEntriesResponse{}
	filter := r.GetFilter()
	if filter.GetBySelectors() != nil { // for a similar entry; there is none
		return out, nil
	}
	if filter == nil {
		s.listed.Add(1)
	}
	s.with(func(all map[string]*types.Entry) {
		for _, e := range all {
			if id := filter.GetBySpiffeId(); id == nil || id.GetPath() == e.GetSpiffeId().GetPath() {
				out.Entries = append(out.Entries, e)
			}
		}
	})
	return out, nil
}

// GetEntry implements entryv1.EntryServer.
func (s *fakeSPIRE) GetEntry(_ context.Context, r *entryv1.GetEntryRequest) (e *types.Entry, err error) {
	s.with(func(all map[string]*types.Entry) { e = all[r.GetId()] })
	if e == nil {
		err = status.Error(codes.NotFound, "no such entry")
	}
	return e, err
}

// BatchCreateEntry implements entryv1.EntryServer.
func (s *fakeSPIRE) BatchCreateEntry(_ context.Context, r *entryv1.BatchCreateEntryRequest) (*entryv1.BatchCreateEntryResponse, error) {
	out := &entryv1.BatchCreateEntryResponse{}
	s.with(func(all map[string]*types.Entry) {
		for _, e := range r.GetEntries() {
			code := codes.OK
			if all[e.GetId()] != nil {
				code = codes.AlreadyExists
			}
			all[e.GetId()] = e
			out.Results = append(out.Results, &entryv1.BatchCreateEntryResponse_Result{Status: &types.Status{Code: int32(code)}, Entry: e})
		}
	})
	return out, nil
}

// BatchDeleteEntry implements entryv1.EntryServer.
func (s *fakeSPIRE) BatchDeleteEntry(_ context.Context, r *entryv1.BatchDeleteEntryRequest) (*entryv1.BatchDeleteEntryResponse, error) {
	out := &entryv1.BatchDeleteEntryResponse{}
	s.with(func(all map[string]*types.Entry) {
		for _, id := range r.GetIds() {
			delete(all, id)
			out.Results = append(out.Results, &entryv1.BatchDeleteEntryResponse_Result{Status: &types.Status{}, Id: id})
		}
	})
	return out, nil
}

// GetAgent implements agentv1.AgentServer: no host ever attests here.
func (s *fakeSPIRE) GetAgent(context.Context, *agentv1.GetAgentRequest) (*types.Agent, error) {
	return nil, status.Error(codes.NotFound, fleet.ErrNotFound.Error())
}

// BanAgent implements agentv1.AgentServer.
func (s *fakeSPIRE) BanAgent(context.Context, *agentv1.BanAgentRequest) (*emptypb.Empty, error) {
	return nil, status.Error(codes.NotFound, fleet.ErrNotFound.Error())
}

// ListAgents implements agentv1.AgentServer.
func (s *fakeSPIRE) ListAgents(context.Context, *agentv1.ListAgentsRequest) (*agentv1.ListAgentsResponse, error) {
	return &agentv1.ListAgentsResponse{}, nil
}

// GetBundle implements bundlev1.BundleServer.
func (s *fakeSPIRE) GetBundle(context.Context, *bundlev1.GetBundleRequest) (*types.Bundle, error) {
	return &types.Bundle{TrustDomain: s.ca.TrustDomain().Name(), X509Authorities: []*types.X509Certificate{{Asn1: s.ca.Authority().Raw}}}, nil
}

// FetchX509SVID implements workload.SpiffeWorkloadAPIServer.
func (s *fakeSPIRE) FetchX509SVID(_ *workload.X509SVIDRequest, stream workload.SpiffeWorkloadAPI_FetchX509SVIDServer) error {
	if err := stream.Send(s.own); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}
