package enrollclient

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/bootstrap"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/controlclient"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Ends of a request that is not approved.
var (
	ErrDenied    = errors.New("an operator denied the request")
	ErrUndecided = errors.New("the request was not decided in time; run the same command again to ask again")
	ErrTaken     = errors.New("another command waits for this host's request now")
)

// Pending is a request that an operator has to decide.
type Pending struct {
	Code        string
	Fingerprint string
	ExpiresAt   time.Time
}

// RequestEnrollment enrolls without a token: show receives what to compare, at first
// and whenever it changes, and an operator approves. It may be run again after any
// failure; the same key continues the same request. Errors: ErrDenied,
// ErrUndecided, ErrTaken, ErrRefused.
func (c *Client) RequestEnrollment(ctx context.Context, r Request, show func(Pending)) (Result, error) {
	if err := c.CheckClock(ctx); err != nil {
		return Result{}, fmt.Errorf("nothing was requested: %w", err)
	}
	h, err := c.prepare(r)
	if err != nil {
		return Result{}, err
	}
	csr, err := h.request()
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	a := &asking{client: c, request: r, host: h, csr: csr, show: show}
	wait, retries := controlclient.NewBackoff(nil), c.explaining("the controller does not answer, asking again with the same key")
	for {
		reply, err := a.once(ctx)
		if err == nil {
			return c.finish(reply, r, h)
		}
		if ctx.Err() != nil || late(ctx) {
			return Result{}, a.stopped(ctx)
		}
		if final, ok := finalRequestError(err); ok {
			return Result{}, final
		}
		retries.because(err)
		select {
		case <-time.After(min(wait.Next(), maxWait)):
		case <-ctx.Done():
			return Result{}, a.stopped(ctx)
		}
	}
}

// asking is one request over as many connections as it takes.
type asking struct {
	client  *Client
	request Request
	host    *host
	csr     []byte
	show    func(Pending)
	shown   Pending
}

func (a *asking) stopped(ctx context.Context) error {
	if late(ctx) || errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return fmt.Errorf("%w (gave up after %s)", ErrUndecided, a.client.cfg.Timeout)
	}
	return ctx.Err()
}

// late says that the deadline of ctx has passed. The controller gets the same deadline
// with the request, and its answer can be here before ctx ends.
func late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}

// once asks and waits on one connection: the proof, the fingerprint and the answer
// to the challenge are about this one.
func (a *asking) once(ctx context.Context) (*zerotrustv1.EnrollResponse, error) {
	creds := newCredentials(bootstrap.ClientConfig(a.client.cfg.Anchors, a.client.cfg.TrustDomain, a.host.certificate))
	conn, err := a.client.dial(creds, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if err := connect(ctx, conn); err != nil {
		if cause := creds.cause(); cause != nil {
			return nil, cause
		}
		if cause := creds.unreachable(); cause != nil {
			err = status.Error(codes.Unavailable, cause.Error())
		}
		return nil, controlclient.Plain(err)
	}
	reply, err := a.ask(ctx, zerotrustv1.NewEnrollmentServiceClient(conn), creds.listener())
	if cause := creds.cause(); err != nil && cause != nil && status.Code(err) == codes.Unavailable {
		return nil, cause
	}
	return acceptable(reply, creds.from()), controlclient.Plain(err)
}

// connect completes the handshake: what is signed holds the listener's certificate.
func connect(ctx context.Context, conn *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	conn.Connect()
	for s := conn.GetState(); s != connectivity.Ready; s = conn.GetState() {
		if s == connectivity.TransientFailure || !conn.WaitForStateChange(ctx, s) {
			return status.Error(codes.Unavailable, "it cannot be reached")
		}
	}
	return nil
}

func (a *asking) ask(ctx context.Context, api zerotrustv1.EnrollmentServiceClient, listener *x509.Certificate) (*zerotrustv1.EnrollResponse, error) {
	spki, err := x509.MarshalPKIXPublicKey(a.host.key.Public())
	if err != nil {
		return nil, err
	}
	subject := keys.Subject{
		TrustDomain: a.client.cfg.TrustDomain.Name(), Workload: a.request.Workload, Key: spki, Listener: listener.Raw,
	}
	proof, err := keys.Sign(a.host.key, subject.AskMessage())
	if err != nil {
		return nil, err
	}
	short, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	q, err := api.RequestEnrollment(short, &zerotrustv1.RequestEnrollmentRequest{
		Kind: kindToProto(a.request.Workload.Kind), Id: a.request.Workload.ID, Csr: a.csr, Host: a.request.Facts,
		Ephemeral: a.request.Ephemeral, Proof: proof,
	})
	if err != nil {
		return nil, err
	}
	if p := (Pending{q.GetUserCode(), subject.Fingerprint(), q.GetExpiresAt().AsTime()}); p != a.shown {
		a.shown = p
		a.show(p)
	}
	return a.await(ctx, api, q.GetRequestId(), listener)
}

func (a *asking) await(ctx context.Context, api zerotrustv1.EnrollmentServiceClient, id string, listener *x509.Certificate) (*zerotrustv1.EnrollResponse, error) {
	stream, err := api.AwaitEnrollment(ctx)
	if err != nil {
		return nil, err
	}
	first, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	challenge := first.GetChallenge()
	if len(challenge) != keys.ChallengeSize {
		return nil, status.Error(codes.Internal, "the challenge is malformed")
	}
	state, err := tlsOf(stream.Context()) //nolint:contextcheck // it knows the connection
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(state.PeerCertificates[0].Raw, listener.Raw) {
		return nil, status.Error(codes.Unavailable, "the listener has another certificate now")
	}
	exporter, err := state.ExportKeyingMaterial(keys.ExporterLabel, nil, keys.ExporterSize)
	if err != nil {
		return nil, err
	}
	signature, err := keys.Sign(a.host.key, keys.AwaitMessage(id, challenge, exporter))
	if err != nil {
		return nil, err
	}
	// An error of Send is EOF; what it was says Recv.
	_ = stream.Send(&zerotrustv1.AwaitEnrollmentRequest{RequestId: id, Signature: signature})
	got, err := stream.Recv()
	if err != nil {
		return nil, err
	}
	if got.GetEnrolled() == nil {
		return nil, status.Error(codes.Internal, "the decision is malformed")
	}
	return got.GetEnrolled(), nil
}

// tlsOf is the connection that a stream runs on, known once something was received.
func tlsOf(ctx context.Context) (tls.ConnectionState, error) {
	p, ok := peer.FromContext(ctx)
	if ok {
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
			return info.State, nil
		}
	}
	return tls.ConnectionState{}, errors.New("the connection is not TLS")
}

// finalRequestError is finalError for requests, which end in more ways.
func finalRequestError(err error) (shown error, final bool) { //nolint:revive // reads as what it is
	switch st := status.Convert(err); st.Code() {
	case codes.FailedPrecondition:
		return ErrDenied, true
	case codes.DeadlineExceeded:
		return ErrUndecided, true
	case codes.Aborted:
		return ErrTaken, true
	case codes.PermissionDenied:
		return fmt.Errorf("the controller does not let this host ask (%s): if the host was enrolled before or was revoked, add --new-host; "+
			"if this is about the listener's certificate, the connection may be intercepted", st.Message()), true
	case codes.Unimplemented:
		return errors.New("this controller is too old for --request; ask for an enrollment token"), true
	default:
		return finalError(err)
	}
}
