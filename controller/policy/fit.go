package policy

import (
	"cmp"
	"slices"

	"go.uber.org/zap"
)

const (
	// maxSize is the size of a policy or directory in one message, as in internal/wire.
	// A larger one would end every stream that it is sent on, and no revocation would
	// get through any more.
	maxSize = 4 << 20
	// besides are the control-plane addresses and the rest of such a message.
	besides = 64 << 10
	// What the message spends on one entry beside its texts, at most.
	perEntry, perText, perHost = 32, 6, 2
)

// fit leaves out whoever has no place in one message, those that enrolled last: who
// is there already keeps its access, and who is left out is refused, as is everybody
// whom a policy does not name. Streams of the controller itself are not affected.
func (s *Snapshot) fit() {
	s.Tunnelers, s.LeftOut.Tunnelers = fitting(s.Tunnelers, Tunneler.size, func(a, b Tunneler) int {
		return cmp.Or(a.SVIDNotBefore.Compare(b.SVIDNotBefore), cmp.Compare(a.SPIFFEID.String(), b.SPIFFEID.String()))
	})
	s.Connectors, s.LeftOut.Connectors = fitting(s.Connectors, Connector.size, func(a, b Connector) int {
		return cmp.Or(a.SVIDNotBefore.Compare(b.SVIDNotBefore), cmp.Compare(a.ID, b.ID))
	})
}

// fitting keeps the order of what fits altogether.
func fitting[T any](all []T, size func(T) int, older func(a, b T) int) (kept []T, left int) {
	total := besides
	for _, e := range all {
		total += size(e)
	}
	if total <= maxSize {
		return all, 0
	}
	kept = slices.SortedFunc(slices.Values(all), older)
	for total > maxSize {
		last := len(kept) - 1
		total -= size(kept[last])
		kept = kept[:last]
	}
	return kept, len(all) - len(kept)
}

func (t Tunneler) size() int { return perEntry + len(t.SPIFFEID.String()) + perHost + len(t.HostID) }

func (c Connector) size() int {
	n := perEntry + len(c.ID) + len(c.SPIFFEID.String()) + perText + len(c.NetworkID) + perHost + len(c.HostID)
	for _, a := range c.Addresses {
		n += perText + len(a)
	}
	return n
}

// complain says of a policy that it is too large, each time it goes out.
func (s *Snapshot) complain(log *zap.Logger) {
	if s.LeftOut.Tunnelers+s.LeftOut.Connectors == 0 {
		return
	}
	log.Error("policy does not fit one message: the newest members are left out and refused; revoke members that are gone for good",
		zap.Uint64("revision", s.Revision), zap.Int("tunnelers_left_out", s.LeftOut.Tunnelers), zap.Int("tunnelers", len(s.Tunnelers)),
		zap.Int("connectors_left_out", s.LeftOut.Connectors), zap.Int("connectors", len(s.Connectors)))
}
