package reproof

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// Why a proof is refused.
var (
	// ErrNotYet is returned for a chain that may verify in a moment: its authority
	// has not reached our bundle, or its validity begins later by our clock.
	ErrNotYet      = errors.New("the chain does not verify yet")
	ErrIdentity    = errors.New("the proof is of another SPIFFE ID than the handshake")
	ErrNoChallenge = errors.New("a proof without a challenge")
)

// Verify judges a proof against the bundle of this moment and returns its chain.
func Verify(b Binding, challenge Nonce, p *Proof, bundles x509bundle.Source) ([]*x509.Certificate, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	chain, err := p.parseChain()
	if err != nil {
		return nil, err
	}
	// First of all, and without the chain: a peer never becomes somebody else on an
	// open connection, and such a proof is not worth waiting for a bundle.
	id, err := x509svid.IDFromCert(chain[0])
	if err != nil {
		return nil, err
	}
	if id != b.Prover {
		return nil, fmt.Errorf("%w: %s", ErrIdentity, id)
	}
	if err := verifyChain(chain, bundles); err != nil {
		return nil, err
	}
	// The leaf's key and no other of the chain: an intermediate signs for all
	// identities below it, so its holder could prove any of them.
	if err := verifySignature(chain[0].PublicKey, message(b, challenge, p), p.Signature); err != nil {
		return nil, err
	}
	return chain, nil
}

func verifyChain(chain []*x509.Certificate, bundles x509bundle.Source) error {
	if from := chain[0].NotBefore; time.Now().Before(from) {
		return fmt.Errorf("%w: valid from %s", ErrNotYet, from.UTC().Format(time.RFC3339))
	}
	_, _, err := x509svid.Verify(chain, bundles)
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w: %w", ErrNotYet, err)
	}
	return err
}

// Verifier is one end's judgement of the other on one connection. It is not safe
// for concurrent use.
type Verifier struct {
	binding   Binding
	bundles   x509bundle.Source
	challenge *Nonce // nil once it is used
	held      *held
}

// held is a proof whose chain may verify later.
type held struct {
	challenge Nonce
	proof     *Proof
}

// NewVerifier has no challenge open: a proof would be refused.
func NewVerifier(b Binding, bundles x509bundle.Source) *Verifier {
	return &Verifier{binding: b, bundles: bundles}
}

// Challenge makes a new challenge, which replaces the one before.
func (v *Verifier) Challenge() Nonce {
	n := newNonce()
	v.challenge = &n
	return n
}

// Accept judges a proof and uses up the challenge, whatever it finds. After
// ErrNotYet it keeps the proof for Retry, in place of one that it kept before;
// every other error is final for the connection.
func (v *Verifier) Accept(p *Proof) ([]*x509.Certificate, error) {
	if v.challenge == nil {
		return nil, ErrNoChallenge
	}
	challenge := *v.challenge
	v.challenge, v.held = nil, nil // one proof a challenge: a replay has nothing to answer
	chain, err := Verify(v.binding, challenge, p, v.bundles)
	if errors.Is(err, ErrNotYet) {
		v.held = &held{challenge, p}
	}
	return chain, err
}

// Holds says that Retry has something to judge.
func (v *Verifier) Holds() bool { return v.held != nil }

// Retry judges the kept proof again.
func (v *Verifier) Retry() ([]*x509.Certificate, error) {
	if v.held == nil {
		return nil, ErrNoChallenge
	}
	chain, err := Verify(v.binding, v.held.challenge, v.held.proof, v.bundles)
	if !errors.Is(err, ErrNotYet) {
		v.held = nil
	}
	return chain, err
}
