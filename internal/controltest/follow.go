package controltest

import (
	"cmp"
	"slices"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Tunnelers is a policy as a connector has it.
func Tunnelers() *delta.Set[*zerotrustv1.PolicyTunneler] {
	return delta.NewSet(delta.Config[*zerotrustv1.PolicyTunneler]{
		Key:    (*zerotrustv1.PolicyTunneler).GetSpiffeId,
		Digest: func(t *zerotrustv1.PolicyTunneler) delta.Digest { return PolicyDigest(t) },
	})
}

// Connectors is a directory as a tunneler has it.
func Connectors() *delta.Set[*zerotrustv1.DirectoryConnector] {
	return delta.NewSet(delta.Config[*zerotrustv1.DirectoryConnector]{
		Key:    (*zerotrustv1.DirectoryConnector).GetSpiffeId,
		Digest: func(c *zerotrustv1.DirectoryConnector) delta.Digest { return DirectoryDigest(c) },
	})
}

// PolicyPart reads a message.
func PolicyPart(u *zerotrustv1.PolicyUpdate) delta.Part[*zerotrustv1.PolicyTunneler] {
	return part(u.GetHeader(), u.GetRemovals(), u.GetUpserts())
}

// DirectoryPart reads a message.
func DirectoryPart(u *zerotrustv1.DirectoryUpdate) delta.Part[*zerotrustv1.DirectoryConnector] {
	return part(u.GetHeader(), u.GetRemovals(), u.GetUpserts())
}

func part[E any](h *zerotrustv1.UpdateHeader, removals []string, upserts []E) delta.Part[E] {
	return delta.Part[E]{
		Timeline: h.GetTimeline(), From: h.GetFrom(), To: h.GetTo(), Part: h.GetPart(), Parts: h.GetParts(), Digest: h.GetDigest(),
		Removals: removals, Upserts: upserts,
	}
}

// Position is where a set is, for a hello.
func Position[E any](s *delta.Set[E]) *zerotrustv1.Position {
	at := s.Position()
	return &zerotrustv1.Position{Timeline: at.Timeline, At: at.At, Digest: at.Digest.Bytes()}
}

// Sorted are the entries of a set by their SPIFFE IDs.
func Sorted[E interface{ GetSpiffeId() string }](s *delta.Set[E]) (out []E) {
	for _, e := range s.All() {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b E) int { return cmp.Compare(a.GetSpiffeId(), b.GetSpiffeId()) })
	return out
}
