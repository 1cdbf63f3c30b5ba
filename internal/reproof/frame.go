package reproof

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// ErrMalformed is returned for a frame that is not one.
var ErrMalformed = errors.New("malformed re-proof frame")

// maxReason bounds what a peer's verdict adds to our log.
const maxReason = 200

func challengeFrame(n Nonce) *zerotrustv1.ReproofFrame {
	return &zerotrustv1.ReproofFrame{Frame: &zerotrustv1.ReproofFrame_Challenge{Challenge: &zerotrustv1.ReproofChallenge{Nonce: n[:]}}}
}

// Frame is the proof as it is sent.
func (p *Proof) Frame() *zerotrustv1.ReproofFrame {
	return &zerotrustv1.ReproofFrame{Frame: &zerotrustv1.ReproofFrame_Proof{Proof: &zerotrustv1.ReproofProof{
		Nonce: p.Nonce[:], Chain: p.Chain, Signature: p.Signature,
	}}}
}

func acceptedFrame(until time.Time) *zerotrustv1.ReproofFrame {
	return verdictFrame(&zerotrustv1.ReproofVerdict{Accepted: true, NotAfter: timestamppb.New(until)})
}

func refusedFrame(reason error) *zerotrustv1.ReproofFrame {
	return verdictFrame(&zerotrustv1.ReproofVerdict{Reason: reason.Error()})
}

func verdictFrame(v *zerotrustv1.ReproofVerdict) *zerotrustv1.ReproofFrame {
	return &zerotrustv1.ReproofFrame{Frame: &zerotrustv1.ReproofFrame_Verdict{Verdict: v}}
}

// parseNonce takes exactly 32 bytes: a shorter one would move what follows it in
// the signed bytes.
func parseNonce(raw []byte) (Nonce, error) {
	if len(raw) != nonceSize {
		return Nonce{}, fmt.Errorf("%w: nonce of %d bytes", ErrMalformed, len(raw))
	}
	return Nonce(raw), nil
}

// ParseProof reads a proof from the wire. It copies no certificate.
func ParseProof(in *zerotrustv1.ReproofProof) (*Proof, error) {
	nonce, err := parseNonce(in.GetNonce())
	if err != nil {
		return nil, err
	}
	p := &Proof{Nonce: nonce, Chain: in.GetChain(), Signature: in.GetSignature()}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, nil
}

// clip makes a peer's text harmless for a log.
func clip(s string) string { return fmt.Sprintf("%.*q", maxReason, s) }
