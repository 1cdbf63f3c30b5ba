package flow

import (
	"errors"
	"fmt"
)

// Type says what a frame is.
type Type byte

// The frames, docs/flows.md. Two numbers are kept for what is not spoken yet.
const (
	TypeBind      Type = 1
	TypeOpen      Type = 2
	TypeSeen      Type = 3
	TypeResult    Type = 4
	TypeData      Type = 5
	TypeFin       Type = 6
	TypeReset     Type = 7
	TypeChallenge Type = 8 // reserved: the key of a new session is challenge enough
	TypeProof     Type = 9
	TypeDatagram  Type = 10 // reserved
)

const (
	// HeaderSize is that of the type and the length, 24 bits, big endian.
	HeaderSize = 4
	// MaxFrame is the largest frame with its header: sixteen full TLS records.
	MaxFrame = 256 << 10
	// MaxPayload is what it leaves for data.
	MaxPayload = MaxFrame - HeaderSize
)

// ErrMalformed is of what is no frame.
var ErrMalformed = errors.New("malformed flow frame")

// Header begins a frame.
type Header struct {
	Type   Type
	Length int // of the payload, bytes
}

// sizes are the payloads that each type may have.
var sizes = [...]struct{ least, most int }{
	TypeBind:   {claimSize, claimSize},
	TypeOpen:   {openFixed + 1, openFixed + maxHost + MaxFirst},
	TypeSeen:   {0, 0},
	TypeResult: {1, 1},
	TypeData:   {1, MaxPayload},
	TypeFin:    {0, 0},
	TypeReset:  {1, 1},
	TypeProof:  {claimSize, claimSize},
}

// ParseHeader reads a header. It refuses every length that its type cannot have, before
// anybody makes room for the payload.
func ParseHeader(b [HeaderSize]byte) (Header, error) {
	h := Header{Type(b[0]), int(b[1])<<16 | int(b[2])<<8 | int(b[3])}
	switch {
	case h.Type == TypeChallenge, h.Type == TypeDatagram:
		return Header{}, fmt.Errorf("%w: type %s is reserved", ErrMalformed, h.Type)
	case h.Type < TypeBind, int(h.Type) >= len(sizes):
		return Header{}, fmt.Errorf("%w: type %d", ErrMalformed, byte(h.Type))
	case h.Length < sizes[h.Type].least, h.Length > sizes[h.Type].most:
		return Header{}, fmt.Errorf("%w: %s of %d bytes", ErrMalformed, h.Type, h.Length)
	}
	return h, nil
}

// Put writes the header over the first bytes of b.
func (h Header) Put(b []byte) {
	_ = b[HeaderSize-1]
	b[0], b[1], b[2], b[3] = byte(h.Type), byte(h.Length>>16), byte(h.Length>>8), byte(h.Length) //nolint:gosec // 24 bits of it
}

// Append appends a whole frame to b.
func Append(b []byte, t Type, payload ...byte) []byte {
	var h [HeaderSize]byte
	Header{t, len(payload)}.Put(h[:])
	return append(append(b, h[:]...), payload...)
}

// String implements fmt.Stringer.
func (t Type) String() string {
	names := [...]string{"", "bind", "open", "seen", "result", "data", "fin", "reset", "challenge", "proof", "datagram"}
	if t == 0 || int(t) >= len(names) {
		return fmt.Sprintf("type %d", byte(t))
	}
	return names[t]
}
