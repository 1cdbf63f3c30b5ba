package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

// fakeCA is an ACME server in memory, as far as a client sees it. It believes every
// signature; internal/e2e/acme has a real server.
type fakeCA struct {
	// Set before use.
	life     time.Duration
	listener func() *tls.Config // which the validation asks
	refuse   func(path string) (status int, problem, retryAfter string)
	spoil    func(path string) string // another body for this path
	issueFor func(csr *x509.CertificateRequest) []string
	issueIn  time.Duration // after all is proved
	past     time.Duration // of the life of what is issued

	mu       sync.Mutex
	requests []string
	orders   []string // the names
	proofs   []string // what the validation saw
	ready    map[string]string
	certs    map[string][]byte
	issuedAt map[string]time.Time
	account  bool // there is one
	contact  []string
	key      *ecdsa.PrivateKey
	root     *x509.Certificate
	serial   int64
}

const fakeURL = "https://ca.example"

func newFakeCA(life time.Duration) *fakeCA {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * 365 * 24 * time.Hour),
	}
	return &fakeCA{life: life, key: key, root: root, ready: map[string]string{}, certs: map[string][]byte{}, issuedAt: map[string]time.Time{}}
}

// RoundTrip implements http.RoundTripper.
func (f *fakeCA) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	path := r.URL.Path
	f.requests = append(f.requests, path)
	if f.refuse != nil {
		if status, problem, after := f.refuse(path); status < 0 {
			return nil, errors.New("connection refused")
		} else if status != 0 {
			return reply(status, map[string]string{"Retry-After": after}, map[string]any{"type": "urn:ietf:params:acme:error:" + problem, "detail": "not now"}), nil
		}
	}
	if f.spoil != nil {
		if body := f.spoil(path); body != "" {
			return reply(http.StatusOK, nil, json.RawMessage(body)), nil
		}
	}
	payload, err := payloadOf(r)
	if err != nil {
		return nil, err
	}
	return f.answer(path, payload), nil
}

// refuses sets what is refused from now on, also while requests are under way.
func (f *fakeCA) refuses(what func(path string) (status int, problem, retryAfter string)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = what
}

// at counts the requests for paths that begin so.
func (f *fakeCA) at(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range f.requests {
		if strings.HasPrefix(path, prefix) {
			n++
		}
	}
	return n
}

func (f *fakeCA) answer(path string, payload []byte) *http.Response {
	kind, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch kind {
	case "directory":
		return reply(http.StatusOK, nil, map[string]string{"newNonce": fakeURL + "/nonce", "newAccount": fakeURL + "/account", "newOrder": fakeURL + "/neworder"})
	case "nonce":
		return reply(http.StatusOK, nil, nil)
	case "account":
		return f.ofAccount(id, payload)
	case "neworder":
		var in struct{ Identifiers []struct{ Value string } }
		_ = json.Unmarshal(payload, &in)
		name := in.Identifiers[0].Value
		f.orders, f.ready[name] = append(f.orders, name), "pending"
		return reply(http.StatusCreated, map[string]string{"Location": fakeURL + "/order/" + name}, f.order(name))
	case "order":
		return reply(http.StatusOK, nil, f.order(id))
	case "authorization":
		return reply(http.StatusOK, nil, f.authorization(id))
	case "challenge":
		f.validate(id)
		return reply(http.StatusOK, nil, f.challenge(id))
	case "finalize":
		return f.finalize(id, payload)
	case "certificate":
		return reply(http.StatusOK, nil, f.certs[id])
	}
	return reply(http.StatusNotFound, nil, nil)
}

// ofAccount makes, finds or, under its own URL, changes the account.
func (f *fakeCA) ofAccount(id string, payload []byte) *http.Response {
	var in struct{ Contact []string }
	_ = json.Unmarshal(payload, &in)
	status := http.StatusOK
	if !f.account {
		status = http.StatusCreated
	}
	if !f.account || id != "" {
		f.account, f.contact = true, in.Contact
	}
	return reply(status, map[string]string{"Location": fakeURL + "/account/1"}, map[string]any{"status": "valid", "contact": f.contact})
}

func (f *fakeCA) order(name string) map[string]any {
	status := f.ready[name]
	switch {
	case f.certs[name] == nil || status != "issued":
	case time.Now().Before(f.issuedAt[name]):
		status = "processing"
	default:
		status = "valid"
	}
	return map[string]any{
		"status": status, "finalize": fakeURL + "/finalize/" + name, "certificate": fakeURL + "/certificate/" + name,
		"authorizations": []string{fakeURL + "/authorization/" + name},
	}
}

func (f *fakeCA) authorization(name string) map[string]any {
	status := map[string]string{"pending": "pending", "invalid": "invalid"}[f.ready[name]]
	if status == "" {
		status = "valid"
	}
	return map[string]any{
		"status": status, "identifier": map[string]string{"type": "dns", "value": name},
		"challenges": []any{map[string]any{"type": "http-01", "url": fakeURL + "/x", "token": "x"}, f.challenge(name)},
	}
}

func (f *fakeCA) challenge(name string) map[string]any {
	c := map[string]any{"type": "tls-alpn-01", "url": fakeURL + "/challenge/" + name, "token": "token-of-" + name}
	if f.ready[name] == "invalid" {
		c["status"] = "invalid"
		c["error"] = map[string]any{"type": "urn:ietf:params:acme:error:connection", "detail": "refused: 192.0.2.1:443", "status": 400}
	}
	return c
}

// acmeIdentifier is the extension of a proof (RFC 8737 section 3).
var acmeIdentifier = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 31}

func (f *fakeCA) validate(name string) {
	f.ready[name] = "invalid"
	if f.listener == nil {
		return
	}
	cert, err := f.listener().GetCertificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{"acme-tls/1"}})
	if err != nil {
		f.proofs = append(f.proofs, err.Error())
		return
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil || leaf.VerifyHostname(name) != nil {
		return
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(acmeIdentifier) && e.Critical {
			f.ready[name], f.proofs = "ready", append(f.proofs, "proof of "+name)
		}
	}
}

func (f *fakeCA) finalize(name string, payload []byte) *http.Response {
	var in struct{ CSR string }
	_ = json.Unmarshal(payload, &in)
	der, _ := base64.RawURLEncoding.DecodeString(in.CSR)
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return reply(http.StatusBadRequest, nil, nil)
	}
	names := csr.DNSNames
	if f.issueFor != nil {
		names = f.issueFor(csr)
	}
	f.serial++
	leaf := &x509.Certificate{SerialNumber: big.NewInt(f.serial), DNSNames: names, NotBefore: time.Now().Add(-f.past), NotAfter: time.Now().Add(f.life - f.past)}
	der, err = x509.CreateCertificate(rand.Reader, leaf, f.root, csr.PublicKey, f.key)
	if err != nil {
		return reply(http.StatusInternalServerError, nil, nil)
	}
	f.certs[name], f.ready[name] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), "issued"
	f.issuedAt[name] = time.Now().Add(f.issueIn)
	return reply(http.StatusOK, map[string]string{"Location": fakeURL + "/order/" + name}, f.order(name))
}

func payloadOf(r *http.Request) ([]byte, error) {
	if r.Method != http.MethodPost {
		return nil, nil
	}
	var jws struct{ Payload string }
	if err := json.NewDecoder(r.Body).Decode(&jws); err != nil {
		return nil, fmt.Errorf("no JWS: %w", err)
	}
	return base64.RawURLEncoding.DecodeString(jws.Payload)
}

func reply(status int, header map[string]string, body any) *http.Response {
	h := http.Header{"Replay-Nonce": {"nonce"}}
	for name, value := range header {
		if value != "" {
			h.Set(name, value)
		}
	}
	text, ok := body.([]byte)
	if !ok {
		text, _ = json.Marshal(body)
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: h, Body: io.NopCloser(bytes.NewReader(text)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(text)),
	}
}
