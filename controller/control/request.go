package control

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/logging"
)

// Requests are hosts that ask without a token; enroll.Service has them.
type Requests interface {
	Ask(ctx context.Context, a enroll.Ask) (enroll.Request, error)
	Await(ctx context.Context, a enroll.Await) (enroll.Enrollment, error)
}

const (
	// retryInterval is how soon a host should ask again after a lost connection.
	retryInterval = 5 * time.Second
	// answerTimeout is how long a stranger may take to answer the challenge.
	answerTimeout = 10 * time.Second
	// maxAwaiting streams may wait, and maxAwaitingFrom of one address: a few more
	// than requests can be pending.
	maxAwaiting     = 1100
	maxAwaitingFrom = 16
)

// RequestEnrollment implements EnrollmentService.
func (e *Enrollment) RequestEnrollment(ctx context.Context, req *zerotrustv1.RequestEnrollmentRequest) (*zerotrustv1.RequestEnrollmentResponse, error) {
	q, err := e.ask(ctx, req)
	if err != nil {
		return nil, toStatus(ctx, err, e.Log)
	}
	return &zerotrustv1.RequestEnrollmentResponse{
		RequestId: q.ID, UserCode: q.Code, ExpiresAt: timestamppb.New(q.ExpiresAt), RetryInterval: durationpb.New(retryInterval),
	}, nil
}

func (e *Enrollment) ask(ctx context.Context, req *zerotrustv1.RequestEnrollmentRequest) (enroll.Request, error) {
	listener, err := e.shown()
	if err != nil {
		return enroll.Request{}, err
	}
	a := enroll.Ask{
		Workload: identity.Workload{Kind: kindFromProto(req.GetKind()), ID: req.GetId()},
		CSR:      req.GetCsr(), Facts: factsFromProto(req.GetHost()), Ephemeral: req.GetEphemeral(),
		Listener: listener, Proof: req.GetProof(), RequestID: logging.RequestOf(ctx).ID,
	}
	a.Source, a.HostCertificate = hostPeer(ctx)
	return e.Requests.Ask(ctx, a)
}

// shown is the certificate that callers of this listener see.
func (e *Enrollment) shown() ([]byte, error) {
	cert, err := e.listener(&tls.ClientHelloInfo{})
	if err != nil {
		return nil, err
	}
	return cert.Certificate[0], nil
}

// AwaitEnrollment implements EnrollmentService.
func (e *Enrollment) AwaitEnrollment(stream zerotrustv1.EnrollmentService_AwaitEnrollmentServer) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	if err := e.reachable(); err != nil {
		return toStatus(ctx, err, e.Log)
	}
	if closed(e.Recall) {
		return errRecall
	}
	source, _ := hostPeer(ctx)
	leave, ok := e.awaiting.Enter(source.Addr())
	if !ok {
		return toStatus(ctx, enroll.ErrTooManyRequests, e.Log)
	}
	defer leave()
	a, err := e.challenge(ctx, stream)
	if err != nil {
		return err
	}
	a.Source, a.RequestID = source, logging.RequestOf(ctx).ID
	// A shutdown ends the wait; the host asks the next controller, or this one again.
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		select {
		case <-e.Stopping:
			cancel()
		case <-ctx.Done():
		}
	})
	got, err := e.Requests.Await(ctx, a)
	if e.Result != nil && (err == nil || enroll.RefusalOf(err) != "") {
		e.Result(enrollResult(err))
	}
	if err != nil {
		if stream.Context().Err() == nil && errors.Is(err, context.Canceled) {
			return status.Error(codes.Unavailable, "the controller is stopping; ask again")
		}
		return toStatus(ctx, err, e.Log)
	}
	reply, err := e.reply(ctx, got)
	if err != nil {
		return toStatus(ctx, err, e.Log)
	}
	return stream.Send(&zerotrustv1.AwaitEnrollmentResponse{Step: &zerotrustv1.AwaitEnrollmentResponse_Enrolled{Enrolled: reply}})
}

// challenge sends one that is of this stream alone, and reads the answer.
func (e *Enrollment) challenge(ctx context.Context, stream zerotrustv1.EnrollmentService_AwaitEnrollmentServer) (enroll.Await, error) {
	a := enroll.Await{Challenge: make([]byte, keys.ChallengeSize)}
	_, _ = rand.Read(a.Challenge) // crypto/rand.Read never fails; it aborts the program instead
	var err error
	if a.Exporter, err = exporter(ctx); err != nil {
		return a, status.Error(codes.PermissionDenied, "this needs TLS 1.3")
	}
	if err := stream.Send(&zerotrustv1.AwaitEnrollmentResponse{Step: &zerotrustv1.AwaitEnrollmentResponse_Challenge{Challenge: a.Challenge}}); err != nil {
		return a, err
	}
	type received struct {
		answer *zerotrustv1.AwaitEnrollmentRequest
		err    error
	}
	got := make(chan received, 1)
	// Recv ends with the stream, at the latest when the handler returns. Server.Run waits
	// for it.
	e.receiving.Go(func() {
		answer, err := stream.Recv()
		got <- received{answer, err}
	})
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case r := <-got:
		a.ID, a.Signature = r.answer.GetRequestId(), r.answer.GetSignature()
		return a, r.err
	case <-timer.C:
		return a, status.Error(codes.Unavailable, "no answer to the challenge")
	case <-e.Stopping:
		return a, status.Error(codes.Unavailable, "the controller is stopping; ask again")
	}
}

// exporter is the value that binds an answer to the TLS connection of the caller.
func exporter(ctx context.Context) ([]byte, error) {
	p, _ := peer.FromContext(ctx)
	if p == nil {
		return nil, errors.New("no peer")
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return nil, errors.New("no TLS")
	}
	return info.State.ExportKeyingMaterial(keys.ExporterLabel, nil, keys.ExporterSize)
}
