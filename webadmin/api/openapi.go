package api

import (
	_ "embed" // the document
	"net/http"

	"github.com/gin-gonic/gin"
)

// document is written by "make openapi" and compared by a test with the table of
// operations.
//
//go:embed openapi.json
var document []byte

func (s *Server) openAPIOperations() []operation {
	return []operation{{
		method: http.MethodGet, path: "/openapi.json", id: "getOpenAPIDocument", tag: "status", summary: "This document",
		public: true, replies: map[int]any{http.StatusOK: anyObject{}}, handle: s.openAPI,
	}}
}

// anyObject is a reply that its operation says no more of.
type anyObject map[string]any

func (s *Server) openAPI(c *gin.Context) error {
	c.Data(http.StatusOK, "application/json; charset=utf-8", document)
	return nil
}
