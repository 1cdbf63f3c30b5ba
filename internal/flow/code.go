package flow

import (
	"context"
	"errors"
	"fmt"
)

// Code is the payload of result and reset: how an open ended, or why a connection does.
type Code byte

// The codes. A result has one up to CodeBusy, a reset any but CodeOK.
const (
	CodeOK          Code = 0
	CodeRefused     Code = 1 // no grant, or no such target: one answer to both
	CodeName        Code = 2 // the name has no address
	CodeConnRefused Code = 3 // the target answered that nothing listens there
	CodeTimeout     Code = 4 // the target did not answer
	CodeUnreachable Code = 5 // there is no way to the target
	CodeInternal    Code = 6 // the connector failed, not the target
	CodeStopping    Code = 7 // the connector stops; nothing was dialed
	CodeBusy        Code = 8 // too many flows; nothing was dialed
	CodeAborted     Code = 9 // a flow ended without its fin: the other end of it was reset
	CodeProtocol    Code = 10
	CodeUnbound     Code = 11 // no such session, or not of this connection
	CodeExpired     Code = 12 // the proof of the session has run out
	CodeQuiet       Code = 13 // nothing was sent for too long
	CodeRevoked     Code = 14 // the tunneler may not be here any more, or not have this flow
	lastResult           = CodeBusy
	// LastCode is the one with the highest number.
	LastCode = CodeRevoked
)

// Why an open failed, for errors.Is.
var (
	// ErrRefused: no grant allows the target, or there is no such target. Nobody learns which.
	ErrRefused = errors.New("not allowed, or there is no such target")
	// ErrName: the connector found no address of the name.
	ErrName = errors.New("the name has no address in the connector's network")
	// ErrConnRefused: nothing listens at the target.
	ErrConnRefused = errors.New("the target refused the connection")
	// ErrTimeout: the target did not answer.
	ErrTimeout = errors.New("the target did not answer in time")
	// ErrUnreachable: the connector has no route to the target.
	ErrUnreachable = errors.New("the connector cannot reach the target")
	// ErrInternal: the connector failed.
	ErrInternal = errors.New("the connector failed")
	// ErrBusy: the connector has too many flows.
	ErrBusy = errors.New("the connector has too many flows")
	// ErrStopping: the connector is about to end.
	ErrStopping = errors.New("the connector stops")
	// ErrNoConnector: no connector of the target's network answers.
	ErrNoConnector = errors.New("no connector answers")
)

// Why a flow or its connection ended.
var (
	// ErrAborted: the far end of the flow was reset.
	ErrAborted = errors.New("the flow was reset at its other end")
	// ErrProtocol: a peer broke the protocol.
	ErrProtocol = errors.New("the peer broke the flow protocol")
	// ErrExpired: the tunneler has not proved its identity again in time.
	ErrExpired = errors.New("the proof of the session has run out")
	// ErrQuiet: nothing was sent for too long.
	ErrQuiet = errors.New("nothing was sent for too long")
	// ErrRevoked: access was withdrawn.
	ErrRevoked = errors.New("access was withdrawn")
)

var errOf = map[Code]error{
	CodeRefused: ErrRefused, CodeName: ErrName, CodeConnRefused: ErrConnRefused, CodeTimeout: ErrTimeout, CodeUnreachable: ErrUnreachable,
	CodeInternal: ErrInternal, CodeStopping: ErrStopping, CodeBusy: ErrBusy, CodeAborted: ErrAborted, CodeProtocol: ErrProtocol,
	CodeUnbound: ErrBinding, CodeExpired: ErrExpired, CodeQuiet: ErrQuiet, CodeRevoked: ErrRevoked,
}

// The texts of the codes, in records and on command lines.
var textOf = [LastCode + 1]string{
	"ok", "refused", "name", "connection_refused", "timeout", "unreachable", "internal", "stopping", "busy", "aborted", "protocol", "unbound", "expired",
	"quiet", "revoked",
}

// String is the text of a code, "unknown" of one that there is not.
func (c Code) String() string {
	if c > LastCode {
		return "unknown"
	}
	return textOf[c]
}

// Err is the error of a code, nil for CodeOK.
func (c Code) Err() error { return errOf[c] }

// CodeOf is the code of an error that a Handler returned, or that ended a connection.
func CodeOf(err error) Code {
	if err == nil {
		return CodeOK
	}
	for code := CodeRefused; code <= LastCode; code++ {
		if errors.Is(err, errOf[code]) {
			return code
		}
	}
	switch {
	case errors.Is(err, ErrMalformed), errors.Is(err, ErrOrder):
		return CodeProtocol
	case errors.Is(err, context.DeadlineExceeded):
		return CodeTimeout
	}
	return CodeInternal
}

// resultOf is the code for the result of an open.
func resultOf(err error) Code {
	if c := CodeOf(err); c <= lastResult {
		return c
	}
	return CodeInternal
}

// parseCode reads the payload of a result or a reset.
func parseCode(t Type, b byte) (Code, error) {
	c := Code(b)
	if t == TypeResult && c > lastResult || t == TypeReset && (c == CodeOK || c > LastCode) {
		return 0, fmt.Errorf("%w: %s with code %d", ErrMalformed, t, b)
	}
	return c, nil
}
