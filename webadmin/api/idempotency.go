package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/replay"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
)

const idempotencyKey = "Idempotency-Key"

// idempotent says whether an operation takes an Idempotency-Key: what is not a
// POST is harmless to repeat as it is, and the public ones have no caller whose
// keys they were. What people change of their own account may have a password in it, of which
// not even a hash is kept.
func (o operation) idempotent() bool {
	return o.method == http.MethodPost && !o.public && o.permission != auth.Self
}

// once answers a request whose Idempotency-Key is known with the reply of the first
// time. It comes after authorize: only the caller that may get a reply is shown it.
func (s *Server) once(c *gin.Context) {
	o, _ := s.operationOf(c)
	values := c.Request.Header.Values(idempotencyKey)
	if !o.idempotent() || len(values) == 0 {
		return
	}
	key, err := readKey(values)
	if err != nil {
		s.fail(c, err)
		return
	}
	body, err := io.ReadAll(c.Request.Body)
	if err != nil {
		s.fail(c, notJSON(err))
		return
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	ctx := c.Request.Context()
	a, err := s.replays.Begin(ctx, callerOf(c).Actor, key, fingerprint(c.Request, body))
	if err != nil {
		s.fail(c, err)
		return
	}
	defer a.Close()
	if a.Done != nil {
		s.replay(c, o, *a.Done)
		return
	}
	kept := &keptReply{ResponseWriter: c.Writer}
	c.Writer = kept
	c.Next()
	// The caller may have gone; what was done is remembered all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), slowStore)
	defer cancel()
	switch status := c.Writer.Status(); {
	case status < http.StatusMultipleChoices:
		if !o.replayable {
			kept.body.Reset()
		}
		err = a.End(ctx, status, kept.body.Bytes(), c.GetString(keyResource))
	case status < http.StatusInternalServerError: // refused: nothing was done
		err = a.Drop(ctx)
	default: // it may have been done
	}
	if err != nil {
		s.logOf(c).Error("reply not remembered for its idempotency key", zap.Error(err))
	}
}

// slowStore bounds the wait for the store after the handler has ended.
const slowStore = 5 * time.Second

// setResourceID keeps the created id for replays.
func setResourceID(c *gin.Context, id string) { c.Set(keyResource, id) }

func readKey(values []string) (string, error) {
	key := values[0]
	bad := len(values) != 1 || key == "" || len(key) > replay.MaxKey
	for i := range len(key) {
		bad = bad || key[i] < '!' || key[i] > '~'
	}
	if bad {
		return "", inHeader(idempotencyKey, "must be one header of 1 to 128 visible ASCII characters, such as a UUID")
	}
	return key, nil
}

// fingerprint is of all that a request says: two with one key must be the same.
func fingerprint(r *http.Request, body []byte) []byte {
	h := sha256.New()
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type")} {
		_, _ = h.Write([]byte(part + "\x00")) // a header has no NUL, nor has an escaped path
	}
	_, _ = h.Write(body)
	return h.Sum(nil)
}

// replay gives the reply of the first time. A secret was not kept.
func (s *Server) replay(c *gin.Context, o operation, r replay.Record) {
	c.Header("Idempotency-Replayed", "true")
	if !o.replayable {
		p := problem(adminapi.TypeReplayed,
			"this request was already carried out; its reply is shown only once, because it may contain a secret")
		p.Resource = r.Resource
		s.fail(c, p)
		return
	}
	c.Abort()
	if len(r.Body) == 0 {
		c.Status(r.Status)
		return
	}
	c.Data(r.Status, "application/json; charset=utf-8", r.Body)
}

// keptReply keeps a copy of the body.
type keptReply struct {
	gin.ResponseWriter
	body bytes.Buffer
}

// Write implements io.Writer.
func (k *keptReply) Write(b []byte) (int, error) {
	_, _ = k.body.Write(b) // never fails
	return k.ResponseWriter.Write(b)
}

// WriteString implements io.StringWriter.
func (k *keptReply) WriteString(text string) (int, error) {
	_, _ = k.body.WriteString(text)
	return k.ResponseWriter.WriteString(text)
}

// replayProblem translates the errors of replay; nil for others.
func replayProblem(err error) *problemError {
	switch {
	case errors.Is(err, replay.ErrReused):
		return problem(adminapi.TypeKeyReused, replay.ErrReused.Error())
	case errors.Is(err, replay.ErrInterrupted):
		return problem(adminapi.TypeInterrupted, replay.ErrInterrupted.Error())
	default:
		return nil
	}
}
