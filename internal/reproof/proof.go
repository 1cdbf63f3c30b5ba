package reproof

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

// What a peer may send in one proof.
const (
	nonceSize        = 32
	maxCertificates  = 4
	maxChainBytes    = 16 << 10
	maxSignatureSize = 512
)

// label keeps these signatures apart from all others that the key of an SVID
// makes. Together with the 64 spaces before it, no TLS 1.3 signature (RFC 8446
// section 4.4.3) can be taken for one of ours, nor ours for one of TLS.
const label = "zerotrust re-proof v1"

// Role says which end of the connection proves. It is signed, so that a proof
// cannot be sent back to the one who made it.
type Role byte

// The two ends of a connection.
const (
	RoleClient Role = 1 // the end that dialed
	RoleServer Role = 2
)

// Nonce is fresh for every challenge and every proof.
type Nonce [nonceSize]byte

func newNonce() Nonce {
	var n Nonce
	_, _ = rand.Read(n[:]) // crypto/rand.Read never fails; it aborts the program instead
	return n
}

// Binding is what ties a proof to one direction of one connection.
type Binding struct {
	Role     Role // of the prover
	Prover   spiffeid.ID
	Verifier spiffeid.ID
	Exporter mtls.Exporter
}

// Proof shows that its sender has an SVID at this moment.
type Proof struct {
	Nonce     Nonce    // the prover's own
	Chain     [][]byte // DER, leaf first
	Signature []byte
}

// Prove makes a proof for a challenge. The prover's own nonce is in it so that a
// verifier never chooses everything that our key signs.
func Prove(b Binding, challenge Nonce, svid *x509svid.SVID) (Proof, error) {
	if svid.ID != b.Prover {
		return Proof{}, fmt.Errorf("the SVID is of %s, this connection of %s", svid.ID, b.Prover)
	}
	p := Proof{Nonce: newNonce()}
	for _, c := range svid.Certificates {
		p.Chain = append(p.Chain, c.Raw)
	}
	if err := p.check(); err != nil {
		return Proof{}, err
	}
	var err error
	p.Signature, err = sign(svid.PrivateKey, message(b, challenge, &p))
	return p, err
}

// message is what is signed; docs/reproof.md shows one, byte by byte. Every part
// is of fixed size or carries its length, so no two contents give the same bytes.
func message(b Binding, challenge Nonce, p *Proof) []byte {
	out := make([]byte, 0, 512)
	for range 64 {
		out = append(out, ' ')
	}
	out = append(out, label...)
	out = append(out, 0, byte(b.Role))
	for _, id := range []spiffeid.ID{b.Prover, b.Verifier} {
		text := id.String()
		out = binary.BigEndian.AppendUint16(out, uint16(len(text))) //nolint:gosec // a SPIFFE ID has at most 2048 bytes
		out = append(out, text...)
	}
	out = append(out, p.Nonce[:]...)
	out = append(out, challenge[:]...)
	out = append(out, b.Exporter[:]...)
	sum := p.chainHash()
	return append(out, sum[:]...)
}

// chainHash covers every certificate that was sent, also those that the verified
// path does not need: what is not signed for could be swapped on the way to
// whoever records or forwards a proof.
func (p *Proof) chainHash() [sha256.Size]byte {
	h := sha256.New()
	for _, der := range p.Chain {
		_, _ = h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(der)))) //nolint:gosec // check bounds it
		_, _ = h.Write(der)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// check bounds a proof before anything is computed from it.
func (p *Proof) check() error {
	size := 0
	for _, der := range p.Chain {
		size += len(der)
	}
	switch {
	case len(p.Chain) == 0:
		return errors.New("proof without a certificate")
	case len(p.Chain) > maxCertificates || size > maxChainBytes:
		return fmt.Errorf("chain of %d certificates in %d bytes is too long", len(p.Chain), size)
	case len(p.Signature) > maxSignatureSize:
		return fmt.Errorf("signature of %d bytes is too long", len(p.Signature))
	}
	return nil
}

func (p *Proof) parseChain() ([]*x509.Certificate, error) {
	out := make([]*x509.Certificate, 0, len(p.Chain))
	for _, der := range p.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("parse chain: %w", err)
		}
		out = append(out, c)
	}
	return out, nil
}
