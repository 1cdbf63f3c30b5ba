package wire

import (
	"errors"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/visible"
	zerotrustv1 "github.com/sathiyaseelank-dot/grpccontroller/proto/zerotrust/v1"
)

// What a peer may not say. The texts go to the peer and into logs, and never hold
// what it said.
var (
	errVersion     = errors.New("version: must be at most 64 bytes of printable text")
	errAuthorities = errors.New("bundle_authority_ids: must be at most 64 key ids, each at most 80 hexadecimal digits in lower case")
	errSVID        = errors.New("svid: serial and authority_id must be at most 80 hexadecimal digits in lower case, not_after a time")
	errStarted     = errors.New("session_started_at: must be a time")
	errRemote      = errors.New("remote_address: must be at most 80 bytes of printable text")
)

// CheckHeartbeat returns what a tunneler may not say to a connector, or nil. Whose
// heartbeat it is must have been checked already.
func CheckHeartbeat(hb *zerotrustv1.TunnelerHeartbeat) error {
	return firstFault(hb.GetVersion(), hb.GetSvid(), hb.GetBundleAuthorityIds())
}

// firstFault holds for the part of a heartbeat that is passed on.
func firstFault(version string, svid *zerotrustv1.SVIDStatus, authorities []string) error {
	switch {
	case !Label(version):
		return errVersion
	case !svidOK(svid):
		return errSVID
	case len(authorities) > MaxAuthorities || slices.ContainsFunc(authorities, notHexadecimal):
		return errAuthorities
	}
	return nil
}

func notHexadecimal(s string) bool { return !hexadecimal(s) }

func svidOK(s *zerotrustv1.SVIDStatus) bool {
	return hexadecimal(s.GetSerial()) && hexadecimal(s.GetAuthorityId()) && (s.GetNotAfter() == nil || s.GetNotAfter().IsValid())
}

// CheckReport returns what a connector may not say of a tunneler, or nil.
func CheckReport(r *zerotrustv1.TunnelerReport) error {
	if err := firstFault(r.GetVersion(), r.GetSvid(), r.GetBundleAuthorityIds()); err != nil {
		return err
	}
	switch {
	case r.GetSessionStartedAt() != nil && !r.GetSessionStartedAt().IsValid():
		return errStarted
	case len(r.GetRemoteAddress()) > MaxRemoteAddress || !visible.Text(r.GetRemoteAddress()):
		return errRemote
	}
	return nil
}

// ClipReport returns r without what nobody may say, and the first fault if there was
// one: the session that it is about exists all the same, and the connector that
// passes it on is not to blame for it. r stays as it is.
func ClipReport(r *zerotrustv1.TunnelerReport) (*zerotrustv1.TunnelerReport, error) {
	fault := CheckReport(r)
	if fault == nil {
		return r, nil
	}
	return &zerotrustv1.TunnelerReport{
		TunnelerId: r.GetTunnelerId(), Version: Clip(r.GetVersion(), MaxLabel), Svid: clipSVID(r.GetSvid()),
		SessionStartedAt: clipTime(r.GetSessionStartedAt()), RemoteAddress: Clip(r.GetRemoteAddress(), MaxRemoteAddress),
		Detached: r.GetDetached(), BundleAuthorityIds: ClipAuthorities(r.GetBundleAuthorityIds()),
	}, fault
}

// ClipAuthorities keeps the first MaxAuthorities key ids.
func ClipAuthorities(ids []string) []string {
	out := make([]string, 0, min(len(ids), MaxAuthorities))
	for _, id := range ids[:min(len(ids), MaxAuthorities)] {
		if hexadecimal(id) {
			out = append(out, id)
		}
	}
	return out
}

func clipSVID(s *zerotrustv1.SVIDStatus) *zerotrustv1.SVIDStatus {
	if s == nil || svidOK(s) {
		return s
	}
	out := &zerotrustv1.SVIDStatus{NotAfter: clipTime(s.GetNotAfter())}
	if hexadecimal(s.GetSerial()) {
		out.Serial = s.GetSerial()
	}
	if hexadecimal(s.GetAuthorityId()) {
		out.AuthorityId = s.GetAuthorityId()
	}
	return out
}

func clipTime(t *timestamppb.Timestamp) *timestamppb.Timestamp {
	if t == nil || !t.IsValid() {
		return nil
	}
	return t
}
