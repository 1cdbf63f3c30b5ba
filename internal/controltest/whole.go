package controltest

import (
	"google.golang.org/protobuf/proto"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/delta"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// Timeline is that of all messages made here.
const Timeline = 1

// PolicyDigest is that of a policy.
func PolicyDigest(all ...*zerotrustv1.PolicyTunneler) (d delta.Digest) {
	for _, t := range all {
		d = d.Add(delta.Tunneler(t.GetSpiffeId(), t.GetHostId(), t.GetSvidNotBefore().GetSeconds()))
	}
	return d
}

// DirectoryDigest is that of a directory.
func DirectoryDigest(all ...*zerotrustv1.DirectoryConnector) (d delta.Digest) {
	for _, c := range all {
		d = d.Add(delta.Connector(c.GetId(), c.GetSpiffeId(), c.GetHostId(), c.GetNetworkId(), c.GetSvidNotBefore().GetSeconds(), c.GetAddresses()))
	}
	return d
}

// Header is of an update of one part.
func Header(from, to uint64, d delta.Digest) *zerotrustv1.UpdateHeader {
	return &zerotrustv1.UpdateHeader{Timeline: Timeline, From: from, To: to, Part: 1, Parts: 1, Digest: d.Bytes()}
}

// Policy is a whole policy at a revision, in as many messages as it needs; end has what
// else the last one says, and may be nil.
func Policy(revision uint64, end *zerotrustv1.PolicyUpdate, all ...*zerotrustv1.PolicyTunneler) (out []*zerotrustv1.PolicyUpdate) {
	parts := split(all)
	for i, part := range parts {
		u := &zerotrustv1.PolicyUpdate{}
		if i == len(parts)-1 && end != nil {
			u = proto.CloneOf(end)
		}
		u.Header, u.Upserts = header(revision, i, len(parts), PolicyDigest(all...)), part
		out = append(out, u)
	}
	return out
}

// Directory is a whole directory, in as many messages as it needs.
func Directory(d *zerotrustv1.Directory) (out []*zerotrustv1.WatchResponse) {
	parts := split(d.GetConnectors())
	for i, part := range parts {
		u := &zerotrustv1.DirectoryUpdate{Header: header(d.GetRevision(), i, len(parts), DirectoryDigest(d.GetConnectors()...)), Upserts: part}
		if i == len(parts)-1 {
			u.ControlPlaneAddresses = d.GetControlPlaneAddresses()
		}
		out = append(out, &zerotrustv1.WatchResponse{Directory: u})
	}
	return out
}

func header(revision uint64, part, parts int, d delta.Digest) *zerotrustv1.UpdateHeader {
	h := Header(0, revision, d)
	h.Part, h.Parts = uint32(part+1), uint32(parts) //nolint:gosec // few
	return h
}

// split has at least one part, and each has room in a message.
func split[E proto.Message](all []E) (parts [][]E) {
	parts, size := [][]E{nil}, 0
	for _, e := range all {
		if size += proto.Size(e) + 8; size > wire.MaxUpdate/2 && len(parts[len(parts)-1]) > 0 {
			parts, size = append(parts, nil), proto.Size(e)
		}
		parts[len(parts)-1] = append(parts[len(parts)-1], e)
	}
	return parts
}
