package export

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// SignatureHeader carries "t=<unix seconds>,v1=<hex>": the HMAC-SHA256 of the
// seconds, a full stop and the body, under the shared secret. A receiver checks it,
// and that t is not old, before it reads the body.
const SignatureHeader = "X-Audit-Signature"

// FirstIndexHeader carries the index of the first event of the body, or the seq of its first
// renewal; StreamHeader says of which.
const (
	FirstIndexHeader = "X-Audit-First-Index"
	StreamHeader     = "X-Audit-Stream"
)

const (
	webhookTimeout = 15 * time.Second
	maxRetryAfter  = 10 * time.Minute
)

// Webhook posts batches to a URL as JSON lines. Any reply of 2xx is a delivery.
type Webhook struct {
	url    string
	secret []byte
	client *http.Client
	now    func() time.Time
}

// NewWebhook returns a sink for an URL. transport may be nil for the default one.
func NewWebhook(url string, secret []byte, transport http.RoundTripper, now func() time.Time) *Webhook {
	return &Webhook{url: url, secret: secret, now: now, client: &http.Client{
		Transport: transport, Timeout: webhookTimeout,
		// A redirect could send the events somewhere nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Deliver implements Sink.
func (s *Webhook) Deliver(ctx context.Context, b Batch) error {
	body := b.lines()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := strconv.FormatInt(s.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set(StreamHeader, string(b.Stream))
	req.Header.Set(FirstIndexHeader, strconv.FormatInt(b.First, 10))
	req.Header.Set(SignatureHeader, "t="+at+",v1="+Signature(s.secret, at, body))
	res, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection is used again
	if res.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("webhook answered %s", res.Status)
	if after, perr := strconv.Atoi(res.Header.Get("Retry-After")); perr == nil && after > 0 {
		return &retryAfterError{after: min(time.Duration(after)*time.Second, maxRetryAfter), err: err}
	}
	return err
}

// Signature is the v1 value of the SignatureHeader.
func Signature(secret []byte, unixSeconds string, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte(unixSeconds + "."))
	_, _ = mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Close implements Sink.
func (s *Webhook) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// ErrSecret is returned for a webhook secret that is too short to protect anything.
var ErrSecret = errors.New("the webhook's secret must have at least 16 bytes")
