package audit

import (
	"fmt"
	"strconv"

	"golang.org/x/mod/sumdb/tlog"
)

// LeafVersion is the version of the encoding that new events get.
const LeafVersion = 1

// leafTag begins every leaf, so that no other signed data can pose as one.
const leafTag = "grpccontroller audit event v1"

// Leaf is the canonical encoding of e in a version: what the Merkle log holds. It
// is a sequence of netstrings (length in decimal, colon, bytes, comma): the tag,
// the time in microseconds since 1970, then the fields in the order of this
// function. Netstrings need no escaping, so one SQL expression can make a leaf too;
// docs/audit.md has it.
func (e Event) Leaf(version int) ([]byte, error) {
	if version != 1 {
		return nil, fmt.Errorf("audit: leaf version %d is newer than this program", version)
	}
	at := int64(0)
	if !e.Time.IsZero() {
		at = e.Time.UnixMicro()
	}
	return netstrings(
		leafTag, strconv.FormatInt(at, 10), e.Actor, string(e.Action), e.Target, string(e.Outcome), e.Reason,
		e.RequestID, e.Source, e.Before, e.After,
	), nil
}

func netstrings(fields ...string) (out []byte) {
	for _, field := range fields {
		out = strconv.AppendInt(out, int64(len(field)), 10)
		out = append(append(append(out, ':'), field...), ',')
	}
	return out
}

// LeafHash is the RFC 6962 hash of the leaf.
func (e Event) LeafHash(version int) (tlog.Hash, error) {
	leaf, err := e.Leaf(version)
	if err != nil {
		return tlog.Hash{}, err
	}
	return tlog.RecordHash(leaf), nil
}
