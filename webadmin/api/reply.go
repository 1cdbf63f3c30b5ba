package api

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// list replies with one page, or with 304 when the caller has that page already.
// The tag is of the very bytes, so it changes with anything that a page shows.
func list(c *gin.Context, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	tag := `"` + hex.EncodeToString(sum[:16]) + `"`
	c.Header("ETag", tag)
	if noneMatch(c.Request.Header.Values("If-None-Match"), tag) {
		c.Status(http.StatusNotModified)
		return nil
	}
	c.Data(http.StatusOK, "application/json; charset=utf-8", b)
	return nil
}

// listReplies are the replies of an operation that ends in list.
func listReplies(page any) map[int]any {
	return map[int]any{http.StatusOK: page, http.StatusNotModified: nil}
}

// noneMatch is the comparison of RFC 9110, section 13.1.2.
func noneMatch(values []string, tag string) bool {
	return slices.ContainsFunc(strings.Split(strings.Join(values, ","), ","), func(v string) bool {
		v = strings.TrimSpace(v)
		return v == "*" || strings.TrimPrefix(v, "W/") == tag
	})
}
