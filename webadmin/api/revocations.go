package api

import (
	"net/http"
	"regexp"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (s *Server) revocationOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/revocations", id: "revokeByLabel", tag: "revocations", summary: "Revoke the access of all members with a label",
		description: "First with dry_run, which says who would be revoked; then with `selection`, which the dry run gave and which stands for exactly these members, and confirm, which must be \"revoke\". " +
			"All are revoked together or none: if a member came, went or was replaced by another host meanwhile, the reply is 409.",
		permission: auth.MembersRevoke, request: adminapi.BulkRevocation{}, replies: map[int]any{http.StatusOK: adminapi.BulkRevoked{}},
		problems: []string{adminapi.TypeSelection, adminapi.TypeLimit}, replayable: true, handle: s.revokeLabelled,
	}}
}

// selectionPattern is a fleet.Selection's Digest.
var selectionPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func (s *Server) revokeLabelled(c *gin.Context) error {
	var in adminapi.BulkRevocation
	read, err := readBody(c, &in)
	if err != nil {
		return err
	}
	b := fleet.BulkRevocation{Kind: identity.Kind(in.Kind), Selection: in.Selection, By: byOf(c)}
	b.Labels, err = access.ParseLabels(in.Label)
	read.take("label", err)
	if read.given["kind"] {
		_, err = identity.ParseKind(in.Kind)
		read.take("kind", err)
	}
	if !in.DryRun && read.given["label"] {
		read.confirm(in.Confirm, adminapi.ConfirmRevoke, "the access of all these members ends, and each host must be enrolled again with a new token")
		if !selectionPattern.MatchString(in.Selection) {
			read.wrong("selection", "must be the selection that the dry run gave")
		}
	}
	if err := read.end(nil); err != nil {
		return err
	}
	if in.DryRun {
		return s.previewRevocation(c, b)
	}
	done, err := s.cfg.Fleet.RevokeLabelled(c.Request.Context(), b)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderBulk(done, adminapi.BulkRevoked{Revoked: len(done), Selection: b.Selection}, "revoked"))
	return nil
}

func (s *Server) previewRevocation(c *gin.Context, b fleet.BulkRevocation) error {
	seen, err := s.cfg.Fleet.Labelled(c.Request.Context(), b.Labels, b.Kind)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderBulk(seen.Members, adminapi.BulkRevoked{DryRun: true, Selection: seen.Digest()}, "would be revoked"))
	return nil
}

func renderBulk(of []fleet.Member, out adminapi.BulkRevoked, result string) adminapi.BulkRevoked {
	out.Total, out.Members = len(of), make([]adminapi.BulkOfMember, 0, len(of))
	for _, m := range of {
		out.Members = append(out.Members, adminapi.BulkOfMember{Kind: string(m.Kind), ID: m.ID, Name: m.About.Name, HostID: string(m.HostID), Result: result})
	}
	return out
}
