package control

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
)

// Redeemer spends tokens; enroll.Service is it.
type Redeemer interface {
	Redeem(ctx context.Context, r enroll.Redemption) (enroll.Enrollment, error)
}

// Renewer signs the keys of enrolled hosts again; enroll.Service is it.
type Renewer interface {
	Renew(ctx context.Context, r enroll.Renewal) ([]byte, error)
}

// Anchors is the bootstrap CA as it is sent to hosts; bootstrapca.CA is it.
type Anchors interface {
	// Anchors are in force, the first one signs; Crosses vouch for one of them by its
	// predecessor.
	Anchors() []*x509.Certificate
	Crosses() []*x509.Certificate
	// Due says that a host certificate is to be renewed.
	Due(host *x509.Certificate) bool
}

// Bundles reads the trust bundle from the SPIRE server.
type Bundles interface {
	Bundle(ctx context.Context) ([]*x509.Certificate, error)
}

// Hosts knows the hosts that are enrolled, and who is on them; store.Store is it.
type Hosts interface {
	HostStanding(ctx context.Context, id identity.HostID) (known bool, live []identity.Workload, err error)
}

// Snapshots gives the newest policy.
type Snapshots interface {
	Current() *policy.Snapshot
	Refresh(ctx context.Context) error
	Signal
}

// Endpoints are the public addresses of this controller. Both are empty while it
// does not know at which address hosts reach it.
type Endpoints struct {
	SPIREServer  string   // host:port
	ControlPlane []string // host:port
}

// Enrollment serves EnrollmentService.
type Enrollment struct {
	zerotrustv1.UnimplementedEnrollmentServiceServer
	TrustDomain spiffeid.TrustDomain
	Redeemer    Redeemer
	Requests    Requests
	Bundles     Bundles
	Hosts       Hosts // nil: no host learns its standing
	Renewer     Renewer
	Anchors     Anchors // nil: no host receives the bootstrap CA
	// Shown is called with what an enrolled host shows, and the SHA-256 of each bootstrap CA that
	// it trusts. Optional.
	Shown  func(host identity.HostID, shows *x509.Certificate, trusts [][]byte)
	Policy Snapshots
	// Recall keeps hosts from being enrolled, and their certificates from being renewed.
	Recall Recall
	// Timeline is as that of ControlPlane.
	Timeline func() uint64
	// Recovery is as that of ControlPlane.
	Recovery Recovery
	// Endpoints says what they are now.
	Endpoints func() Endpoints
	// Result is called with how each Enroll ended, one of EnrollResults. Optional.
	Result func(result string)
	// Install answers the HTTP/1.1 clients of this listener, the install service.
	Install http.Handler
	// Failing is why the listener is of no use now, for gRPC health; see rpcauth.HealthConfig.
	Failing func(context.Context) error
	// Stopping is closed at shutdown: hosts that wait go elsewhere.
	Stopping <-chan struct{}
	Log      *zap.Logger

	listener func(*tls.ClientHelloInfo) (*tls.Certificate, error) // set by NewEnrollmentServer
	awaiting *sourcelimit.Turnstile                               // so too
	unsaid   logging.Condition                                    // no host learns how it stands

	receiving sync.WaitGroup // goroutines that read a stream
}

// standingTimeout leaves time for an answer before the host gives up, which is after 5 s.
const standingTimeout = 2 * time.Second

// How an Enroll can end, beside the refusals of enroll.Refusals.
const (
	enrolled = "enrolled" // a retry by the same key too
	invalid  = "invalid"  // the request makes no sense
	failed   = "failed"   // we could not
)

// EnrollResults lists what Enrollment.Result may be called with.
func EnrollResults() []string {
	return append([]string{enrolled, invalid, failed}, enroll.Refusals()...)
}

func enrollResult(err error) string {
	var field *enroll.FieldError
	switch why := enroll.RefusalOf(err); {
	case why != "":
		return why
	case err == nil:
		return enrolled
	case errors.As(err, &field):
		return invalid
	default:
		return failed
	}
}

// Enroll implements EnrollmentService.
func (e *Enrollment) Enroll(ctx context.Context, req *zerotrustv1.EnrollRequest) (*zerotrustv1.EnrollResponse, error) {
	out, err := e.enroll(ctx, req)
	if e.Result != nil {
		e.Result(enrollResult(err))
	}
	if err != nil {
		return nil, toStatus(ctx, err, e.Log)
	}
	return out, nil
}

func (e *Enrollment) enroll(ctx context.Context, req *zerotrustv1.EnrollRequest) (*zerotrustv1.EnrollResponse, error) {
	r := enroll.Redemption{
		Secret:    req.GetToken(),
		Workload:  identity.Workload{Kind: kindFromProto(req.GetKind()), ID: req.GetId()},
		CSR:       req.GetCsr(),
		Ephemeral: req.GetEphemeral(),
		RequestID: logging.RequestOf(ctx).ID,
		Facts:     factsFromProto(req.GetHost()),
	}
	r.Source, r.HostCertificate = hostPeer(ctx)
	if err := e.reachable(); err != nil {
		return nil, err // before the token is spent
	}
	if closed(e.Recall) {
		return nil, errRecall
	}
	got, err := e.Redeemer.Redeem(ctx, r)
	if err != nil {
		return nil, err
	}
	return e.reply(ctx, got)
}

func factsFromProto(f *zerotrustv1.HostFacts) enroll.Facts {
	return enroll.Facts{
		BinaryPath: f.GetBinaryPath(), UID: f.GetUid(), SystemdUnit: f.GetSystemdUnit(), Hostname: f.GetHostname(), Version: f.GetVersion(),
	}
}

// errNoAddress is for the host too: whoever stands before it may know the operator.
var errNoAddress = errors.New("the controller does not know at which address hosts reach it; its operator has to set public_address")

// reachable refuses to enroll a host to which no address of SPIRE can be sent.
func (e *Enrollment) reachable() error {
	if e.Endpoints().SPIREServer == "" {
		return errNoAddress
	}
	return nil
}

// reply is what an enrolled host gets, however it was enrolled.
func (e *Enrollment) reply(ctx context.Context, got enroll.Enrollment) (*zerotrustv1.EnrollResponse, error) {
	if err := e.reachable(); err != nil {
		return nil, err
	}
	bundle, err := e.bundle(ctx)
	if err != nil {
		return nil, err
	}
	// The first directory must already name what was enrolled a moment ago.
	if err := e.Policy.Refresh(ctx); err != nil {
		return nil, err
	}
	return &zerotrustv1.EnrollResponse{
		TrustDomain: e.TrustDomain.Name(), SpiffeId: got.SPIFFEID.String(), HostId: string(got.HostID),
		HostCertificate: got.HostCertificate, JoinToken: got.JoinToken, Bundle: bundle,
		ControlPlaneAddresses: e.Endpoints().ControlPlane,
		Directory:             firstDirectory(e.Policy.Current(), timelineOf(e.Timeline), e.Endpoints()),
		Timeline:              firstTimeline(e.Recovery),
	}, nil
}

// FetchBundle implements EnrollmentService.
func (e *Enrollment) FetchBundle(ctx context.Context, req *zerotrustv1.FetchBundleRequest) (*zerotrustv1.FetchBundleResponse, error) {
	bundle, err := e.bundle(ctx)
	if err != nil {
		return nil, toStatus(ctx, err, e.Log)
	}
	out := &zerotrustv1.FetchBundleResponse{
		Bundle: bundle, ControlPlaneAddresses: e.Endpoints().ControlPlane, ControllerTime: timestamppb.Now(), Host: e.standingOrNil(ctx),
	}
	if e.Anchors == nil {
		return out, nil
	}
	for _, c := range e.Anchors.Anchors() {
		out.BootstrapAnchors = append(out.BootstrapAnchors, c.Raw)
	}
	for _, c := range e.Anchors.Crosses() {
		out.BootstrapCrosses = append(out.BootstrapCrosses, c.Raw)
	}
	if _, cert := hostPeer(ctx); cert != nil && out.GetHost().GetKnown() {
		out.Host.Renew = e.Anchors.Due(cert)
		e.noteShown(cert, req.GetTrustedAnchors())
	}
	return out, nil
}

// maxTrusted bounds what a host can say of the anchors that it trusts.
const maxTrusted = 8

func (e *Enrollment) noteShown(shows *x509.Certificate, trusts [][]byte) {
	id, err := identity.HostFromCertificate(shows, e.TrustDomain)
	if err != nil || e.Shown == nil || len(trusts) > maxTrusted {
		return
	}
	for _, t := range trusts {
		if len(t) != sha256.Size {
			return
		}
	}
	e.Shown(id, shows, trusts)
}

// RenewHostCertificate implements EnrollmentService.
func (e *Enrollment) RenewHostCertificate(ctx context.Context, req *zerotrustv1.RenewHostCertificateRequest) (*zerotrustv1.RenewHostCertificateResponse, error) {
	if closed(e.Recall) {
		return nil, errRecall
	}
	if e.Renewer == nil {
		return nil, status.Error(codes.Unimplemented, "host certificates are not renewed here")
	}
	r := enroll.Renewal{Signature: req.GetSignature(), RequestID: logging.RequestOf(ctx).ID}
	r.Source, _ = hostPeer(ctx)
	var err error
	if r.Exporter, err = exporter(ctx); err == nil {
		r.HostID, err = identity.ParseHostID(req.GetHostId())
	}
	if err != nil || len(r.Signature) > keys.MaxSignature {
		return nil, toStatus(ctx, enroll.ErrRenewalRefused, e.Log)
	}
	der, err := e.Renewer.Renew(ctx, r)
	if err != nil {
		return nil, toStatus(ctx, err, e.Log)
	}
	return &zerotrustv1.RenewHostCertificateResponse{HostCertificate: der}, nil
}

// standingOrNil leaves it out while the database fails: a host needs its bundle more, and
// without one it takes the controller for gone and restarts its agent later.
func (e *Enrollment) standingOrNil(ctx context.Context) *zerotrustv1.HostStanding {
	within, cancel := context.WithTimeout(ctx, standingTimeout)
	defer cancel()
	standing, err := e.standing(within)
	switch {
	case ctx.Err() != nil: // the caller has gone
	case err != nil:
		e.unsaid.Fails(e.Log, zap.WarnLevel, "cannot answer hosts whether they are enrolled: the database does not answer", err)
	case standing != nil:
		e.unsaid.Over(e.Log, "the database answers again whether hosts are enrolled")
	}
	return standing
}

// standing is what a host learns about itself, nil for a caller that proved to be none.
func (e *Enrollment) standing(ctx context.Context) (*zerotrustv1.HostStanding, error) {
	_, cert := hostPeer(ctx)
	if cert == nil || e.Hosts == nil {
		return nil, nil //nolint:nilnil // a caller without a certificate learns nothing
	}
	id, err := identity.HostFromCertificate(cert, e.TrustDomain)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // as above; the handshake refuses such a certificate
	}
	known, live, err := e.Hosts.HostStanding(ctx, id)
	if err != nil {
		return nil, err
	}
	out := &zerotrustv1.HostStanding{Known: known}
	for _, w := range live {
		member, err := w.SPIFFEID(e.TrustDomain)
		if err != nil {
			return nil, err
		}
		out.SpiffeIds = append(out.SpiffeIds, member.String())
	}
	return out, nil
}

// How often agents ask the SPIRE server. A CA rotation waits for it three times. Each
// question costs the server about 1.5 ms (ADR 0037), so only a small fleet asks often.
const (
	syncSoon, syncLate = time.Second, 2 * time.Second
	syncPerMember      = 5 * time.Millisecond
)

// syncInterval is that of a host that is here now. Those that came when the fleet was
// smaller keep theirs until their agents start again.
func syncInterval(members int) time.Duration {
	return min(max(time.Duration(members)*syncPerMember, syncSoon), syncLate)
}

func (e *Enrollment) bundle(ctx context.Context) (*zerotrustv1.BundleInfo, error) {
	authorities, err := e.Bundles.Bundle(ctx)
	if err != nil {
		return nil, err
	}
	now := e.Policy.Current()
	info := &zerotrustv1.BundleInfo{
		SpireServerAddress: e.Endpoints().SPIREServer,
		AgentSyncInterval:  durationpb.New(syncInterval(now.Connectors.Len() + now.Tunnelers.Len())),
	}
	for _, a := range authorities {
		info.X509Authorities = append(info.X509Authorities, a.Raw)
	}
	return info, nil
}

// hostPeer is the address of the caller and, where it presented one, its host
// certificate, whose chain and shape the handshake has verified.
func hostPeer(ctx context.Context) (netip.AddrPort, *x509.Certificate) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return netip.AddrPort{}, nil
	}
	// An address that does not parse is the zero one, which no source rule matches.
	addr, _ := netip.ParseAddrPort(p.Addr.String())
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.VerifiedChains) == 0 {
		return addr, nil
	}
	return addr, info.State.PeerCertificates[0]
}
