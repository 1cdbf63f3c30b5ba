package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/keys"
)

// requestStates are all that a request can have.
var requestStates = []enroll.RequestState{
	enroll.RequestPending, enroll.RequestState(enroll.Approved), enroll.RequestEnrolled, enroll.RequestState(enroll.Denied), enroll.RequestState(enroll.Withdrawn), enroll.RequestExpired,
}

func (s *Server) requestOperations() []operation {
	one := []param{{name: "id", description: "a request_id", pattern: "^req_[0-9a-f]{32}$"}}
	return []operation{{
		method: http.MethodGet, path: "/requests", id: "listRequests", tag: "requests", summary: "List hosts that ask to be enrolled without a token, newest first",
		permission: auth.FleetRead, query: enrollParams(requestStates...), replies: listReplies(adminapi.RequestList{}), handle: s.listRequests,
	}, {
		method: http.MethodGet, path: "/requests/:id", id: "getRequest", tag: "requests", summary: "Show one enrollment request",
		permission: auth.FleetRead, params: one, replies: map[int]any{http.StatusOK: adminapi.Request{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getRequest,
	}, {
		method: http.MethodPost, path: "/requests/:id/approve", id: "approveRequest", tag: "requests", summary: "Approve an enrollment request",
		description: "Needs the whole fingerprint, or its last group, which only the host's own screen shows. The third wrong fingerprint denies the request.",
		permission:  auth.RequestsDecide, stepUp: true, params: one, request: adminapi.Approval{},
		replies: map[int]any{http.StatusOK: adminapi.Request{}}, problems: []string{adminapi.TypeNotFound, adminapi.TypeRequestDecided, adminapi.TypeFingerprint, adminapi.TypeLiveMember},
		replayable: true, handle: s.approveRequest,
	}, {
		method: http.MethodPost, path: "/requests/:id/deny", id: "denyRequest", tag: "requests", summary: "Deny an enrollment request; the decision is final",
		permission: auth.RequestsDecide, params: one, replies: map[int]any{http.StatusOK: adminapi.Request{}},
		problems: []string{adminapi.TypeNotFound, adminapi.TypeRequestDecided}, replayable: true, handle: s.denyRequest,
	}}
}

func (s *Server) listRequests(c *gin.Context) error {
	q, at, err := enrollQuery[enroll.RequestState]("requests", queryOf(c))
	if err != nil {
		return err
	}
	page, err := s.cfg.Requests.RequestPage(c.Request.Context(), q)
	if err != nil {
		return fleetProblem(err)
	}
	lists, err := s.cfg.Fleet.Lists(c.Request.Context())
	if err != nil {
		return err
	}
	out := adminapi.RequestList{Requests: make([]adminapi.Request, 0, len(page.Items)), NextPageToken: at.tokenOf(page.Next), Total: page.Total}
	for _, r := range page.Items {
		out.Requests = append(out.Requests, s.renderRequest(r, lists.Live(r.Workload)))
	}
	return list(c, out)
}

func (s *Server) getRequest(c *gin.Context) error {
	r, err := s.cfg.Requests.Request(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return s.replyRequest(c, r)
}

func (s *Server) approveRequest(c *gin.Context) error {
	var in adminapi.Approval
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	if in.Fingerprint == "" {
		b.wrong("fingerprint", "is missing: all of it, or its last group, from the host's own screen")
	}
	if err := b.end(nil); err != nil {
		return err
	}
	if b.given["id"] {
		r, err := s.cfg.Requests.Request(c.Request.Context(), c.Param("id"))
		if err != nil {
			return err
		}
		if r.Workload.ID != in.ID {
			return inBody("id", "is not the id that the host asks for")
		}
	}
	v := verdict(c)
	v.Fingerprint, v.Replace = in.Fingerprint, in.Replace
	r, err := s.cfg.Requests.Approve(c.Request.Context(), v)
	if err != nil {
		return err
	}
	return s.replyRequest(c, r)
}

func (s *Server) denyRequest(c *gin.Context) error {
	r, err := s.cfg.Requests.Deny(c.Request.Context(), verdict(c))
	if err != nil {
		return err
	}
	return s.replyRequest(c, r)
}

func verdict(c *gin.Context) enroll.Verdict {
	who := callerOf(c)
	return enroll.Verdict{ID: c.Param("id"), Actor: who.Actor, RequestID: requestID(c), From: who.from}
}

func (s *Server) replyRequest(c *gin.Context, r enroll.Request) error {
	live, err := s.liveID(c.Request.Context(), r.Workload)
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, s.renderRequest(r, live))
	return nil
}

// liveID says that an approval would have to replace this one.
func (s *Server) liveID(ctx context.Context, w identity.Workload) (live bool, err error) {
	if w.Kind == identity.KindConnector {
		var m fleet.Connector
		m, err = s.cfg.Fleet.Connector(ctx, w.ID)
		live = m.Live()
	} else {
		var m fleet.Tunneler
		m, err = s.cfg.Fleet.Tunneler(ctx, w.ID)
		live = m.Live()
	}
	if errors.Is(err, fleet.ErrNotFound) {
		return false, nil
	}
	return live, err
}

func (s *Server) renderRequest(r enroll.Request, live bool) adminapi.Request {
	start, _ := keys.SplitFingerprint(r.Fingerprint)
	state := r.State(s.cfg.Now())
	return adminapi.Request{
		EnrollmentRequestID: r.ID, Code: r.Code, Status: string(state), Kind: string(r.Workload.Kind), ID: r.Workload.ID,
		LiveID: state == enroll.RequestPending && live, FingerprintStart: start,
		Hostname: r.Facts.Hostname, Version: r.Facts.Version, BinaryPath: r.Facts.BinaryPath, SystemdUnit: r.Facts.SystemdUnit, UID: r.Facts.UID,
		Ephemeral: r.Ephemeral, SecondRole: len(r.HostCertificate) > 0, Source: r.Source, Mismatches: r.Mismatches,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, DecidedAt: r.DecidedAt, DecidedBy: r.DecidedBy,
		EnrolledAt: r.CollectedAt, TokenID: r.TokenID, HostID: string(r.HostID),
	}
}
