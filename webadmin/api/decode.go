package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// readJSON fills fields, which maps each allowed name to a pointer, and notes in b which
// of them were given and what is wrong with them. Its error says that the body is not
// one JSON object.
//
// encoding/json alone would take "KIND" for "kind", the last of two equal names,
// null for nothing at all, and U+FFFD for what is no text; where a person approves one
// reading and the program does another, that is an attack. Here each of them is a fault.
func readJSON(r *http.Request, fields map[string]any, b *body) error {
	t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	merge := r.Method == http.MethodPatch && t == "application/merge-patch+json"
	if err != nil || t != "application/json" && !merge {
		return problem(adminapi.TypeMediaType, "the Content-Type must be application/json")
	}
	raw, err := io.ReadAll(r.Body) // 64 KiB at most
	if err != nil {
		return notJSON(err)
	}
	if !isText(raw) {
		return problem(adminapi.TypeInvalidRequest, `the body must be UTF-8, in which each of \ud800 to \udfff is one half of a pair`)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return notJSON(err)
	}
	for dec.More() {
		if err := readField(dec, fields, b); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return notJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return notJSON(err)
	}
	return nil
}

// isText says whether JSON is UTF-8 (RFC 8259, section 8.1) and has no half of a surrogate
// pair alone (section 8.2). A backslash is only inside strings, or the JSON is none.
func isText(raw []byte) bool {
	if !utf8.Valid(raw) {
		return false
	}
	for {
		i := bytes.IndexByte(raw, '\\')
		if i < 0 {
			return true
		}
		raw = raw[i:]
		unit, escaped := escapedUnit(raw)
		switch {
		case !escaped:
			raw = raw[min(len(raw), len(`\n`)):]
		case !utf16.IsSurrogate(unit):
			raw = raw[len(`\u0000`):]
		default:
			low, ok := escapedUnit(raw[len(`\u0000`):])
			if !ok || utf16.DecodeRune(unit, low) == utf8.RuneError {
				return false
			}
			raw = raw[len(`\ud800\udc00`):]
		}
	}
}

// escapedUnit reads the UTF-16 code unit that raw begins with as \uXXXX.
func escapedUnit(raw []byte) (unit rune, ok bool) {
	if len(raw) < len(`\u0000`) || !bytes.HasPrefix(raw, []byte(`\u`)) {
		return 0, false
	}
	n, err := strconv.ParseUint(string(raw[2:6]), 16, 16)
	return rune(n), err == nil
}

func readField(dec *json.Decoder, fields map[string]any, b *body) error {
	t, err := dec.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return notJSON(err)
	}
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return notJSON(err)
	}
	dst, known := fields[name]
	n, mayBeNull := dst.(nullable)
	switch {
	case !known:
		b.wrong(name, "unknown field")
	case b.given[name]:
		b.wrong(name, "is given twice")
	case mayBeNull:
		if json.Unmarshal(raw, dst) != nil {
			b.wrong(name, "must be "+n.wants())
		}
	case string(raw) == "null" || json.Unmarshal(raw, dst) != nil:
		b.wrong(name, "must be "+wanted(dst))
	}
	b.given[name] = true
	return nil
}

func notJSON(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return problem(adminapi.TypeInvalidRequest, "the body must be one JSON object and nothing else")
}

// tokenRequest is the request for an enrollment token. What a value may be is checked by
// the domain, except for what is the default there.
func tokenRequest(in adminapi.TokenRequest, b *body) (req enroll.TokenRequest) {
	req.Workload = identity.Workload{Kind: identity.Kind(in.Kind), ID: in.ID}
	req.Replace, req.Delivery, req.Recipient = in.Replace, enroll.Delivery(in.Delivery), in.Recipient
	var err error
	if b.given["ttl"] {
		req.TTL, err = parseTTL(in.TTL)
		b.take("ttl", err)
	}
	if b.given["delivery"] && in.Delivery == "" {
		b.wrong("delivery", "must be plain, sealed or claim")
	}
	if b.given["source_cidr"] {
		req.Source, err = parseSource(in.SourceCIDR)
		b.take("source_cidr", err)
	}
	return req
}

// parseTTL leaves the limits to the domain, except for 0, which means the default
// there.
func parseTTL(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New(`must be a duration such as "10m" or "1h30m"`)
	}
	if d == 0 {
		return 0, fmt.Errorf("must be %s to %s", enroll.MinTTL, enroll.MaxTTL)
	}
	return d, nil
}

// parseSource refuses a prefix with host bits: "10.1.2.3/8" is a slip, and which
// half of it was meant only its author knows.
func parseSource(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("must be a network such as 192.0.2.0/24, 192.0.2.7/32 or 2001:db8::/48")
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("has bits beyond its length; %s is the network", p.Masked())
	}
	return p, nil
}
