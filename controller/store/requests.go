package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// requestColumns are in the order of scanRequest; the last two are of the token
// that an approval made.
const requestColumns = `r.id, r.code, r.kind, r.workload, r.facts, r.ephemeral, r.csr, r.host_cert, r.key_hash, r.fingerprint, r.mismatches,
	r.source, r.net, r.created_at, r.expires_at, r.decision, r.decided_at, r.decided_by, r.token_id,
	COALESCE(t.claimed_at, 0), COALESCE(t.host_id, '')`

const fromRequests = `requests r LEFT JOIN tokens t ON t.id = r.token_id`

func scanRequest(s scanner) (enroll.Request, error) {
	var r enroll.Request
	var facts string
	var created, expires, decided, collected int64
	err := s.Scan(&r.ID, &r.Code, &r.Workload.Kind, &r.Workload.ID, &facts, &r.Ephemeral, &r.CSR, &r.HostCertificate, &r.KeyHash,
		&r.Fingerprint, &r.Mismatches, &r.Source, &r.Net, &created, &expires, &r.Decision, &decided, &r.DecidedBy, &r.TokenID,
		&collected, &r.HostID)
	if errors.Is(err, sql.ErrNoRows) {
		return enroll.Request{}, enroll.ErrRequestNotFound
	}
	if err != nil {
		return r, err
	}
	r.CreatedAt, r.ExpiresAt, r.DecidedAt, r.CollectedAt = moment(created), moment(expires), moment(decided), moment(collected)
	if err := json.Unmarshal([]byte(facts), &r.Facts); err != nil {
		return r, fmt.Errorf("facts of request %s: %w", r.ID, err)
	}
	return r, nil
}

// RequestPage implements enroll.Store.
func (s *Store) RequestPage(ctx context.Context, q enroll.RequestQuery) (fleet.Page[enroll.Request], error) {
	return pageOf(ctx, s.db, scanRequest, pageOfRequests(q), q, requestKey(q), func(r enroll.Request) string { return r.ID })
}

// requestKey is what a query orders requests by.
func requestKey(q enroll.RequestQuery) sortKey[enroll.Request] {
	switch q.Sort {
	case enroll.ByCreation:
		return sortKey[enroll.Request]{"r.created_at", func(r enroll.Request) string { return microsText(r.CreatedAt) }, numberKey}
	case enroll.ByExpiry:
		return sortKey[enroll.Request]{"r.expires_at", func(r enroll.Request) string { return microsText(r.ExpiresAt) }, numberKey}
	case enroll.ByState:
		column := fmt.Sprintf("CASE WHEN COALESCE(t.claimed_at, 0) <> 0 THEN '%s' WHEN r.decision <> '' THEN r.decision WHEN r.expires_at <= %s THEN '%s' ELSE '%s' END",
			enroll.RequestEnrolled, microsText(q.Now), enroll.RequestExpired, enroll.RequestPending)
		return sortKey[enroll.Request]{column, func(r enroll.Request) string { return string(r.State(q.Now)) }, textKey}
	default:
		return sortKey[enroll.Request]{"r.workload", func(r enroll.Request) string { return r.Workload.ID }, textKey}
	}
}

// pageOfRequests is the list that a query asks for; enroll.Request.State has the same rules.
func pageOfRequests(q enroll.RequestQuery) *paged {
	p := &paged{table: fromRequests, columns: requestColumns, id: "r.id", key: requestKey(q).column, descending: q.Descending}
	switch q.State {
	case "":
	case enroll.RequestEnrolled:
		p.where("t.claimed_at <> 0")
	case enroll.RequestExpired:
		p.where("r.decision = '' AND r.expires_at <= " + microsText(q.Now))
	case enroll.RequestPending:
		p.where("r.decision = '' AND r.expires_at > " + microsText(q.Now))
	default:
		p.where("r.decision = ? AND COALESCE(t.claimed_at, 0) = 0", string(q.State))
	}
	if q.Search != "" {
		text := strings.ToLower(q.Search)
		p.where(`(instr(r.id, ?) OR instr(lower(r.code), ?) OR instr(r.kind || '/' || r.workload, ?) OR instr(lower(json_extract(r.facts, '$.Hostname')), ?)
			OR instr(r.source, ?) OR instr(lower(r.decided_by), ?) OR instr(COALESCE(t.host_id, ''), ?))`, text, text, text, text, text, text, text)
	}
	return p
}

// Request implements enroll.Store.
func (s *Store) Request(ctx context.Context, id string) (enroll.Request, error) {
	return scanRequest(s.db.QueryRowContext(ctx, `SELECT `+requestColumns+` FROM `+fromRequests+` WHERE r.id = ?`, id))
}

// ExpiredRequests lists the ids of the requests that nobody decided until they
// expired, after one time and up to another.
func (s *Store) ExpiredRequests(ctx context.Context, after, until time.Time) ([]string, error) {
	return collect(ctx, s.db, scanID,
		`SELECT id FROM requests WHERE expires_at > ? AND expires_at <= ? AND decision = ''`, micros(after), micros(until))
}

// RequestByID implements enroll.RequestTx.
func (t *Tx) RequestByID(ctx context.Context, id string) (enroll.Request, error) {
	return scanRequest(t.sql.QueryRowContext(ctx, `SELECT `+requestColumns+` FROM `+fromRequests+` WHERE r.id = ?`, id))
}

// RequestByKey implements enroll.RequestTx.
func (t *Tx) RequestByKey(ctx context.Context, keyHash []byte) (enroll.Request, error) {
	return scanRequest(t.sql.QueryRowContext(ctx,
		`SELECT `+requestColumns+` FROM `+fromRequests+` WHERE r.key_hash = ? ORDER BY r.created_at DESC, r.rowid DESC LIMIT 1`, keyHash))
}

// PendingRequests implements enroll.RequestTx.
func (t *Tx) PendingRequests(ctx context.Context, now time.Time, net string) (total, fromNet int, err error) {
	err = t.sql.QueryRowContext(ctx, `SELECT COUNT(*), COUNT(*) FILTER (WHERE net = ?) FROM requests WHERE decision IN ('', 'withdrawn') AND expires_at > ?`,
		net, micros(now)).Scan(&total, &fromNet)
	return total, fromNet, err
}

// InsertRequest implements enroll.RequestTx.
func (t *Tx) InsertRequest(ctx context.Context, r enroll.Request) error {
	facts, err := json.Marshal(r.Facts)
	if err != nil {
		return err
	}
	return t.write(ctx, changelog.Change{Kind: changelog.Request, ID: r.ID, Op: changelog.Created}, `INSERT INTO requests (id, code, kind, workload, facts, ephemeral, csr, host_cert, key_hash, fingerprint,
		mismatches, source, net, created_at, expires_at, decision, decided_at, decided_by, token_id)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		r.ID, r.Code, string(r.Workload.Kind), r.Workload.ID, string(facts), r.Ephemeral, nonNil(r.CSR), nonNil(r.HostCertificate),
		nonNil(r.KeyHash), r.Fingerprint, r.Mismatches, r.Source, r.Net, micros(r.CreatedAt), micros(r.ExpiresAt),
		string(r.Decision), micros(r.DecidedAt), r.DecidedBy, r.TokenID)
}

// UpdateRequest implements enroll.RequestTx.
func (t *Tx) UpdateRequest(ctx context.Context, r enroll.Request) error {
	return t.write(ctx, changelog.Change{Kind: changelog.Request, ID: r.ID, Op: changelog.Changed},
		`UPDATE requests SET mismatches = ?, decision = ?, decided_at = ?, decided_by = ?, token_id = ? WHERE id = ?`,
		r.Mismatches, string(r.Decision), micros(r.DecidedAt), r.DecidedBy, r.TokenID, r.ID)
}

// PurgeRequests implements enroll.RequestTx.
func (t *Tx) PurgeRequests(ctx context.Context, expired, decided time.Time) error {
	gone, err := collect(ctx, t.sql, scanID,
		`DELETE FROM requests WHERE decision IN ('', 'withdrawn') AND expires_at < ? OR decision <> '' AND decided_at < ? RETURNING id`,
		micros(expired), micros(decided))
	for _, id := range gone {
		t.changed(changelog.Request, id, changelog.Deleted)
	}
	return err
}

// InsertClaim implements enroll.ClaimTx.
func (t *Tx) InsertClaim(ctx context.Context, c enroll.Claim) error {
	_, err := t.sql.ExecContext(ctx, `INSERT INTO claims (hash, token_id, sealed) VALUES (?, ?, ?)`, c.Hash, c.TokenID, nonNil(c.Sealed))
	return err
}

// ClaimByHash implements enroll.ClaimTx.
func (t *Tx) ClaimByHash(ctx context.Context, hash []byte) (enroll.Claim, error) {
	c := enroll.Claim{Hash: hash}
	err := t.sql.QueryRowContext(ctx, `SELECT token_id, sealed FROM claims WHERE hash = ?`, hash).Scan(&c.TokenID, &c.Sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return enroll.Claim{}, enroll.ErrClaimRefused
	}
	return c, err
}

// EraseClaim implements enroll.ClaimTx.
func (t *Tx) EraseClaim(ctx context.Context, tokenID string) error {
	_, err := t.sql.ExecContext(ctx, `UPDATE claims SET sealed = x'' WHERE token_id = ?`, tokenID)
	return err
}

// PurgeClaims implements enroll.ClaimTx.
func (t *Tx) PurgeClaims(ctx context.Context, now time.Time) error {
	_, err := t.sql.ExecContext(ctx, `UPDATE claims SET sealed = x'' WHERE sealed != x''
		AND token_id IN (SELECT id FROM tokens WHERE expires_at <= ?)`, micros(now))
	return err
}
