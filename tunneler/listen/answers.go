package listen

import (
	"errors"
	"net/http"

	"github.com/things-go/go-socks5/statute"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/flow"
)

// answers is what a program gets to know of a failed open, in each protocol.
var answers = []struct {
	err    error
	socks  byte
	status int
	kind   string // error type of RFC 9209
}{
	{flow.ErrRefused, statute.RepRuleFailure, http.StatusForbidden, "http_request_denied"},
	{flow.ErrName, statute.RepHostUnreachable, http.StatusBadGateway, "dns_error"},
	{flow.ErrConnRefused, statute.RepConnectionRefused, http.StatusBadGateway, "connection_refused"},
	{flow.ErrTimeout, statute.RepTTLExpired, http.StatusGatewayTimeout, "connection_timeout"},
	{flow.ErrUnreachable, statute.RepNetworkUnreachable, http.StatusBadGateway, "destination_ip_unroutable"},
	{flow.ErrNoConnector, statute.RepNetworkUnreachable, http.StatusServiceUnavailable, "destination_unavailable"},
	{flow.ErrBusy, statute.RepServerFailure, http.StatusServiceUnavailable, "connection_limit_reached"},
}

// Results are what Result may be.
func Results() []string {
	out := []string{"carried", "user", "limit", "protocol"}
	for _, a := range answers {
		out = append(out, a.kind)
	}
	return append(out, "proxy_internal_error")
}

// Result names what became of a connection: carried, user or limit (refused before anything
// was read), protocol (it asked for nothing that there is), or why no flow was opened, by an
// error type of RFC 9209.
func (o Outcome) Result() string {
	switch {
	case o.Failure == nil || o.Opened:
		return "carried"
	case errors.Is(o.Failure, errUser), errors.Is(o.Failure, errNoUser):
		return "user"
	case errors.Is(o.Failure, errFull):
		return "limit"
	case o.Target == flow.Target{}:
		return "protocol"
	}
	_, kind := httpStatus(o.Failure)
	return kind
}

// socksCode is the reply of RFC 1928, section 6.
func socksCode(err error) byte {
	if err == nil {
		return statute.RepSuccess
	}
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.socks
		}
	}
	return statute.RepServerFailure
}

func httpStatus(err error) (status int, kind string) {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return a.status, a.kind
		}
	}
	return http.StatusBadGateway, "proxy_internal_error"
}

// sentence is what a person reads. Why something inside failed is in the log.
func sentence(err error) string {
	for _, a := range answers {
		if errors.Is(err, a.err) {
			return "grpctunneler: " + a.err.Error()
		}
	}
	return "grpctunneler: the flow could not be opened; its log says why"
}
