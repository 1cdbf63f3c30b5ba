package store

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/enroll"
	"github.com/sathiyaseelank-dot/grpccontroller/controller/fleet"
)

// paged is a list that is read in pages, in the order of a key and of the id among equal
// keys. A page begins behind a place and not at a number, so that an index of both finds
// it, and what comes or goes meanwhile neither repeats nor hides others.
type paged struct {
	table, columns string
	id             string // its column; empty for "id"
	key            string // a column, or an expression without an index
	descending     bool
	conditions     []string
	args           []any
}

func (p *paged) where(condition string, args ...any) {
	p.conditions, p.args = append(p.conditions, condition), append(p.args, args...)
}

// behind begins the page behind a place.
func (p *paged) behind(key any, id string) {
	compare := " > "
	if p.descending {
		compare = " < "
	}
	p.where("("+p.key+", "+p.idColumn()+")"+compare+"(?, ?)", key, id)
}

func (p *paged) idColumn() string { return cmp.Or(p.id, "id") }

func (p *paged) from() string {
	if len(p.conditions) == 0 {
		return " FROM " + p.table
	}
	return " FROM " + p.table + " WHERE " + strings.Join(p.conditions, " AND ")
}

// rows is the query of a page.
func (p *paged) rows(limit int) (query string, args []any) {
	direction := ""
	if p.descending {
		direction = " DESC"
	}
	return "SELECT " + p.columns + p.from() + " ORDER BY " + p.key + direction + ", " + p.idColumn() + direction + " LIMIT ?", append(p.args, limit)
}

// count counts all pages: it belongs before behind.
func (p *paged) count(ctx context.Context, q querier) (total int, err error) {
	err = q.QueryRowContext(ctx, "SELECT COUNT(*)"+p.from(), p.args...).Scan(&total)
	return total, err
}

// byCreation reads a page of a list that is in the order of creation, and counts all of it.
func byCreation[T any](
	ctx context.Context, q querier, scan func(scanner) (T, error), p *paged, after auth.Place, limit int,
) (items []T, total int, err error) {
	if total, err = p.count(ctx, q); err != nil {
		return nil, 0, err
	}
	if after != (auth.Place{}) {
		p.behind(micros(after.At), after.ID)
	}
	query, args := p.rows(limit)
	items, err = collect(ctx, q, scan, query, args...)
	return items, total, err
}

// sortKey is what tokens or requests are ordered by: a column, how it is in a fleet.Place,
// and back.
type sortKey[T any] struct {
	column string
	of     func(T) string
	parse  func(key string) (any, error)
}

func textKey(key string) (any, error) { return key, nil }

// numberKey reads a number that has one spelling only.
func numberKey(key string) (any, error) {
	n, err := strconv.ParseInt(key, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != key {
		return nil, fleet.ErrPlace
	}
	return n, nil
}

// pageOf reads the page of a list that q asks for, and counts all pages.
func pageOf[T any, S ~string](
	ctx context.Context, db querier, scan func(scanner) (T, error), p *paged, q enroll.PageQuery[S], key sortKey[T], id func(T) string,
) (out fleet.Page[T], err error) {
	if out.Total, err = p.count(ctx, db); err != nil {
		return out, err
	}
	if q.After != (fleet.Place{}) {
		at, err := key.parse(q.After.Key)
		if err != nil {
			return out, err
		}
		p.behind(at, q.After.ID)
	}
	query, args := p.rows(q.Limit + 1)
	if out.Items, err = collect(ctx, db, scan, query, args...); err != nil || len(out.Items) <= q.Limit {
		return out, err
	}
	out.Items = out.Items[:q.Limit]
	last := out.Items[q.Limit-1]
	out.Next = fleet.Place{Key: key.of(last), ID: id(last)}
	return out, nil
}
