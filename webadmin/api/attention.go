package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/attention"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

// Attention lists what an operator has to look into; attention.Board is it.
type Attention interface {
	List(ctx context.Context, most int) (attention.List, error)
	// Dismiss errors: attention.ErrNotFound.
	Dismiss(ctx context.Context, id string, by audit.Event) (attention.Item, error)
}

const (
	// shownAttention is how many items GET /status shows, and mostAttention GET /attention.
	shownAttention = 20
	mostAttention  = 200
)

func (s *Server) attentionOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/attention", id: "listAttention", tag: "status", summary: "List what an operator has to look into",
		description: "The gravest first, at most 200. An item that was dismissed is not listed until its state changes: it then has another id.",
		permission:  auth.FleetRead, replies: listReplies(adminapi.AttentionList{}), handle: s.listAttention,
	}, {
		method: http.MethodPost, path: "/attention/:id/dismiss", id: "dismissAttention", tag: "status", summary: "Dismiss an item until its state changes",
		description: "It changes nothing but the list. The audit log records who dismissed what.",
		permission:  auth.AttentionDismiss, replies: map[int]any{http.StatusOK: adminapi.Attention{}},
		params:   []param{{name: "id", description: "the id of an item, which is of its present state", maxLength: 64}},
		problems: []string{adminapi.TypeNotFound}, replayable: true, handle: s.dismissAttention,
	}}
}

func (s *Server) listAttention(c *gin.Context) error {
	l, err := s.cfg.Attention.List(c.Request.Context(), mostAttention)
	if err != nil {
		return err
	}
	return list(c, adminapi.AttentionList{Attention: renderAttention(l.Items), Total: l.Total})
}

func (s *Server) dismissAttention(c *gin.Context) error {
	who := callerOf(c)
	it, err := s.cfg.Attention.Dismiss(c.Request.Context(), c.Param("id"), audit.Event{Actor: who.Actor, RequestID: requestID(c), Source: who.from})
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, renderItem(it))
	return nil
}

func renderAttention(items []attention.Item) []adminapi.Attention {
	out := make([]adminapi.Attention, 0, len(items))
	for _, it := range items {
		out = append(out, renderItem(it))
	}
	return out
}

func renderItem(it attention.Item) adminapi.Attention {
	return adminapi.Attention{
		ID: it.ID, Kind: string(it.Kind), Severity: string(it.Severity), Subject: it.Subject, Since: it.Since, Found: it.Found, Do: it.Do, Page: pageOf(it),
	}
}

// pageOf is where the dashboard shows more of an item.
func pageOf(it attention.Item) string {
	switch it.Kind {
	case attention.Offline:
		return "/connectors?status=OFFLINE"
	case attention.Approvals:
		return "/requests"
	case attention.Bootstrap, attention.Rotation:
		return "/ca"
	case attention.Export:
		return "/audit"
	case attention.Certificate, attention.Recovery:
		return "/settings"
	default:
		kind, id, _ := strings.Cut(it.Subject, "/")
		return "/" + kind + "s/" + id
	}
}
