package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth/oidc"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/events"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/policy"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/localsocket"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/sourcelimit"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/tracing"
	"github.com/sathiyaseelank-dot/grpccontroller/webadmin/ui"
)

// Limits of a request. The write timeout leaves a handler that ran into its
// deadline the time to say so.
const (
	maxBody        = 64 << 10
	maxHeader      = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	handlerTimeout = 20 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
	drainTimeout   = 10 * time.Second
)

// timeouts are those that tests change.
type timeouts struct{ read, write, ping, check, slowReader, drain time.Duration }

// Tokens creates, lists and revokes enrollment tokens.
type Tokens interface {
	// Create errors: *enroll.FieldError, enroll.ErrLiveMember.
	Create(ctx context.Context, r enroll.TokenRequest) (enroll.Token, string, error)
	// TokenPage errors: fleet.ErrPlace.
	TokenPage(ctx context.Context, q enroll.TokenQuery) (fleet.Page[enroll.Token], error)
	// Token errors: enroll.ErrTokenNotFound.
	Token(ctx context.Context, id string) (enroll.Token, error)
	// Revoke errors: enroll.ErrTokenNotFound.
	Revoke(ctx context.Context, id, actor, requestID, from string) error
}

// Requests are hosts that ask to be enrolled without a token.
type Requests interface {
	// RequestPage errors: fleet.ErrPlace.
	RequestPage(ctx context.Context, q enroll.RequestQuery) (fleet.Page[enroll.Request], error)
	// Request errors: enroll.ErrRequestNotFound.
	Request(ctx context.Context, id string) (enroll.Request, error)
	// Approve errors: those of Deny, enroll.ErrFingerprint, enroll.ErrLiveMember.
	Approve(ctx context.Context, v enroll.Verdict) (enroll.Request, error)
	// Deny errors: enroll.ErrRequestNotFound, enroll.ErrRequestDecided.
	Deny(ctx context.Context, v enroll.Verdict) (enroll.Request, error)
}

// Claims opens claim links.
type Claims interface {
	// OpenClaim errors: enroll.ErrClaimRefused.
	OpenClaim(ctx context.Context, o enroll.Opening) (enroll.Token, string, error)
}

// Fleet lists and revokes members.
type Fleet interface {
	// Lists are of this moment.
	Lists(ctx context.Context) (*fleet.Lists, error)
	// Connector, Tunneler and Host return one, or fleet.ErrNotFound; the last one with
	// its members.
	Connector(ctx context.Context, id string) (fleet.Connector, error)
	Tunneler(ctx context.Context, id string) (fleet.Tunneler, error)
	Host(ctx context.Context, id identity.HostID) (fleet.HostMembers, error)
	Networks(ctx context.Context) ([]fleet.Network, error)
	// Network errors: fleet.ErrNotFound.
	Network(ctx context.Context, id string) (fleet.Network, error)
	// CreateNetwork errors: *fleet.FieldError, fleet.ExistsError, fleet.ErrTooMany.
	CreateNetwork(ctx context.Context, text fleet.NetworkText, by fleet.By) (fleet.Network, error)
	// EditNetwork errors: *fleet.FieldError, fleet.ErrNotFound, fleet.ErrStale.
	EditNetwork(ctx context.Context, id string, e fleet.NetworkEdit, by fleet.By) (fleet.Network, error)
	// DeleteNetwork errors: fleet.ErrNotFound, fleet.ErrDefaultNetwork, *fleet.InUseError.
	DeleteNetwork(ctx context.Context, id string, by fleet.By) error
	// EditMember and EditHost errors: fleet.ErrNotFound, fleet.ErrGone, fleet.ErrStale,
	// *fleet.FieldError.
	EditMember(ctx context.Context, w identity.Workload, e fleet.Edit, by fleet.By) error
	EditHost(ctx context.Context, id identity.HostID, e fleet.Edit, by fleet.By) error
	// Revoke errors: fleet.ErrNotFound.
	Revoke(ctx context.Context, r fleet.Revocation) error
	// Labelled errors: fleet.ErrNoLabels, fleet.ErrBulk.
	Labelled(ctx context.Context, labels []access.Label, kind identity.Kind) (fleet.Selection, error)
	// RevokeLabelled errors: those of Labelled, fleet.ErrSelection.
	RevokeLabelled(ctx context.Context, b fleet.BulkRevocation) ([]fleet.Member, error)
}

// Rules are the resources and grants; policy.Rules is it. Errors of all: fleet.ErrNotFound,
// and of changes *access.FieldError joined and fleet.ErrStale too.
type Rules interface {
	Resource(ctx context.Context, id string) (policy.Resource, error)
	// Resources errors: fleet.ErrPlace.
	Resources(ctx context.Context, q policy.ResourceQuery) (fleet.Page[policy.Resource], error)
	// CreateResource errors: fleet.ExistsError, policy.ErrTooManyResources.
	CreateResource(ctx context.Context, text access.ResourceText, by fleet.By) (policy.Resource, error)
	EditResource(ctx context.Context, id string, e policy.ResourceEdit, by fleet.By) (policy.Resource, error)
	// DeleteResource errors: *policy.GrantedError.
	DeleteResource(ctx context.Context, id string, by fleet.By) error
	Grant(ctx context.Context, id string) (policy.Grant, error)
	// Grants errors: fleet.ErrPlace.
	Grants(ctx context.Context, q policy.GrantQuery) (fleet.Page[policy.Grant], error)
	// CreateGrant errors: fleet.ExistsError, policy.ErrTooManyGrants.
	CreateGrant(ctx context.Context, text access.GrantText, by fleet.By) (policy.Grant, error)
	EditGrant(ctx context.Context, id string, e policy.GrantEdit, by fleet.By) (policy.Grant, error)
	DeleteGrant(ctx context.Context, id string, by fleet.By) error
	// Changes of all of these and of the fleet have the error *policy.BrokenError.
	Test(ctx context.Context, id string) (policy.TestResult, error)
	// Tests errors: fleet.ErrPlace.
	Tests(ctx context.Context, q policy.TestQuery) (fleet.Page[policy.TestResult], error)
	// CreateTest errors: fleet.ExistsError, policy.ErrTooManyTests.
	CreateTest(ctx context.Context, text policy.TestText, by fleet.By) (policy.TestResult, error)
	EditTest(ctx context.Context, id string, e policy.TestEdit, by fleet.By) (policy.TestResult, error)
	DeleteTest(ctx context.Context, id string, by fleet.By) error
	Export(ctx context.Context) (policy.Document, error)
	// Plan and Apply errors: policy.ErrPlan, and all of the others.
	Plan(ctx context.Context, a policy.Application) (policy.Plan, error)
	Apply(ctx context.Context, a policy.Application, by fleet.By) (policy.Plan, error)
	// Explain errors: fleet.ErrNotFound for the network.
	Explain(ctx context.Context, q policy.Question) (policy.Answer, error)
}

// Bootstrap drives the replacement of the bootstrap CA; anchors.Manager is it.
type Bootstrap interface {
	Report(ctx context.Context) (anchors.Report, error)
	// Preview changes nothing. Errors: as Start.
	Preview(ctx context.Context, q anchors.Request) (anchors.Preview, error)
	// Start errors: anchors.ErrRunning, ErrExternal, ErrDeadline.
	Start(ctx context.Context, q anchors.Request) (anchors.Record, error)
	// Abort errors: anchors.ErrNone, ErrTooLate.
	Abort(ctx context.Context, q anchors.Request) (anchors.Record, error)
}

// Rotations drives CA rotations; rotation.Manager is it.
type Rotations interface {
	Report(ctx context.Context) (rotation.Report, error)
	// Preview and Start errors: *rotation.OptionError, rotation.ErrUpstream, rotation.ErrRunning.
	Preview(ctx context.Context, o rotation.Options) (rotation.Preview, error)
	Start(ctx context.Context, q rotation.Request) (rotation.Rotation, error)
	// Resume errors: rotation.ErrNone, rotation.ErrNotStuck, rotation.ErrUpstream.
	Resume(ctx context.Context, q rotation.Request) (rotation.Rotation, error)
	// Abort errors: rotation.ErrNone, rotation.ErrTooLate.
	Abort(ctx context.Context, q rotation.Request) (rotation.Rotation, error)
}

// Authenticator says who holds an API key.
type Authenticator interface {
	// Authenticate errors: *auth.RefusedError; others mean it cannot be known now.
	Authenticate(ctx context.Context, bearer string) (auth.Principal, error)
}

// OIDC is sign-in with an identity provider; oidc.Provider is it.
type OIDC interface {
	// Start errors: oidc.ErrUnavailable, oidc.ErrReturnTo.
	Start(ctx context.Context, b oidc.Begin) (authURL, cookie string, err error)
	// Finish errors: oidc.ErrRefused, oidc.ErrUnavailable.
	Finish(ctx context.Context, cookie string, q url.Values) (oidc.Finished, error)
}

// Config configures New.
type Config struct {
	// Listen is "host:port"; port 0 picks a free one. Without TLS it must be a
	// loopback address.
	Listen string
	// TLS serves HTTPS; nil serves plain HTTP.
	TLS *tls.Config
	// InsecureListen permits plain HTTP beyond loopback, for a proxy that has TLS.
	InsecureListen bool
	// Caps of the connections; an authenticated one counts for its caller. The zero
	// value is for some hundred people.
	Caps sourcelimit.Caps
	// Local is the local admin socket, nil without one. LocalCaps are those of its
	// connections; the zero value is for some programs.
	Local     *localsocket.Listener
	LocalCaps sourcelimit.Caps
	// PublicURL is how people reach the dashboard, such as
	// "https://controller.example.com"; empty is the listener's address.
	PublicURL string
	// Hosts are further names that requests may be for.
	Hosts []string
	// Secure says that browsers come by HTTPS. New sets it if there is TLS or
	// PublicURL says so.
	Secure bool
	// Identity is who may call and how they sign in.
	Identity *auth.Auth
	// OIDC is nil without an identity provider; OIDCName is what people call it.
	OIDC        OIDC
	OIDCName    string
	Tokens      Tokens
	Requests    Requests
	Claims      Claims
	Fleet       Fleet
	Rules       Rules
	Rotations   Rotations
	Bootstrap   Bootstrap
	Attention   Attention
	Trail       Trail
	Flows       Flows
	Auth        Authenticator
	TrustDomain spiffeid.TrustDomain
	Version     string
	// Events are streamed, Series is charted.
	Events *events.Hub
	Series *fleet.Series
	// Replays keeps what Idempotency-Keys stand for.
	Replays replay.Store
	// Settings are shown as they are.
	Settings adminapi.Settings
	// OutageBudget is shown with the CA.
	OutageBudget adminapi.OutageBudget
	// Install renders the commands that enroll a host with a new token, the best
	// first. handed is what Create returned.
	Install func(t enroll.Token, handed string) []adminapi.InstallCommand
	// Enrollment is what a host needs before it is enrolled.
	Enrollment func() adminapi.Enrollment
	// Audit records a refused caller; nil only logs it. It is called at most as
	// often as failures allow, so refusals cannot fill a disk.
	Audit func(ctx context.Context, e audit.Event) error
	// Tracer traces requests; the zero one does not.
	Tracer tracing.Tracer
	Log    *zap.Logger
	Now    func() time.Time
}

// Server serves the admin API.
type Server struct {
	cfg      Config
	log      *zap.Logger
	hot      *zap.Logger // of lines that come with every request
	table    map[string]operation
	failures *failures
	replays  *replay.Keys
	claims   *failures // openings of claim links
	engine   *gin.Engine
	listener *sourcelimit.Listener
	local    *sourcelimit.Listener // nil without a local admin socket
	hosts    map[string]bool       // nil takes any
	// dashboard is the web application.
	dashboard *dashboard
	// stopping is closed when Run is about to end: streams end then.
	stopping chan struct{}
	timeouts timeouts
}

// New opens the listener, so that a port in use fails at start; it serves once
// Run is called.
func New(c Config) (*Server, error) {
	c.Secure = c.Secure || c.TLS != nil || strings.HasPrefix(c.PublicURL, "https://")
	plain := c.TLS == nil && !c.InsecureListen
	if plain {
		if err := checkLoopback(c.Listen); err != nil {
			return nil, err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("admin listener: %w", err)
	}
	// "localhost" is whatever the resolver says; the socket knows the truth.
	if addr, ok := l.Addr().(*net.TCPAddr); plain && (!ok || !addr.IP.IsLoopback()) {
		_ = l.Close()
		return nil, notLoopback(c.Listen)
	}
	s := &Server{
		cfg: c, log: c.Log.Named("admin"), hot: logging.Hot(c.Log.Named("admin")), failures: newFailures(c.Now), claims: newFailures(c.Now), listener: sourcelimit.NewListener(l, capsOf(c)),
		replays: replay.New(c.Replays, c.Now), stopping: make(chan struct{}), dashboard: newDashboard(ui.Files()),
		timeouts: timeouts{read: readTimeout, write: writeTimeout, ping: pingEvery, check: checkEvery, slowReader: slowReader, drain: drainTimeout},
	}
	if c.Local != nil {
		s.local = sourcelimit.NewListener(c.Local, localCapsOf(c))
	}
	s.hosts = s.ownHosts()
	s.table = tableOf(s.operations())
	s.engine = s.newEngine()
	return s, nil
}

// perCaller is how many connections one caller may have: a browser has six, or one,
// and each of its tabs a stream of events. More of them count as a stranger's.
const perCaller = 64

func capsOf(c Config) sourcelimit.Caps {
	caps := c.Caps
	if caps == (sourcelimit.Caps{}) {
		caps = sourcelimit.Caps{Most: 1024, Anonymous: 512, AnonymousFrom: 256}
	}
	caps.PerIdentity = perCaller
	return caps
}

func localCapsOf(c Config) sourcelimit.Caps {
	caps := c.LocalCaps
	if caps == (sourcelimit.Caps{}) {
		caps = sourcelimit.Caps{Most: 128, Anonymous: 32, AnonymousFrom: 16}
	}
	caps.PerIdentity = perCaller
	return caps
}

func checkLoopback(listen string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("admin listener: %w", err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.Unmap().IsLoopback() {
		return notLoopback(listen)
	}
	return nil
}

func notLoopback(listen string) error {
	return fmt.Errorf("admin listener: %q is not a loopback address, and without TLS passwords and keys would cross the network readable; "+
		"set admin.tls_cert and admin.tls_key or admin.acme, use 127.0.0.1:8080, or set admin.insecure_listen behind a proxy that has TLS", listen)
}

// Addr is the actual address of the listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Connections are those of the listener.
func (s *Server) Connections() *sourcelimit.Listener { return s.listener }

// LocalConnections are those of the local admin socket, nil without one.
func (s *Server) LocalConnections() *sourcelimit.Listener { return s.local }

// Handler is the API without the listener.
func (s *Server) Handler() http.Handler { return s.engine }

// Close frees the listeners of a server that will not run.
func (s *Server) Close() error {
	if s.local == nil {
		return s.listener.Close()
	}
	return errors.Join(s.listener.Close(), s.local.Close())
}
