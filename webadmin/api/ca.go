package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

func (s *Server) caOperations() []operation {
	move := func(path, id, summary string, h func(*gin.Context) error) operation {
		return operation{
			method: http.MethodPost, path: "/ca/rotations" + path, id: id, tag: "ca", summary: summary,
			permission: auth.CARotate, stepUp: true, replayable: true,
			replies:  map[int]any{http.StatusAccepted: adminapi.Rotation{}},
			problems: []string{adminapi.TypeRotation, adminapi.TypeUpstream}, handle: h,
		}
	}
	start := move("", "startRotation", "Start a CA rotation, or show what it would do", s.startRotation)
	start.request, start.replies[http.StatusOK] = adminapi.RotationRequest{}, adminapi.RotationPreview{}
	start.description = "With dry_run the reply is 200 and a preview; otherwise 202, and the rotation continues without the caller. Once the new authority is active, the old one cannot be restored: confirm must name the operation, \"rotate\" or \"emergency\"."
	resume := move("/resume", "resumeRotation", "Continue the paused rotation", s.resumeRotation)
	resume.request, resume.description = adminapi.ResumeRequest{}, "confirm must be \"resume\"."
	return []operation{
		{
			method: http.MethodGet, path: "/ca", id: "getCA", tag: "ca", summary: "Show the authorities, the current or last rotation, and the outage budget",
			permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.CA{}}, handle: s.getCA,
		},
		start,
		resume,
		move("/abort", "abortRotation", "Abort the unfinished rotation, while that is possible", s.abortRotation),
	}
}

func (s *Server) getCA(c *gin.Context) error {
	r, err := s.cfg.Rotations.Report(c.Request.Context())
	if err != nil {
		return err
	}
	out := adminapi.CA{
		Authorities: renderAuthorities(r.Authorities), Upstream: r.Authorities.Upstream, OutageBudget: s.cfg.OutageBudget,
	}
	if r.Rotation != nil {
		it := renderRotation(*r.Rotation, s.cfg.Now())
		if r.Gate != nil {
			g := renderGate(*r.Gate)
			it.Gate = &g
		}
		out.Rotation = &it
	}
	if a := r.Automatic; a != nil {
		out.Automatic = &adminapi.Automatic{Phase: string(a.Phase), Authority: a.Authority, Gate: renderGate(a.Gate)}
	}
	c.JSON(http.StatusOK, out)
	return nil
}

// startRotation answers 202: the rotation continues without the caller.
func (s *Server) startRotation(c *gin.Context) error {
	var in adminapi.RotationRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	o := rotationOptions(in, b)
	operation := adminapi.ConfirmRotate
	if in.Emergency {
		operation = adminapi.ConfirmEmergency
	}
	if !in.DryRun {
		b.confirm(in.Confirm, operation, "once the new authority is active, the old one cannot be restored; with dry_run nothing is changed")
	}
	if err := b.end(o.Validate()); err != nil {
		return err
	}
	if in.DryRun {
		p, err := s.cfg.Rotations.Preview(c.Request.Context(), o)
		if err != nil {
			return err
		}
		c.JSON(http.StatusOK, adminapi.RotationPreview{
			DryRun: true, Replaces: p.Replace, Reuses: p.Reuse, Steps: p.Steps, Gate: renderGate(p.Gate),
		})
		return nil
	}
	q := rotationRequest(c)
	q.Options = o
	r, err := s.cfg.Rotations.Start(c.Request.Context(), q)
	return s.accepted(c, r, err)
}

func (s *Server) resumeRotation(c *gin.Context) error {
	var in adminapi.ResumeRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	b.confirm(in.Confirm, adminapi.ConfirmResume, "once the new authority is active, the old one cannot be restored")
	if err := b.end(nil); err != nil {
		return err
	}
	r, err := s.cfg.Rotations.Resume(c.Request.Context(), rotationRequest(c))
	return s.accepted(c, r, err)
}

func (s *Server) abortRotation(c *gin.Context) error {
	r, err := s.cfg.Rotations.Abort(c.Request.Context(), rotationRequest(c))
	return s.accepted(c, r, err)
}

func (s *Server) accepted(c *gin.Context, r rotation.Rotation, err error) error {
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, renderRotation(r, s.cfg.Now()))
	return nil
}

func rotationRequest(c *gin.Context) rotation.Request {
	who := callerOf(c)
	return rotation.Request{Actor: who.Actor, RequestID: requestID(c), From: who.from}
}

// rotationOptions leaves what the values may be to the domain.
func rotationOptions(in adminapi.RotationRequest, b *body) (o rotation.Options) {
	o.Emergency, o.Offline, o.OnExpiry = in.Emergency, rotation.ProceedOffline, rotation.DropHoldouts
	if b.given["offline"] {
		o.Offline = rotation.OfflinePolicy(in.Offline)
	}
	if b.given["on_deadline"] {
		o.OnExpiry = rotation.Expiry(in.OnDeadline)
	}
	if b.given["deadline"] {
		var err error
		if o.Deadline, err = time.ParseDuration(in.Deadline); err != nil || o.Deadline <= 0 {
			b.wrong("deadline", `must be a duration such as "5m"`)
		}
	}
	return o
}

func renderAuthorities(a rotation.Authorities) []adminapi.Authority {
	out := []adminapi.Authority{}
	add := func(it rotation.Authority, state string) {
		known := slices.ContainsFunc(out, func(o adminapi.Authority) bool { return o.ID == it.ID })
		if it.ID == "" || known {
			return
		}
		i := slices.IndexFunc(a.Bundle, func(b rotation.Authority) bool { return b.ID == it.ID })
		out = append(out, adminapi.Authority{
			ID: it.ID, Status: state, Trusted: i >= 0, Tainted: i >= 0 && a.Bundle[i].Tainted, ExpiresAt: it.ExpiresAt,
		})
	}
	add(a.Active, "active")
	add(a.Prepared, "prepared")
	add(a.Old, "old")
	for _, b := range a.Bundle {
		add(b, "other")
	}
	return out
}

func renderRotation(r rotation.Rotation, now time.Time) adminapi.Rotation {
	out := adminapi.Rotation{
		ID: r.ID, Status: string(r.State), Phase: string(r.Phase), Replaces: r.Replace, Emergency: r.Options.Emergency,
		Offline: string(r.Options.Offline), OnDeadline: string(r.Options.OnExpiry), StartedBy: r.Actor,
		StartedAt: r.StartedAt, EndedAt: r.EndedAt, Reason: r.Reason, Dropped: append([]string{}, r.Dropped...),
	}
	if r.Options.Deadline > 0 {
		out.Deadline = health.Span(r.Options.Deadline)
	}
	for i, p := range r.Past {
		end := now
		switch {
		case i+1 < len(r.Past):
			end = r.Past[i+1].At
		case r.Finished():
			end = r.EndedAt
		}
		out.Phases = append(out.Phases, adminapi.RotationPhase{
			Phase: string(p.Phase), Authority: p.Authority, At: p.At, Seconds: end.Sub(p.At).Seconds(),
		})
	}
	return out
}

func renderGate(g rotation.Gate) adminapi.Gate {
	out := adminapi.Gate{Total: g.Total, Through: g.Through, Deadline: g.Deadline, HeldUpBy: []adminapi.Holdout{}}
	for _, h := range g.Holdouts {
		out.HeldUpBy = append(out.HeldUpBy, adminapi.Holdout{Name: h.Name, Why: h.Why})
	}
	return out
}
