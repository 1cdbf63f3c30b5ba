package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/audit"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/changelog"
)

// database is a database or a transaction.
type database interface {
	querier
	execer
}

// authRows implements auth.Tx. within runs a change and the row of the change log in
// one transaction.
type authRows struct {
	database
	audit.Store
	within func(ctx context.Context, fn func(*Tx) error) error
}

// AuthTx implements auth.Store.
func (s *Store) AuthTx(ctx context.Context, fn func(auth.Tx) error) error {
	return s.tx(ctx, func(t *Tx) error {
		return fn(authRows{t.sql, t, func(_ context.Context, fn func(*Tx) error) error { return fn(t) }})
	})
}

// AuthRows implements auth.Store.
func (s *Store) AuthRows() auth.Tx { return authRows{s.db, s, s.tx} }

func (a authRows) exec(ctx context.Context, query string, args ...any) error {
	_, err := a.ExecContext(ctx, query, args...)
	return err
}

const personColumns = `id, email, name, role, password_hash, issuer, subject, totp_seed, totp_pending, totp_step, created_at, last_sign_in_at, disabled_at`

func scanPerson(s scanner) (auth.Person, error) {
	var p auth.Person
	var created, signedIn, disabled int64
	err := s.Scan(&p.ID, &p.Email, &p.Name, &p.Role, &p.PasswordHash, &p.Issuer, &p.Subject, &p.TOTPSeed, &p.TOTPPending, &p.TOTPStep,
		&created, &signedIn, &disabled)
	if errors.Is(err, sql.ErrNoRows) {
		return auth.Person{}, auth.ErrPersonNotFound
	}
	p.CreatedAt, p.LastSignInAt, p.DisabledAt = moment(created), moment(signedIn), moment(disabled)
	return p, err
}

// write is exec with its row in the change log.
func (a authRows) write(ctx context.Context, c changelog.Change, query string, args ...any) error {
	return a.within(ctx, func(t *Tx) error { return t.write(ctx, c, query, args...) })
}

func person(id string, op changelog.Op) changelog.Change {
	return changelog.Change{Kind: changelog.Person, ID: id, Op: op}
}

// Person implements auth.PeopleTx.
func (a authRows) Person(ctx context.Context, id string) (auth.Person, error) {
	return scanPerson(a.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE id = ?`, id))
}

// LocalPerson implements auth.PeopleTx.
func (a authRows) LocalPerson(ctx context.Context, email string) (auth.Person, error) {
	return scanPerson(a.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE email = ? AND subject = ''`, email))
}

// FederatedPerson implements auth.PeopleTx.
func (a authRows) FederatedPerson(ctx context.Context, issuer, subject string) (auth.Person, error) {
	return scanPerson(a.QueryRowContext(ctx, `SELECT `+personColumns+` FROM people WHERE issuer = ? AND subject = ? AND subject != ''`, issuer, subject))
}

// People implements auth.PeopleTx.
func (a authRows) People(ctx context.Context) ([]auth.Person, error) {
	return collect(ctx, a, scanPerson, `SELECT `+personColumns+` FROM people ORDER BY created_at, id`)
}

// PersonPage implements auth.PeopleTx.
func (a authRows) PersonPage(ctx context.Context, after auth.Place, limit int) ([]auth.Person, int, error) {
	return byCreation(ctx, a, scanPerson, peopleByCreation(), after, limit)
}

func peopleByCreation() *paged {
	return &paged{table: "people", columns: personColumns, key: "created_at"}
}

// PutPerson implements auth.PeopleTx.
func (a authRows) PutPerson(ctx context.Context, p auth.Person) error {
	return a.write(ctx, person(p.ID, changelog.Changed), `INSERT INTO people (`+personColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name, role = excluded.role, password_hash = excluded.password_hash,
		totp_seed = excluded.totp_seed, totp_pending = excluded.totp_pending, totp_step = excluded.totp_step,
		last_sign_in_at = excluded.last_sign_in_at, disabled_at = excluded.disabled_at`,
		p.ID, p.Email, p.Name, string(p.Role), p.PasswordHash, p.Issuer, p.Subject, nonNil(p.TOTPSeed), nonNil(p.TOTPPending), p.TOTPStep,
		micros(p.CreatedAt), micros(p.LastSignInAt), micros(p.DisabledAt))
}

// DeletePerson implements auth.PeopleTx; the rest goes by foreign keys.
func (a authRows) DeletePerson(ctx context.Context, id string) error {
	return a.write(ctx, person(id, changelog.Deleted), `DELETE FROM people WHERE id = ?`, id)
}

// SetRecoveryCodes implements auth.PeopleTx.
func (a authRows) SetRecoveryCodes(ctx context.Context, personID string, hashes [][]byte) error {
	if err := a.exec(ctx, `DELETE FROM recovery_codes WHERE person_id = ?`, personID); err != nil {
		return err
	}
	for _, h := range hashes {
		if err := a.exec(ctx, `INSERT INTO recovery_codes (person_id, hash) VALUES (?, ?)`, personID, h); err != nil {
			return err
		}
	}
	return nil
}

// SpendRecoveryCode implements auth.PeopleTx.
func (a authRows) SpendRecoveryCode(ctx context.Context, personID string, hash []byte) (bool, error) {
	r, err := a.ExecContext(ctx, `DELETE FROM recovery_codes WHERE person_id = ? AND hash = ?`, personID, hash)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 1, err
}

// CountRecoveryCodes implements auth.PeopleTx.
func (a authRows) CountRecoveryCodes(ctx context.Context, personID string) (n int, err error) {
	err = a.QueryRowContext(ctx, `SELECT COUNT(*) FROM recovery_codes WHERE person_id = ?`, personID).Scan(&n)
	return n, err
}
