package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

func (s *Server) keyOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/keys", id: "listKeys", tag: "keys", summary: "List API keys, expired and revoked ones too, newest first",
		permission: auth.KeysManage, query: pageParams(), replies: listReplies(adminapi.KeyList{}), handle: s.listKeys,
	}, {
		method: http.MethodPost, path: "/keys", id: "createKey", tag: "keys", summary: "Create an API key",
		description: "Only this reply contains the secret. A key cannot have a permission that its creator does not have. A key that another key created ends when that key expires or is revoked.",
		permission:  auth.KeysManage, stepUp: true, request: adminapi.KeyRequest{},
		replies: map[int]any{http.StatusCreated: adminapi.CreatedKey{}}, handle: s.createKey,
	}, {
		method: http.MethodGet, path: "/keys/:id", id: "getKey", tag: "keys", summary: "Show one API key, also an expired or revoked one",
		permission: auth.KeysManage, replies: map[int]any{http.StatusOK: adminapi.Key{}}, problems: []string{adminapi.TypeNotFound}, handle: s.getKey,
	}, {
		method: http.MethodPatch, path: "/keys/:id", id: "updateKey", tag: "keys", summary: "Change the name or the scopes of an API key",
		description: "A JSON merge patch. The key gets no scope that you, or whoever created it, do not have. Keys that it created and that may do more than it may now are revoked.",
		permission:  auth.KeysManage, stepUp: true, request: adminapi.KeyChange{}, replies: map[int]any{http.StatusOK: adminapi.Key{}},
		problems: []string{adminapi.TypeNotFound, adminapi.TypeDeclared, adminapi.TypeRevoked}, handle: s.changeKey,
	}, {
		method: http.MethodDelete, path: "/keys/:id", id: "revokeKey", tag: "keys", summary: "Revoke an API key, its access tokens and the keys that it created",
		permission: auth.KeysManage, replies: map[int]any{http.StatusNoContent: nil}, problems: []string{adminapi.TypeNotFound, adminapi.TypeDeclared}, handle: s.revokeKey,
	}}
}

func (s *Server) listKeys(c *gin.Context) error {
	items, next, total, err := byCreation(c, "keys", s.cfg.Identity.Keys.Page, func(k auth.Key) auth.Place { return auth.Place{At: k.CreatedAt, ID: k.ID} })
	if err != nil {
		return err
	}
	out := adminapi.KeyList{Keys: make([]adminapi.Key, 0, len(items)), NextPageToken: next, Total: total}
	for _, k := range items {
		out.Keys = append(out.Keys, s.renderKey(k))
	}
	return list(c, out)
}

func (s *Server) createKey(c *gin.Context) error {
	var in adminapi.KeyRequest
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	n := auth.NewAPIKey{Name: in.Name}
	if b.given["ttl"] {
		if n.Life, err = time.ParseDuration(in.TTL); err != nil || n.Life == 0 {
			b.wrong("ttl", `must be a duration such as "720h"`)
		}
	}
	n.Permissions = permissions(in.Scopes)
	for _, p := range n.Permissions {
		if p.Grantable() && !callerOf(c).May(p) {
			b.wrong("scopes", "you cannot give "+string(p)+", which you do not have")
		}
	}
	if err := b.end(n.Validate()); err != nil {
		return err
	}
	k, secret, err := s.cfg.Identity.Keys.Create(c.Request.Context(), n, by(c))
	if err != nil {
		return err
	}
	setResourceID(c, k.ID)
	c.JSON(http.StatusCreated, adminapi.CreatedKey{Key: s.renderKey(k), Secret: secret})
	return nil
}

// permissions are never nil, which would be no change.
func permissions(scopes []string) []auth.Permission {
	out := make([]auth.Permission, 0, len(scopes))
	for _, s := range scopes {
		out = append(out, auth.Permission(s))
	}
	return out
}

func (s *Server) changeKey(c *gin.Context) error {
	var in adminapi.KeyChange
	b, err := readBody(c, &in)
	if err != nil {
		return err
	}
	var change auth.KeyChange
	if b.given["name"] {
		change.Name = &in.Name
	}
	if b.given["scopes"] {
		change.Permissions = permissions(in.Scopes)
	}
	if len(b.faults) > 0 {
		return b.end(nil)
	}
	if err := b.end(change.Validate()); err != nil {
		return err
	}
	k, err := s.cfg.Identity.Keys.Update(c.Request.Context(), c.Param("id"), change, by(c))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, s.renderKey(k))
	return nil
}

func (s *Server) getKey(c *gin.Context) error {
	k, err := s.cfg.Identity.Keys.Get(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	c.JSON(http.StatusOK, s.renderKey(k))
	return nil
}

func (s *Server) revokeKey(c *gin.Context) error {
	if err := s.cfg.Identity.Keys.Revoke(c.Request.Context(), c.Param("id"), by(c)); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

func (s *Server) renderKey(k auth.Key) adminapi.Key {
	now := s.cfg.Now()
	return adminapi.Key{
		ID: k.ID, Name: k.Name, Scopes: texts(k.KeyPermissions()), Status: k.State(now), CreatedBy: k.CreatedBy, Declared: s.cfg.Identity.Keys.Declared(k),
		CreatedAt: k.CreatedAt, ExpiresAt: k.ExpiresAt, LastUsedAt: k.LastUsedAt, RevokedAt: k.RevokedAt,
	}
}
