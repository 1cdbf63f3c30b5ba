package reproof

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

const (
	// retryEvery is how often a kept proof meets the bundle again.
	retryEvery = 500 * time.Millisecond
	// lastWords is how long a verdict has to reach a peer that reads, before the
	// socket is closed.
	lastWords = 20 * time.Millisecond
	// A rotation makes three frames; this leaves room for bursts of them and bounds
	// what a hostile peer can make us do.
	frameRate  = rate.Limit(2)
	frameBurst = 32
)

// Why an exchange ends.
var (
	ErrFlood   = errors.New("too many re-proof frames")
	ErrRefused = errors.New("the peer refused our proof")
	// errEnded is not the fault of a proof: the peer closed the stream.
	errEnded    = errors.New("the peer ended the re-proof stream")
	errStopping = errors.New("stopping")
)

// Faults lists the errors that a connection ends with because one end did not
// prove its identity.
func Faults() []error {
	return []error{
		ErrNotReproved, ErrNoStream, ErrAuthorityGone, ErrRefused, ErrFlood, ErrMalformed, ErrSignature, ErrIdentity, ErrNoChallenge,
	}
}

// Identity is the part of mtls.Source that re-proof needs.
type Identity interface {
	mtls.Identity
	Subscribe() (<-chan struct{}, func())
}

// Status counts what happened since the start.
type Status struct {
	Accepted uint64 // proofs of peers
	Held     uint64 // proofs that had to wait for their authority
	Refused  uint64 // proofs and frames that ended their connection
	Cut      uint64 // connections closed by us, for whatever reason
}

// party is what all connections of a Server or a Client share.
type party struct {
	own Identity
	log *zap.Logger

	refusedProof func(Refusal) // nil: nobody wants to know

	accepted, held, refused, cut atomic.Uint64
}

func (p *party) status() Status {
	return Status{Accepted: p.accepted.Load(), Held: p.held.Load(), Refused: p.refused.Load(), Cut: p.cut.Load()}
}

// frames is either end of a Prove stream.
type frames interface {
	Send(*zerotrustv1.ReproofFrame) error
	Recv() (*zerotrustv1.ReproofFrame, error)
}

// exchange is a Prove stream: both ends of it run the same.
type exchange struct {
	*party

	conn     *mtls.Conn
	guard    *guard
	stream   frames
	verifier *Verifier
	outgoing Binding // of our proofs
	asked    *Nonce  // the peer's challenge, nil once it is used
	last     []byte  // our leaf that the peer has seen, DER
	limit    *rate.Limiter
	retry    <-chan time.Time // set while a proof is kept
	stopping <-chan struct{}  // of a server

	receiving *sync.WaitGroup // goroutines of receive; whoever ends the stream waits for it
}

func (p *party) exchange(conn *mtls.Conn, g *guard, s frames, receiving *sync.WaitGroup) *exchange {
	mine, theirs := RoleServer, RoleClient
	if conn.Dialed() {
		mine, theirs = theirs, mine
	}
	return &exchange{
		party: p, conn: conn, guard: g, stream: s, receiving: receiving, last: conn.Shown(), limit: rate.NewLimiter(frameRate, frameBurst),
		outgoing: Binding{Role: mine, Prover: conn.Self(), Verifier: conn.Peer(), Exporter: conn.Exporter()},
		verifier: NewVerifier(Binding{Role: theirs, Prover: conn.Peer(), Verifier: conn.Self(), Exporter: conn.Exporter()}, p.own),
	}
}

// run takes part until the stream or ctx ends or the connection is cut.
func (e *exchange) run(ctx context.Context) error {
	in := receive(ctx, e.stream, e.receiving)
	swapped, unsubscribe := e.own.Subscribe()
	defer unsubscribe()
	if err := e.challenge(); err != nil {
		return err
	}
	for {
		var err error
		select {
		case m := <-in:
			err = e.take(m)
		case <-swapped:
			err = e.prove()
		case <-e.retry:
			chain, verr := e.verifier.Retry()
			err = e.decide(chain, verr)
		case <-e.conn.Closed():
			return e.conn.Reason()
		case <-e.stopping:
			return errStopping
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// received is one frame or the end of the stream.
type received struct {
	frame *zerotrustv1.ReproofFrame
	err   error
}

// receive reads the stream into a channel until it ends or ctx does. On a server that is
// when the handler has returned, which therefore cannot wait for it: see Server.Wait.
func receive(ctx context.Context, s frames, receiving *sync.WaitGroup) <-chan received {
	out := make(chan received)
	receiving.Add(1)
	go next(ctx, s, out, receiving) // joined by receiving
	return out
}

// next reads one frame, and leaves the one after it to another goroutine. To decode takes
// twice the stack that waiting takes, and a goroutine that waits for the next rotation,
// on each of thousands of connections, would keep it.
func next(ctx context.Context, s frames, out chan<- received, receiving *sync.WaitGroup) {
	defer receiving.Done()
	f, err := s.Recv()
	select {
	case out <- received{f, err}:
	case <-ctx.Done():
		return
	}
	if err == nil {
		receiving.Add(1)
		go next(ctx, s, out, receiving) // joined by receiving
	}
}

func (e *exchange) take(m received) error {
	switch {
	case errors.Is(m.err, io.EOF):
		return errEnded
	case m.err != nil:
		return fmt.Errorf("%w: %w", errEnded, m.err)
	case !e.limit.Allow():
		return e.refuse(ErrFlood)
	}
	switch f := m.frame.GetFrame().(type) {
	case *zerotrustv1.ReproofFrame_Challenge:
		n, err := parseNonce(f.Challenge.GetNonce())
		if err != nil {
			return e.refuse(err)
		}
		e.asked = &n
		return e.prove() // our SVID may have been swapped before we were asked
	case *zerotrustv1.ReproofFrame_Proof:
		p, err := ParseProof(f.Proof)
		if err != nil {
			return e.refuse(err)
		}
		chain, err := e.verifier.Accept(p)
		if err := e.decide(chain, err); err != nil {
			return err
		}
		return e.challenge()
	case *zerotrustv1.ReproofFrame_Verdict:
		if !f.Verdict.GetAccepted() {
			return fmt.Errorf("%w: %s", ErrRefused, clip(f.Verdict.GetReason()))
		}
		return nil
	default:
		return e.refuse(ErrMalformed)
	}
}

func (e *exchange) challenge() error { return e.send(challengeFrame(e.verifier.Challenge())) }

func (e *exchange) send(f *zerotrustv1.ReproofFrame) error {
	if err := e.stream.Send(f); err != nil {
		return fmt.Errorf("%w: %w", errEnded, err)
	}
	return nil
}

// prove sends a proof when there is a challenge and the peer has not seen our
// SVID yet. Before the first rotation there is nothing to say: the handshake was
// the first proof.
func (e *exchange) prove() error {
	if e.asked == nil {
		return nil
	}
	svid, err := e.own.GetX509SVID()
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	if bytes.Equal(svid.Certificates[0].Raw, e.last) {
		return nil
	}
	p, err := Prove(e.outgoing, *e.asked, svid)
	if err != nil {
		return fmt.Errorf("prove: %w", err)
	}
	e.asked, e.last = nil, svid.Certificates[0].Raw
	return e.send(p.Frame())
}

// decide does what the judgement of a proof asks for.
func (e *exchange) decide(chain []*x509.Certificate, err error) error {
	first := e.retry == nil
	e.retry = nil
	if errors.Is(err, ErrNotYet) {
		e.retry = time.After(retryEvery)
		if first {
			e.held.Add(1)
			e.log.Info("re-proof held until it verifies", zap.Stringer("spiffe_id", e.conn.Peer()), zap.Error(err))
		}
		return nil
	}
	if err != nil {
		return e.refuse(err)
	}
	e.accepted.Add(1)
	e.conn.Proved(chain)
	e.guard.proved(chain[0])
	st := mtls.Describe(chain[0])
	e.log.Debug("re-proof accepted", zap.Stringer("spiffe_id", e.conn.Peer()), zap.String("serial", st.Serial),
		zap.String("authority_id", st.AuthorityID), zap.Time("not_after", st.NotAfter))
	return e.send(acceptedFrame(st.NotAfter))
}

// refuse ends the connection. The peer receives the reason, if it reads.
func (e *exchange) refuse(reason error) error {
	e.refused.Add(1)
	if e.refusedProof != nil {
		e.refusedProof(refusalOn(e.conn, reason))
	}
	e.conn.CloseAfter(lastWords, reason) // first: a peer that hangs up on the verdict is not why
	_ = e.send(refusedFrame(reason))
	return reason
}
