package controlclient

import (
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// plainError is an error of a call in an operator's words. Nothing is decided by its
// text: the error is still there.
type plainError struct {
	text string
	err  error
}

// Error implements error.
func (e *plainError) Error() string { return e.text }

// Unwrap implements errors.Unwrap.
func (e *plainError) Unwrap() error { return e.err }

// transportFault finds what gRPC wraps in its own words.
var transportFault = regexp.MustCompile(`desc = "(?:transport: )?(?:Error while dialing: |authentication handshake failed: )?(.*)"$`)

// rpcFault is how gRPC begins its errors.
var rpcFault = regexp.MustCompile(`rpc error: code = \w+ desc = `)

// advice is what to look at, by what the network said. The first that matches counts.
var advice = []struct{ said, do string }{
	{"connection refused", "nothing listens there: is the program running, and is the port right?"},
	{"no such host", "this name does not resolve: is it spelled right, and does DNS answer?"},
	{"server misbehaving", "DNS does not answer"},
	{"no route to host", "there is no route to that network"},
	{"network is unreachable", "there is no route to that network"},
	{"timeout", "nothing answers there: is the address right, or does a firewall drop it?"},
	{"deadline exceeded", "nothing answers there: is the address right, or does a firewall drop it?"},
	{"first record does not look like a TLS handshake", "the program that answers there does not speak TLS: is the port right?"},
	{"reset by peer", "the connection was cut: is there a proxy in between, or is the program restarting?"},
	{"broken pipe", "the connection was cut: is the program restarting?"},
	{"EOF", "the connection was closed: is the program restarting?"},
}

// Plain puts an error of a call into an operator's words: what happened, then what to
// look at. An error that is not gRPC's stays as it is, and so does nil.
func Plain(err error) error {
	st, ok := status.FromError(err)
	if err == nil || !ok || st.Code() == codes.OK {
		return err
	}
	if _, plain := err.(*plainError); plain { //nolint:errorlint // this one, and not one inside
		return err
	}
	return &plainError{text: plainText(st), err: err}
}

func plainText(st *status.Status) string {
	text := rpcFault.ReplaceAllString(st.Message(), "") // inside of another error
	switch st.Code() {
	case codes.Unavailable:
		if found := transportFault.FindStringSubmatch(text); found != nil {
			text = found[1]
			if unquoted, err := strconv.Unquote(`"` + text + `"`); err == nil {
				text = unquoted
			}
		}
		for _, a := range advice {
			if strings.Contains(text, a.said) {
				return text + ": " + a.do
			}
		}
		return text
	case codes.DeadlineExceeded:
		return "there was no answer in time"
	case codes.ResourceExhausted:
		return "the other side is busy: " + text
	default:
		return text
	}
}
