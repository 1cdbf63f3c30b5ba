package delta

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
)

// Digest is the sum, modulo 2^256, of the SHA-256 of each entry of a set: it does not
// depend on the order, and an entry is added or taken away at the cost of one hash. It
// finds faults of ours. It is no proof: whoever chooses many entries can find two sets
// with one digest, and gains nothing by it, because the sender says both.
type Digest struct{ limbs [4]uint64 }

// Size is the length of a Digest on the wire.
const Size = sha256.Size

// Bytes is the Digest on the wire.
func (d Digest) Bytes() []byte {
	out := make([]byte, 0, Size)
	for _, limb := range d.limbs {
		out = binary.LittleEndian.AppendUint64(out, limb)
	}
	return out
}

// ParseDigest reads what Bytes wrote.
func ParseDigest(raw []byte) (d Digest, ok bool) {
	if len(raw) != Size {
		return Digest{}, false
	}
	for i := range d.limbs {
		d.limbs[i] = binary.LittleEndian.Uint64(raw[8*i:])
	}
	return d, true
}

// Add is the Digest of the set with an entry more.
func (d Digest) Add(entry Digest) Digest {
	var carry uint64
	for i := range d.limbs {
		d.limbs[i], carry = bits.Add64(d.limbs[i], entry.limbs[i], carry)
	}
	return d
}

// Sub is the Digest of the set with an entry less.
func (d Digest) Sub(entry Digest) Digest {
	var borrow uint64
	for i := range d.limbs {
		d.limbs[i], borrow = bits.Sub64(d.limbs[i], entry.limbs[i], borrow)
	}
	return d
}

// Tunneler is the Digest of one entry of a policy, by the fields of PolicyTunneler;
// the time is in Unix seconds.
func Tunneler(spiffeID, hostID string, svidNotBefore int64) Digest {
	return entry("tunneler", svidNotBefore, spiffeID, hostID)
}

// Connector is the Digest of one entry of a directory, by the fields of
// DirectoryConnector.
func Connector(id, spiffeID, hostID, networkID string, svidNotBefore int64, addresses []string) Digest {
	return entry("connector", svidNotBefore, append([]string{spiffeID, hostID, id, networkID}, addresses...)...)
}

// Rule is the Digest of one entry of a set of rules, as it was sent.
func Rule(raw []byte) Digest { return entry("rule", 0, string(raw)) }

// entry hashes the texts with their lengths, so that none can pass into the next.
func entry(kind string, svidNotBefore int64, texts ...string) Digest {
	var room [256]byte
	raw := append(room[:0], kind...)
	raw = binary.LittleEndian.AppendUint64(raw, uint64(svidNotBefore)) //nolint:gosec // its bits
	for _, text := range texts {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(text))) //nolint:gosec // a message is far shorter
		raw = append(raw, text...)
	}
	sum := sha256.Sum256(raw)
	d, _ := ParseDigest(sum[:])
	return d
}
