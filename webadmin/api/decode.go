package api

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/adminapi"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/identity"
)

// readJSON fills fields, which maps each allowed name to a pointer, and says which
// of them were given.
//
// encoding/json alone would take "KIND" for "kind", the last of two equal names
// and null for nothing at all; where a person approves one reading and the
// program does another, that is an attack. Here each of them is an error.
func readJSON(r *http.Request, fields map[string]any) (given map[string]bool, err error) {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil, problem(http.StatusUnsupportedMediaType, adminapi.TypeMediaType, "the Content-Type must be application/json")
	}
	dec := json.NewDecoder(r.Body)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, notJSON(err)
	}
	given = map[string]bool{}
	for dec.More() {
		if err := readField(dec, fields, given); err != nil {
			return nil, err
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, notJSON(err)
	}
	return given, nil
}

func readField(dec *json.Decoder, fields map[string]any, seen map[string]bool) error {
	t, err := dec.Token()
	name, ok := t.(string)
	if err != nil || !ok {
		return notJSON(err)
	}
	dst, known := fields[name]
	if !known {
		return invalid(name, "unknown field")
	}
	if seen[name] {
		return invalid(name, "is given twice")
	}
	seen[name] = true
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return notJSON(err)
	}
	if string(raw) == "null" || json.Unmarshal(raw, dst) != nil {
		return invalid(name, "must be "+wanted(dst))
	}
	return nil
}

func notJSON(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return invalid("", "the body must be one JSON object and nothing else")
}

// tokenRequest checks the request for an enrollment token.
func tokenRequest(in adminapi.TokenRequest, given map[string]bool) (req enroll.TokenRequest, err error) {
	req.Replace = in.Replace
	if req.Workload.Kind, err = identity.ParseKind(in.Kind); err != nil {
		return req, invalid("kind", err.Error())
	}
	if req.Workload.ID, err = workloadID(in.ID); err != nil {
		return req, err
	}
	if given["ttl"] {
		if req.TTL, err = parseTTL(in.TTL); err != nil {
			return req, err
		}
	}
	if given["delivery"] {
		if req.Delivery, err = parseDelivery(in.Delivery); err != nil {
			return req, err
		}
	}
	req.Recipient = in.Recipient
	if given["source_cidr"] {
		req.Source, err = parseSource(in.SourceCIDR)
	}
	return req, err
}

func parseDelivery(s string) (enroll.Delivery, error) {
	switch d := enroll.Delivery(s); d {
	case enroll.Plain, enroll.Sealed, enroll.ByClaim:
		return d, nil
	default:
		return "", invalid("delivery", "must be plain, sealed or claim")
	}
}

func workloadID(id string) (string, error) {
	if err := identity.ValidateID(id); err != nil {
		return "", invalid("id", err.Error())
	}
	return id, nil
}

// parseTTL leaves the limits to the domain, except for 0, which means the default
// there.
func parseTTL(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, invalid("ttl", `must be a duration such as "10m" or "1h30m"`)
	}
	if d == 0 {
		return 0, invalid("ttl", "must be "+enroll.MinTTL.String()+" to "+enroll.MaxTTL.String())
	}
	return d, nil
}

// parseSource refuses a prefix with host bits: "10.1.2.3/8" is a slip, and which
// half of it was meant only its author knows.
func parseSource(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, invalid("source_cidr", "must be a network such as 192.0.2.0/24, 192.0.2.7/32 or 2001:db8::/48")
	}
	if p != p.Masked() {
		return netip.Prefix{}, invalid("source_cidr", "has bits beyond its length; "+p.Masked().String()+" is the network")
	}
	return p, nil
}
