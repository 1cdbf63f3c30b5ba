package api

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/anchors"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/health"
)

func (s *Server) bootstrapOperations() []operation {
	move := func(path, id, summary string, h func(*gin.Context) error) operation {
		return operation{
			method: http.MethodPost, path: "/ca/bootstrap/replacements" + path, id: id, tag: "ca", summary: summary,
			permission: auth.CARotate, stepUp: true, replayable: true,
			replies:  map[int]any{http.StatusAccepted: adminapi.BootstrapReplacement{}},
			problems: []string{adminapi.TypeRotation}, handle: h,
		}
	}
	start := move("", "startBootstrapReplacement", "Start to replace the bootstrap CA", s.startBootstrap)
	start.request = adminapi.BootstrapRequest{}
	start.replies[http.StatusOK] = adminapi.BootstrapPreview{}
	start.description = "With dry_run the reply is 200 and a preview; otherwise 202, and the replacement continues without the caller."
	return []operation{
		{
			method: http.MethodGet, path: "/ca/bootstrap", id: "getBootstrapCA", tag: "ca", summary: "Show the bootstrap CA and its replacement",
			permission: auth.FleetRead, replies: map[int]any{http.StatusOK: adminapi.BootstrapCA{}}, handle: s.getBootstrap,
		},
		start,
		move("/abort", "abortBootstrapReplacement", "Abort the replacement of the bootstrap CA, until the new one signs", s.abortBootstrap),
	}
}

func (s *Server) getBootstrap(c *gin.Context) error {
	r, err := s.cfg.Bootstrap.Report(c.Request.Context())
	if err != nil {
		return err
	}
	out := adminapi.BootstrapCA{Anchors: []adminapi.BootstrapAnchor{}}
	for i, a := range r.Anchors {
		sum := sha256.Sum256(a.Raw)
		out.Anchors = append(out.Anchors, adminapi.BootstrapAnchor{
			Fingerprint: hex.EncodeToString(sum[:]), Signs: i == 0, NotBefore: a.NotBefore, NotAfter: a.NotAfter,
		})
	}
	if r.Record != nil {
		it := renderReplacement(*r.Record)
		if g := r.Gate; g != nil {
			it.Gate, it.Offline = anchorsGate(*g), g.Offline
			if r.Record.Deadline > 0 {
				it.Gate.Deadline = r.Record.PhaseAt.Add(r.Record.Deadline)
			}
		}
		out.Replacement = &it
	}
	c.JSON(http.StatusOK, out)
	return nil
}

func renderReplacement(r anchors.Record) adminapi.BootstrapReplacement {
	out := adminapi.BootstrapReplacement{
		ID: r.ID, Status: string(r.State), Phase: string(r.Phase), Old: r.Old, New: r.New,
		StartedBy: r.StartedBy, StartedAt: r.StartedAt, EndedAt: r.EndedAt, Skipped: append([]string{}, r.Skipped...),
	}
	if r.Deadline > 0 {
		out.Deadline = health.Span(r.Deadline)
	}
	return out
}

func (s *Server) startBootstrap(c *gin.Context) error {
	var in adminapi.BootstrapRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	q := bootstrapRequest(c)
	if b.given["deadline"] {
		if q.Deadline, err = time.ParseDuration(in.Deadline); err != nil || q.Deadline <= 0 {
			b.wrong("deadline", `must be a duration such as "10m"`)
		}
	}
	if err := b.end(nil); err != nil {
		return err
	}
	if in.DryRun {
		return s.previewBootstrap(c, q)
	}
	r, err := s.cfg.Bootstrap.Start(c.Request.Context(), q)
	if errors.Is(err, anchors.ErrDeadline) {
		return inBody("deadline", err.Error())
	}
	return acceptedReplacement(c, r, err)
}

func (s *Server) previewBootstrap(c *gin.Context, q anchors.Request) error {
	p, err := s.cfg.Bootstrap.Preview(c.Request.Context(), q)
	if errors.Is(err, anchors.ErrDeadline) {
		return inBody("deadline", err.Error())
	}
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, adminapi.BootstrapPreview{DryRun: true, Steps: p.Steps, Gate: *anchorsGate(p.Gate), Offline: p.Gate.Offline})
	return nil
}

func anchorsGate(g anchors.Gate) *adminapi.Gate {
	out := &adminapi.Gate{Total: g.Total, Through: g.Through, HeldUpBy: []adminapi.Holdout{}}
	for _, h := range g.Holdouts {
		out.HeldUpBy = append(out.HeldUpBy, adminapi.Holdout{Name: h.Name, Why: h.Why})
	}
	return out
}

func (s *Server) abortBootstrap(c *gin.Context) error {
	r, err := s.cfg.Bootstrap.Abort(c.Request.Context(), bootstrapRequest(c))
	return acceptedReplacement(c, r, err)
}

func acceptedReplacement(c *gin.Context, r anchors.Record, err error) error {
	if err != nil {
		return err
	}
	c.JSON(http.StatusAccepted, renderReplacement(r))
	return nil
}

func bootstrapRequest(c *gin.Context) anchors.Request {
	who := callerOf(c)
	return anchors.Request{Actor: who.Actor, RequestID: requestID(c), From: who.from}
}
