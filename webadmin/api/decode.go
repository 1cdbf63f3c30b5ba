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

// readJSON fills fields, which maps each allowed name to a *string or *bool.
//
// encoding/json alone would take "KIND" for "kind", the last of two equal names
// and null for nothing at all; where a person approves one reading and the
// program does another, that is an attack. Here each of them is an error.
func readJSON(r *http.Request, fields map[string]any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return problem(http.StatusUnsupportedMediaType, adminapi.TypeMediaType, "the Content-Type must be application/json")
	}
	dec := json.NewDecoder(r.Body)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return notJSON(err)
	}
	seen := map[string]bool{}
	for dec.More() {
		if err := readField(dec, fields, seen); err != nil {
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

func wanted(dst any) string {
	if _, ok := dst.(*bool); ok {
		return "true or false"
	}
	return "a string"
}

func notJSON(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return err
	}
	return invalid("", "the body must be one JSON object and nothing else")
}

// decodeToken reads the request for an enrollment token.
func decodeToken(r *http.Request) (enroll.TokenRequest, error) {
	var kind, id, cidr, ttl string
	var req enroll.TokenRequest
	fields := map[string]any{"kind": &kind, "id": &id, "ttl": &ttl, "replace": &req.Replace, "source_cidr": &cidr}
	// Not the zero values: an empty string that is given is an error.
	ttl, cidr = absent, absent
	err := readJSON(r, fields)
	if err != nil {
		return req, err
	}
	if req.Workload.Kind, err = identity.ParseKind(kind); err != nil {
		return req, invalid("kind", err.Error())
	}
	if req.Workload.ID, err = workloadID(id); err != nil {
		return req, err
	}
	if ttl != absent {
		if req.TTL, err = parseTTL(ttl); err != nil {
			return req, err
		}
	}
	if cidr != absent {
		req.Source, err = parseSource(cidr)
	}
	return req, err
}

// absent cannot come out of a JSON string: it is not valid UTF-8.
const absent = "\xff"

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
