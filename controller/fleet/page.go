package fleet

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

// glance is how many entries are looked at between two looks at the context.
const glance = 256

// view is what one list shows of its entries.
type view[T, R any] struct {
	scans   chan struct{}
	seen    func(*T) time.Time
	matches func(row *T, lowerText string) bool
	show    func(*T) R
}

// page returns the page that q asks for.
func page[T, R any](ctx context.Context, t *table[T], q Query, v view[T, R]) (Page[R], error) {
	after, err := entryAt[T](q)
	if err != nil {
		return Page[R]{}, err
	}
	l := search[T, R]{table: t, q: q, view: v, after: after, text: strings.ToLower(q.Search)}
	found, total, err := l.run(ctx)
	if err != nil {
		return Page[R]{}, err
	}
	out := Page[R]{Total: total, Items: make([]R, 0, min(len(found), q.Limit))}
	if len(found) > q.Limit {
		found = found[:q.Limit]
		last := found[q.Limit-1]
		out.Next = Place{Key: keyOf(q.Sort, last), ID: last.id}
	}
	for _, e := range found {
		out.Items = append(out.Items, v.show(e.row))
	}
	return out, nil
}

// keyOf is the key of an entry in an order.
func keyOf[T any](s Sort, e *entry[T]) string {
	switch s {
	case ByEnrolled:
		return microsKey(e.enrolled)
	case BySeen:
		return microsKey(e.seen)
	case ByVersion, ByHostname:
		return e.label
	case ByStatus:
		return string(e.part.status())
	default:
		return e.id
	}
}

// entryAt is the place that a page begins after, as an entry; nil is the beginning. A
// place comes from a caller.
func entryAt[T any](q Query) (*entry[T], error) {
	if q.After == (Place{}) {
		return nil, nil //nolint:nilnil // the beginning is no place
	}
	e := &entry[T]{id: q.After.ID}
	var err error
	switch q.Sort {
	case ByEnrolled:
		e.enrolled, err = parseMicros(q.After.Key)
	case BySeen:
		e.seen, err = parseMicros(q.After.Key)
	case ByVersion, ByHostname:
		e.label = q.After.Key
	case ByStatus:
		if q.After.Key == string(online.status()) {
			e.part = online
		}
	}
	if err != nil || e.id == "" || keyOf(q.Sort, e) != q.After.Key {
		return nil, ErrPlace
	}
	return e, nil
}

// parts are those that q asks for.
func (q Query) parts() (out []part) {
	for p := range part(allPart) {
		if (p&gone != 0) == q.Revoked && (q.Status == "" || p.status() == q.Status) {
			out = append(out, p)
		}
	}
	return out
}

// search finds the entries of one page.
type search[T, R any] struct {
	view[T, R]

	table *table[T]
	q     Query
	after *entry[T]
	text  string // in lower case
}

// run returns the entries of the page, and one more if there is a next one.
func (l *search[T, R]) run(ctx context.Context) (found []*entry[T], total int, err error) {
	if l.text != "" || l.q.Sort == BySeen || len(l.q.Labels) > 0 {
		select {
		case l.scans <- struct{}{}:
			defer func() { <-l.scans }()
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	most, parts := l.q.Limit+1, l.q.parts()
	if len(l.q.Labels) > 0 {
		return l.labelled(ctx, parts)
	}
	if l.text == "" {
		next, err := l.walk(ctx, l.after, parts)
		if err != nil {
			return nil, 0, err
		}
		for e := next(); e != nil && len(found) < most; e = next() {
			found = append(found, e)
		}
		return found, l.table.len(parts), nil
	}
	next, err := l.walk(ctx, nil, parts)
	if err != nil {
		return nil, 0, err
	}
	looked := 0
	for e := next(); e != nil; e = next() {
		if looked++; looked%glance == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		if !l.matches(e.row, l.text) {
			continue
		}
		total++
		if len(found) < most && l.follows(e) {
			found = append(found, e)
		}
	}
	return found, total, nil
}

// labelled is run for a query with labels: it looks at those that have the first one.
func (l *search[T, R]) labelled(ctx context.Context, parts []part) (found []*entry[T], total int, err error) {
	var all []*entry[T]
	looked := 0
	l.table.with(l.q.Labels[0], func(e *entry[T]) bool {
		if looked++; looked%glance == 0 && ctx.Err() != nil {
			return false
		}
		if !slices.Contains(parts, e.part) || !l.table.labelsOf(e.row).Has(l.q.Labels) || l.text != "" && !l.matches(e.row, l.text) {
			return true
		}
		if l.q.Sort == BySeen && e.part&online != 0 {
			now := *e
			now.seen = micros(l.seen(e.row))
			e = &now
		}
		all = append(all, e)
		return true
	})
	if ctx.Err() != nil {
		return nil, 0, ctx.Err()
	}
	slices.SortFunc(all, func(a, b *entry[T]) int {
		if l.q.Descending {
			a, b = b, a
		}
		return l.compare(a, b)
	})
	for _, e := range all {
		if len(found) <= l.q.Limit && l.follows(e) {
			found = append(found, e)
		}
	}
	return found, len(all), nil
}

// compare orders entries as the query does, ascending.
func (l *search[T, R]) compare(a, b *entry[T]) int {
	c := compareIn(orderOf(l.q.Sort), a, b)
	if l.q.Sort == ByStatus {
		c = cmp.Or(cmp.Compare(a.part&online, b.part&online), c)
	}
	return c
}

// follows says that an entry comes after the place that the page begins after.
func (l *search[T, R]) follows(e *entry[T]) bool {
	if l.after == nil {
		return true
	}
	c := l.compare(e, l.after)
	return c != 0 && (c > 0) != l.q.Descending
}

// walk goes through the parts from after an entry on.
func (l *search[T, R]) walk(ctx context.Context, after *entry[T], parts []part) (cursor[T], error) {
	switch l.q.Sort {
	case ByStatus:
		return l.walkByStatus(after, parts), nil
	case BySeen:
		return l.walkBySeen(ctx, after, parts)
	default:
		return l.table.walk(orderOf(l.q.Sort), l.q.Descending, after, parts), nil
	}
}

// walkByStatus goes through those that are OFFLINE, then the others.
func (l *search[T, R]) walkByStatus(after *entry[T], parts []part) cursor[T] {
	var all []cursor[T]
	groups := []part{0, online}
	if l.q.Descending {
		slices.Reverse(groups)
	}
	for _, status := range groups {
		in := slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p&online != status })
		from := after
		if after != nil && after.part != status {
			if (status > after.part) == l.q.Descending {
				continue // the page begins in the other group, which comes later
			}
			from = nil
		}
		all = append(all, l.table.walk(orderID, l.q.Descending, from, in))
	}
	return chain(all...)
}

// walkBySeen goes through those that are OFFLINE by what is kept of them, and asks for
// the last heartbeat of each that is ONLINE: that changes with each heartbeat, so that no
// order of them is kept.
func (l *search[T, R]) walkBySeen(ctx context.Context, after *entry[T], parts []part) (cursor[T], error) {
	most := l.q.Limit + 1
	if l.text != "" {
		most = l.table.len(parts) // each one is looked at
	}
	sorted, err := l.seenNow(ctx, after, slices.DeleteFunc(slices.Clone(parts), func(p part) bool { return p&online == 0 }), most)
	if err != nil {
		return nil, err
	}
	all := []cursor[T]{func() *entry[T] {
		if len(sorted) == 0 {
			return nil
		}
		e := sorted[0]
		sorted = sorted[1:]
		return e
	}}
	for _, p := range parts {
		if p&online == 0 {
			all = append(all, walkTree(l.table.parts[p][orderSeen], l.q.Descending, after))
		}
	}
	return merge(orderSeen, l.q.Descending, all), nil
}

// seenNow are the first entries of parts after one, in the order BySeen.
func (l *search[T, R]) seenNow(ctx context.Context, after *entry[T], parts []part, most int) (out []*entry[T], err error) {
	before := func(a, b *entry[T]) int {
		if l.q.Descending {
			a, b = b, a
		}
		return compareIn(orderSeen, a, b)
	}
	var last *entry[T] // of those on the page so far: what comes after it is not on it
	first := func() {
		slices.SortFunc(out, before)
		if len(out) > 0 && len(out) >= most {
			out = out[:most]
			last = out[most-1]
		}
	}
	next, looked := l.table.walk(orderID, false, nil, parts), 0
	for e := next(); e != nil; e = next() {
		if looked++; looked%glance == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		now := entry[T]{id: e.id, seen: micros(l.seen(e.row))}
		if after != nil && before(&now, after) <= 0 || last != nil && before(&now, last) > 0 {
			continue
		}
		kept := *e
		kept.seen = now.seen
		if out = append(out, &kept); len(out) >= 2*most {
			first()
		}
	}
	first()
	return out, nil
}
