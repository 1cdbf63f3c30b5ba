package flow

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/spiffe/go-spiffe/v2/spiffeid"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/mtls"
)

const (
	// KeyLabel names the exporter value (RFC 8446 section 7.5) of a session's connection that
	// is the key of its flows. It is not the one that re-proof signs.
	KeyLabel = "EXPORTER-zerotrust-flow-session-v1"
	// ConnectionLabel names that of a flow's own connection, which is signed with the key.
	ConnectionLabel = "EXPORTER-zerotrust-flow-connection-v1"

	// bindingLabel begins what is signed, so that the MAC is good for nothing else.
	bindingLabel = "zerotrust flow binding v1"

	sessionIDSize = 16
	macSize       = sha256.Size
	claimSize     = sessionIDSize + macSize
)

// ErrBinding refuses a connection that does not belong to the session that it names.
var ErrBinding = errors.New("the connection is not bound to this session")

// SessionID is what a connector calls a session. It is no secret: the key is.
type SessionID [sessionIDSize]byte

// NewSessionID makes one.
func NewSessionID() SessionID {
	var id SessionID
	_, _ = rand.Read(id[:]) // crypto/rand.Read never fails; it aborts the program instead
	return id
}

// String implements fmt.Stringer.
func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// ParseSessionID takes exactly 16 bytes.
func ParseSessionID(b []byte) (SessionID, bool) {
	if len(b) != sessionIDSize {
		return SessionID{}, false
	}
	return SessionID(b), true
}

// Instance names a run of a tunneler's program.
type Instance [16]byte

// NewInstance makes one.
func NewInstance() Instance { return Instance(NewSessionID()) }

// ParseInstance takes exactly 16 bytes.
func ParseInstance(b []byte) (Instance, bool) {
	id, ok := ParseSessionID(b)
	return Instance(id), ok
}

// Role says which end of a flow's connection makes a Claim. Today it is always the tunneler.
type Role byte

// RoleTunneler is signed, so that a claim cannot be sent back to the one who made it.
const RoleTunneler Role = 1

// Key is known to the two ends of a session and to nobody else: not to a thief of an SVID, and
// not to a man in the middle, who has another one with each end.
type Key mtls.Exporter

// Binding is what a MAC is about.
type Binding struct {
	Role                Role
	Session             SessionID
	Tunneler, Connector spiffeid.ID
	Connection          mtls.Exporter // of the flow's connection, by ConnectionLabel
}

// MAC is HMAC-SHA256 over the bytes of a Binding.
type MAC [macSize]byte

// message is what is signed; docs/flows.md shows one, byte by byte. Every part is of fixed
// size or carries its length, so no two contents give the same bytes.
func (b Binding) message() []byte {
	out := make([]byte, 0, 256)
	out = append(out, bindingLabel...)
	out = append(out, 0, byte(b.Role))
	out = append(out, b.Session[:]...)
	for _, id := range []spiffeid.ID{b.Tunneler, b.Connector} {
		text := id.String()
		out = binary.BigEndian.AppendUint16(out, uint16(len(text))) //nolint:gosec // a SPIFFE ID has at most 2048 bytes
		out = append(out, text...)
	}
	return append(out, b.Connection[:]...)
}

// MAC signs the binding.
func (b Binding) MAC(k Key) MAC {
	h := hmac.New(sha256.New, k[:])
	_, _ = h.Write(b.message()) // a hash never fails
	return MAC(h.Sum(nil))
}

// Verify compares in constant time: a peer that could measure how far it was right would
// find the MAC byte by byte.
func (b Binding) Verify(k Key, m MAC) error {
	want := b.MAC(k)
	if !hmac.Equal(want[:], m[:]) {
		return ErrBinding
	}
	return nil
}

// Claim is the payload of bind and proof: the connection belongs to this session.
type Claim struct {
	Session SessionID
	MAC     MAC
}

// AppendClaim appends the payload.
func (c Claim) AppendClaim(b []byte) []byte { return append(append(b, c.Session[:]...), c.MAC[:]...) }

// ParseClaim reads the payload.
func ParseClaim(b []byte) (Claim, error) {
	if len(b) != claimSize {
		return Claim{}, ErrMalformed
	}
	return Claim{SessionID(b[:sessionIDSize]), MAC(b[sessionIDSize:])}, nil
}
