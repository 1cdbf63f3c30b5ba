package store

import (
	"context"
	"strings"

	"github.com/sathiyaseelank-dot/grpccontroller/controller/auth"
)

// paged is a list that is read in pages, in the order of a key and of the id among equal
// keys. A page begins behind a place and not at a number, so that an index of both finds
// it, and what comes or goes meanwhile neither repeats nor hides others.
type paged struct {
	table, columns string
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
	p.where("("+p.key+", id)"+compare+"(?, ?)", key, id)
}

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
	return "SELECT " + p.columns + p.from() + " ORDER BY " + p.key + direction + ", id" + direction + " LIMIT ?", append(p.args, limit)
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
