package api

import (
	"slices"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/presence"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// statusOf reads a presence that nobody has filled in as OFFLINE.
func statusOf(p presence.State) presence.Status {
	if p.Status == presence.Online {
		return presence.Online
	}
	return presence.Offline
}

// lastSeen is the last heartbeat of a member, in this run of the program or before.
func lastSeen(m fleet.Member, p presence.State) time.Time {
	if p.LastSeen.After(m.LastSeenAt) {
		return p.LastSeen
	}
	return m.LastSeenAt
}

func (s *Server) renderMember(m fleet.Member, p presence.State, marks marks) (adminapi.Member, error) {
	id, err := m.SPIFFEID(s.cfg.TrustDomain)
	if err != nil {
		return adminapi.Member{}, err
	}
	return adminapi.Member{
		ID: m.ID, Status: string(statusOf(p)), LastSeen: lastSeen(m, p), Version: m.Version,
		SPIFFEID: id.String(), HostID: string(m.HostID), EnrolledAt: m.EnrolledAt, RevokedAt: m.RevokedAt,
		Contested: marks.contested, Cloned: marks.clone != nil, Clone: renderClone(marks.clone), RemoteAddress: p.RemoteAddr,
		SVID:  adminapi.SVID{Serial: p.SVID.Serial, AuthorityID: p.SVID.AuthorityID, NotAfter: p.SVID.NotAfter},
		About: renderAbout(m.About),
	}, nil
}

func renderAbout(a fleet.About) adminapi.About {
	out := adminapi.About{Name: a.Name, Labels: a.Labels, Notes: a.Notes, Revision: a.Revision}
	if out.Labels == nil {
		out.Labels = map[string]string{} // {} and not null in JSON
	}
	return out
}

// marks are those of a member's host.
type marks struct {
	contested bool
	clone     *fleet.Clone
}

func renderClone(c *fleet.Clone) *adminapi.Clone {
	if c == nil {
		return nil
	}
	out := &adminapi.Clone{Signal: string(c.Signal), Member: c.Member, Sightings: []adminapi.Sighting{}}
	for _, s := range c.Sightings {
		out.Sightings = append(out.Sightings, adminapi.Sighting{Address: s.Address, InstanceID: s.InstanceID, BootID: s.BootID, At: s.At})
	}
	return out
}

func (s *Server) renderConnector(m fleet.Connector) (adminapi.Connector, error) {
	member, err := s.renderMember(m.Member, m.Presence, marks{m.Contested, m.Clone})
	addresses := slices.Clone(m.Addresses)
	if addresses == nil {
		addresses = []string{} // [] and not null in JSON
	}
	return adminapi.Connector{
		Member: member, NetworkID: m.NetworkID, PrivateIP: m.PrivateIP, Addresses: addresses,
		StreamSince: m.Presence.Since, PolicyRevision: m.Presence.PolicyRevision, Refusal: m.Presence.Refusal,
	}, err
}

func (s *Server) renderTunneler(m fleet.Tunneler) (adminapi.Tunneler, error) {
	member, err := s.renderMember(m.Member, m.Presence, marks{m.Contested, m.Clone})
	if err != nil {
		return adminapi.Tunneler{}, err
	}
	out := adminapi.Tunneler{
		Member: member, ConnectorID: m.ConnectorID, SessionSince: m.Presence.Since, Sessions: make([]adminapi.TunnelerSession, len(m.Sessions)),
	}
	for i, one := range m.Sessions {
		out.Sessions[i] = adminapi.TunnelerSession{
			ConnectorID: one.ConnectorID, Since: one.Since, LastReport: one.LastSeen, Version: one.Version, RemoteAddress: one.RemoteAddr,
		}
	}
	if m.ConnectorID == "" {
		return out, nil
	}
	by, err := identity.Workload{Kind: identity.KindConnector, ID: m.ConnectorID}.SPIFFEID(s.cfg.TrustDomain)
	out.ReportedBy = by.String()
	return out, err
}
