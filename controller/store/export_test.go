package store

import (
	"context"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/flows"
)

// Plan is how SQLite would run a query.
func (s *Store) Plan(ctx context.Context, query string, args ...any) ([]string, error) {
	return collect(ctx, s.db, func(row scanner) (detail string, err error) {
		var id, parent, unused int
		err = row.Scan(&id, &parent, &unused, &detail)
		return detail, err
	}, "EXPLAIN QUERY PLAN "+query, args...)
}

// AuditSQL is the query of a page of events.
func AuditSQL(q audit.Query) (query string, args []any) { return auditScan(q).sql(audit.Window) }

// RenewalSQL is the query of a page of renewals.
func RenewalSQL(q audit.RenewalQuery) (query string, args []any) {
	return renewalScan(q).sql(audit.RenewalWindow)
}

// FlowSQL is the query of a page of flows.
func FlowSQL(q flows.Query) (query string, args []any) { return flowScan(q) }

// TokenSQL is the query of a page of tokens that is not the first.
func TokenSQL(q enroll.TokenQuery, limit int) (query string, args []any) {
	p := pageOfTokens(q)
	p.behind(1, "tok_1")
	return p.rows(limit)
}

// RequestSQL is the query of a page of requests that is not the first.
func RequestSQL(q enroll.RequestQuery, limit int) (query string, args []any) {
	p := pageOfRequests(q)
	p.behind(1, "req_1")
	return p.rows(limit)
}

// SessionSQL is that of sessions.
func SessionSQL(q auth.SessionQuery) (query string, args []any) { return second(pageOfSessions(q)) }

// KeySQL and PeopleSQL are those of API keys and people.
func KeySQL() (query string, args []any)    { return second(keysByCreation()) }
func PeopleSQL() (query string, args []any) { return second(peopleByCreation()) }

func second(p *paged) (query string, args []any) {
	p.behind(1, "x")
	return p.rows(1)
}

// The queries beside the pages.
const (
	LastBefore      = lastBefore
	FirstBehind     = firstBehind
	AuditTotalSQL   = auditTotal
	AuditOfSQL      = auditOf
	RenewalsBetween = renewalsBetween
	OldFlows        = oldFlows
	OldestFlows     = oldestFlows
	FlowMinutesSQL  = flowMinutes
)
