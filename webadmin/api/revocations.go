package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

func (s *Server) revocationOperations() []operation {
	return []operation{{
		method: http.MethodPost, path: "/revocations", id: "revokeByLabel", tag: "revocations", summary: "Revoke the access of all members with a label",
		description: "First with dry_run, which says who would be revoked; then with expect, the total of the dry run, and confirm, which must be \"revoke\". " +
			"All are revoked together or none: if the number has changed meanwhile the reply is 409.",
		permission: auth.MembersRevoke, request: adminapi.BulkRevocation{}, replies: map[int]any{http.StatusOK: adminapi.BulkRevoked{}},
		problems: []string{adminapi.TypeCount, adminapi.TypeLimit}, replayable: true, handle: s.revokeLabelled,
	}}
}

func (s *Server) revokeLabelled(c *gin.Context) error {
	var in adminapi.BulkRevocation
	read, err := readBody(c, &in)
	if err != nil {
		return err
	}
	b := fleet.BulkRevocation{Kind: identity.Kind(in.Kind), Expect: in.Expect, By: byOf(c)}
	b.Labels, err = fleet.ParseLabels(in.Label)
	read.take("label", err)
	if read.given["kind"] {
		_, err = identity.ParseKind(in.Kind)
		read.take("kind", err)
	}
	if !in.DryRun && read.given["label"] {
		read.confirm(in.Confirm, adminapi.ConfirmRevoke, "the access of all these members ends, and each host must be enrolled again with a new token")
		if in.Expect < 1 {
			read.wrong("expect", "must be the total that the dry run gave")
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
	out := adminapi.BulkRevoked{Total: len(done), Members: []adminapi.BulkOfMember{}}
	for _, one := range done {
		result := "revoked"
		if one.Kept != "" {
			result = "kept"
		} else {
			out.Revoked++
		}
		out.Members = append(out.Members, renderBulk(one.Member, result, one.Kept))
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func (s *Server) previewRevocation(c *gin.Context, b fleet.BulkRevocation) error {
	members, err := s.cfg.Fleet.Labelled(c.Request.Context(), b.Labels, b.Kind)
	if err != nil {
		return err
	}
	out := adminapi.BulkRevoked{DryRun: true, Total: len(members), Members: []adminapi.BulkOfMember{}}
	for _, m := range members {
		out.Members = append(out.Members, renderBulk(m, "would be revoked", ""))
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func renderBulk(m fleet.Member, result, reason string) adminapi.BulkOfMember {
	return adminapi.BulkOfMember{Kind: string(m.Kind), ID: m.ID, Name: m.About.Name, HostID: string(m.HostID), Result: result, Reason: reason}
}
