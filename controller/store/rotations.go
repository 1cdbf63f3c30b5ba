package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/rotation"
)

const rotationColumns = `id, state, phase, actor, started_at, ended_at, details`

// rotationDetails is the column details. Its names are stable: a field is added
// and never renamed.
type rotationDetails struct {
	Deadline    time.Duration          `json:"deadline_ns,omitempty"`
	OnExpiry    rotation.Expiry        `json:"on_deadline"`
	Emergency   bool                   `json:"emergency,omitempty"`
	Offline     rotation.OfflinePolicy `json:"offline"`
	Replace     []string               `json:"replace"`
	PhaseSince  time.Time              `json:"phase_since"`
	Reason      string                 `json:"reason,omitempty"`
	Dropped     []string               `json:"dropped,omitempty"`
	Signer      string                 `json:"signer,omitempty"`
	ActivatedAt time.Time              `json:"activated_at,omitzero"`
	Agents      map[string]string      `json:"agents,omitempty"`
	Past        []rotation.Passed      `json:"past"`
}

// RotationTx implements rotation.Store.
func (s *Store) RotationTx(ctx context.Context, fn func(rotation.Tx) error) error {
	return s.tx(ctx, func(t *Tx) error { return fn(t) })
}

// Rotation implements rotation.Store.
func (s *Store) Rotation(ctx context.Context) (rotation.Rotation, error) {
	return newestRotation(ctx, s.db)
}

// Rotation implements rotation.Tx.
func (t *Tx) Rotation(ctx context.Context) (rotation.Rotation, error) {
	return newestRotation(ctx, t.sql)
}

func newestRotation(ctx context.Context, q querier) (rotation.Rotation, error) {
	r, err := scanRotation(q.QueryRowContext(ctx, `SELECT `+rotationColumns+
		` FROM rotations ORDER BY CASE ended_at WHEN 0 THEN 0 ELSE 1 END, started_at DESC, id LIMIT 1`))
	if errors.Is(err, sql.ErrNoRows) {
		return rotation.Rotation{}, rotation.ErrNone
	}
	return r, err
}

func scanRotation(s scanner) (rotation.Rotation, error) {
	var r rotation.Rotation
	var started, ended int64
	var text string
	if err := s.Scan(&r.ID, &r.State, &r.Phase, &r.Actor, &started, &ended, &text); err != nil {
		return r, err
	}
	var d rotationDetails
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return r, fmt.Errorf("details of rotation %s: %w", r.ID, err)
	}
	r.Options = rotation.Options{Deadline: d.Deadline, OnExpiry: d.OnExpiry, Emergency: d.Emergency, Offline: d.Offline}
	r.Replace, r.PhaseSince, r.Reason, r.Dropped = d.Replace, d.PhaseSince, d.Reason, d.Dropped
	r.Signer, r.ActivatedAt, r.Agents, r.Past = d.Signer, d.ActivatedAt, d.Agents, d.Past
	r.StartedAt, r.EndedAt = moment(started), moment(ended)
	return r, nil
}

// PutRotation implements rotation.Tx.
func (t *Tx) PutRotation(ctx context.Context, r rotation.Rotation) error {
	text, err := json.Marshal(rotationDetails{
		Deadline: r.Options.Deadline, OnExpiry: r.Options.OnExpiry, Emergency: r.Options.Emergency, Offline: r.Options.Offline,
		Replace: r.Replace, PhaseSince: r.PhaseSince, Reason: r.Reason, Dropped: r.Dropped,
		Signer: r.Signer, ActivatedAt: r.ActivatedAt, Agents: r.Agents, Past: r.Past,
	})
	if err != nil {
		return err
	}
	return t.write(ctx, changelog.Change{Kind: changelog.Rotation, ID: r.ID, Op: changelog.Changed}, `INSERT INTO rotations (`+rotationColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET state = excluded.state, phase = excluded.phase, ended_at = excluded.ended_at, details = excluded.details`,
		r.ID, string(r.State), string(r.Phase), r.Actor, micros(r.StartedAt), micros(r.EndedAt), string(text))
}
