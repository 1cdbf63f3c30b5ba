package enrollclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/rpcauth"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
	"github.com/sathiyaseelank-dot/grpccontroller/spire/hostagent"
)

const (
	// DefaultTimeout bounds an enrollment with all its retries.
	DefaultTimeout = time.Minute
	// attemptTimeout bounds one try. The controller holds its reply back until the
	// SPIRE server serves the new entry.
	attemptTimeout = 20 * time.Second
	// clockTimeout bounds the question what time it is.
	clockTimeout = 5 * time.Second
	// maxWait between two tries: somebody is watching.
	maxWait = 5 * time.Second
	// maxReply bounds what the listener can make us hold.
	maxReply = 1 << 20
)

// ErrRefused is the one answer to every token that is not good.
var ErrRefused = errors.New("the controller refused this token: it may be wrong, spent, expired, revoked or for another id; ask for a new one")

// Config configures a Client.
type Config struct {
	// Address of the enrollment listener, host:port.
	Address string
	Anchors *x509.CertPool
	// Trusted are the certificates of Anchors, for the host's report. Optional.
	Trusted     []*x509.Certificate
	TrustDomain spiffeid.TrustDomain
	// Host is shown to the controller by FetchOffer, which then says how this host stands
	// with it. Optional.
	Host *tls.Certificate
	// Timeout defaults to DefaultTimeout.
	Timeout time.Duration
	// Progress receives what a person who waits wants to know. Optional.
	Progress func(string)
}

// Client calls EnrollmentService.
type Client struct {
	cfg   Config
	dials []grpc.DialOption // of tests
}

// New checks the configuration.
func New(cfg Config) (*Client, error) {
	if host, port, err := net.SplitHostPort(cfg.Address); err != nil || host == "" || port == "" {
		return nil, fmt.Errorf("controller address %q must be host:port: check CONTROLLER_ADDR", cfg.Address)
	}
	if cfg.Anchors == nil || cfg.TrustDomain.IsZero() {
		return nil, errors.New("enrollment needs Anchors and TrustDomain")
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = DefaultTimeout
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	return &Client{cfg: cfg}, nil
}

// Offer is what a controller sends to every host that asks, without the addresses that
// a host may not take from it.
type Offer struct {
	Bundle       hostagent.Bundle
	ControlPlane []string // host:port each
	// Anchors are the bootstrap CAs in force, of which the first one signs; those that
	// the host has where the controller sent none. AnchorsErr is why they are not taken.
	Anchors    []*x509.Certificate
	AnchorsErr error
	// Renew: the controller asks the host to renew its certificate.
	Renew bool
}

// FetchBundle asks once for the trust bundle and the address of the SPIRE server,
// which is empty if the controller sent none that a host may take from it.
func (c *Client) FetchBundle(ctx context.Context) (hostagent.Bundle, error) {
	offer, err := c.FetchOffer(ctx)
	return offer.Bundle, err
}

// FetchOffer asks once for all that a host needs of its controller. An error of the
// TLS handshake is an UntrustedError.
func (c *Client) FetchOffer(ctx context.Context) (Offer, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	asked := time.Now()
	reply, from, err := c.fetch(ctx, c.cfg.Host)
	var untrusted *UntrustedError
	turnedAway := c.cfg.Host != nil && errors.As(err, &untrusted) && untrusted.Ours
	if turnedAway { // the bundle is for everybody
		asked = time.Now()
		reply, from, err = c.fetch(ctx, nil)
	}
	if err != nil {
		return Offer{}, fmt.Errorf("fetch the trust bundle from %s: %w", c.cfg.Address, health.SuspectClock(err, time.Now()))
	}
	answered := time.Now()
	refused := acceptableServer(reply.GetBundle(), from)
	bundle, err := parseBundle(reply.GetBundle())
	bundle.Refused = refused
	bundle.Standing, bundle.Members = standing(reply.GetHost()), reply.GetHost().GetSpiffeIds()
	if turnedAway {
		bundle.Standing = hostagent.StandingUnknown
	}
	if theirs := reply.GetControllerTime(); theirs.CheckValid() == nil {
		ahead := health.ClockBetween(asked, answered, theirs.AsTime())
		bundle.Clock = &ahead
	}
	out := Offer{
		Bundle: bundle, ControlPlane: controlclient.Acceptable(reply.GetControlPlaneAddresses(), from),
		// Turned away with its certificate: it has ended, or its CA was replaced.
		Renew: turnedAway || reply.GetHost().GetRenew(),
	}
	out.Anchors, out.AnchorsErr = bootstrap.Successors(c.cfg.Trusted, reply.GetBootstrapAnchors(), reply.GetBootstrapCrosses())
	return out, err
}

func (c *Client) fetch(ctx context.Context, host *tls.Certificate) (reply *zerotrustv1.FetchBundleResponse, from net.Addr, err error) {
	from, err = c.call(host, func(api zerotrustv1.EnrollmentServiceClient) (err error) {
		req := &zerotrustv1.FetchBundleRequest{}
		for _, a := range c.cfg.Trusted {
			req.TrustedAnchors = append(req.TrustedAnchors, bootstrap.Hash(a))
		}
		reply, err = api.FetchBundle(ctx, req)
		return err
	})
	return reply, from, err
}

func standing(said *zerotrustv1.HostStanding) hostagent.Standing {
	switch {
	case said == nil:
		return hostagent.StandingUnsaid
	case !said.GetKnown():
		return hostagent.StandingUnknown
	case len(said.GetSpiffeIds()) == 0:
		return hostagent.StandingRevoked
	default:
		return hostagent.StandingActive
	}
}

// CheckClock compares the clock of this host with the controller's, over the verified
// connection, and returns a *health.ClockError where they differ so much that nothing
// would work: for whoever is about to enroll. A controller that does not answer, or does
// not send its time, is no fault of the clock, unless its certificate is out of its time.
func (c *Client) CheckClock(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, clockTimeout)
	defer cancel()
	asked := time.Now()
	reply, _, err := c.fetch(ctx, nil)
	if err != nil {
		if suspect := health.SuspectClock(err, time.Now()); suspect.Error() != err.Error() {
			return suspect
		}
		return nil
	}
	if theirs := reply.GetControllerTime(); theirs.CheckValid() == nil {
		return health.ClockBetween(asked, time.Now(), theirs.AsTime()).Err()
	}
	return nil
}

// ErrNoTime is returned for a controller that does not send its time.
var ErrNoTime = errors.New("the controller does not say what time it is")

// ControllerTime asks once for the controller's clock. It is as trustworthy as the
// controller: the connection is verified.
func (c *Client) ControllerTime(ctx context.Context) (time.Time, error) {
	reply, _, err := c.fetch(ctx, nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask %s for the time: %w", c.cfg.Address, err)
	}
	if reply.GetControllerTime().CheckValid() != nil {
		return time.Time{}, ErrNoTime
	}
	return reply.GetControllerTime().AsTime(), nil
}

// call makes one connection for one RPC, and returns the address of its other end. An
// error of the TLS handshake comes back as itself, not as gRPC's UNAVAILABLE, because
// waiting does not mend it.
func (c *Client) call(host *tls.Certificate, rpc func(zerotrustv1.EnrollmentServiceClient) error) (from net.Addr, err error) {
	creds := newCredentials(bootstrap.ClientConfig(c.cfg.Anchors, c.cfg.TrustDomain, host))
	conn, err := c.dial(creds)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := rpc(zerotrustv1.NewEnrollmentServiceClient(conn)); err != nil {
		if cause := creds.cause(); cause != nil && status.Code(err) == codes.Unavailable {
			return nil, cause
		}
		return nil, controlclient.Plain(err)
	}
	return creds.from(), nil
}

func (c *Client) dial(creds *handshakes, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	more = append(more, grpc.WithContextDialer(creds.dial))
	return grpc.NewClient("passthrough:///"+c.cfg.Address, append(append(more, c.dials...),
		grpc.WithTransportCredentials(creds), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReply)))...)
}

// finalError says whether another try is pointless, and the error to show then.
func finalError(err error) (shown error, final bool) { //nolint:revive // reads as what it is
	var untrusted *UntrustedError
	if errors.As(err, &untrusted) {
		return err, true
	}
	st := status.Convert(err)
	switch st.Code() {
	case codes.PermissionDenied:
		return fmt.Errorf("%w (%s)", ErrRefused, st.Message()), true
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.ResourceExhausted:
		return nil, false
	case codes.Canceled:
		return context.Canceled, true
	default:
		if id := rpcauth.RequestID(err); id != "" {
			return fmt.Errorf("the controller did not accept the request: %s, request id %s", st.Message(), id), true
		}
		return fmt.Errorf("the controller did not accept the request: %s", st.Message()), true
	}
}
