package policy

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sathiyaseelank-dot/grpccontroller/internal/access"
	"github.com/sathiyaseelank-dot/grpccontroller/internal/wire"
)

// maxTouched bounds what is remembered of subjects whose grants changed.
const maxTouched = 1 << 16

// Reach is what a tunneler may reach at a moment, for people and for choosing a network: the
// connector decides.
type Reach struct {
	// Resources are those of which a grant holds, by id; at most wire.MaxReach.
	Resources []Reachable
	// More is how many others there are.
	More int
	// Version is of the rules, for the next question.
	Version uint64
	// Again is when it may be different although no rule changes; zero for never.
	Again time.Time
}

// Reachable is a resource of which a grant holds.
type Reachable struct {
	access.Resource

	// Until is when to ask again whether it does; zero for never.
	Until time.Time
}

// reaches is the resources and grants by whom they concern. The reader edits it with the
// rules; streams ask it meanwhile. An edit costs what the one entry concerns.
type reaches struct {
	version atomic.Uint64 // of the last edit

	mu        sync.RWMutex
	resources map[string]access.Resource
	grants    map[string]access.Grant
	labels    map[string]access.Labels           // of tunnelers
	named     map[access.Object]map[string]bool  // ids of resources
	from      map[access.Subject]map[string]bool // ids of grants
	to        map[access.Object]map[string]bool  // ids of grants
	touched   map[access.Subject]uint64          // the version in which what it reaches changed
	forgotten uint64                             // touched has no version up to this one
}

func newReaches() *reaches {
	return &reaches{
		resources: map[string]access.Resource{}, grants: map[string]access.Grant{}, labels: map[string]access.Labels{},
		named: map[access.Object]map[string]bool{}, from: map[access.Subject]map[string]bool{}, to: map[access.Object]map[string]bool{},
		touched: map[access.Subject]uint64{},
	}
}

func include[K comparable](index map[K]map[string]bool, key K, id string) {
	if index[key] == nil {
		index[key] = map[string]bool{}
	}
	index[key][id] = true
}

func exclude[K comparable](index map[K]map[string]bool, key K, id string) {
	delete(index[key], id)
	if len(index[key]) == 0 {
		delete(index, key)
	}
}

// begin is the next version. It needs the lock.
func (r *reaches) begin() uint64 {
	if len(r.touched) > maxTouched {
		r.forgotten = r.version.Load()
		clear(r.touched)
	}
	return r.version.Add(1)
}

// touchObjects notes whose grants name one of these objects. It needs the lock.
func (r *reaches) touchObjects(version uint64, objects []access.Object) {
	for _, o := range objects {
		for id := range r.to[o] {
			r.touched[r.grants[id].Subject] = version
		}
	}
}

func (r *reaches) putResource(res access.Resource) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.resources[res.ID]
	if ok && old.Equal(res) {
		return
	}
	version := r.begin()
	if ok {
		r.takeResource(version, old)
	}
	r.resources[res.ID] = res
	objects := access.Objects(res)
	for _, o := range objects {
		include(r.named, o, res.ID)
	}
	r.touchObjects(version, objects)
}

func (r *reaches) takeResource(version uint64, old access.Resource) {
	objects := access.Objects(old)
	for _, o := range objects {
		exclude(r.named, o, old.ID)
	}
	delete(r.resources, old.ID)
	r.touchObjects(version, objects)
}

func (r *reaches) removeResource(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.resources[id]; ok {
		r.takeResource(r.begin(), old)
	}
}

func (r *reaches) putGrant(g access.Grant) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.grants[g.ID]
	if ok && old.Equal(g) {
		return
	}
	version := r.begin()
	if ok {
		r.takeGrant(version, old)
	}
	r.grants[g.ID] = g
	include(r.from, g.Subject, g.ID)
	include(r.to, g.Object, g.ID)
	r.touched[g.Subject] = version
}

func (r *reaches) takeGrant(version uint64, old access.Grant) {
	delete(r.grants, old.ID)
	exclude(r.from, old.Subject, old.ID)
	exclude(r.to, old.Object, old.ID)
	r.touched[old.Subject] = version
}

func (r *reaches) removeGrant(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.grants[id]; ok {
		r.takeGrant(r.begin(), old)
	}
}

// putLabels replaces the labels of a tunneler; without any it has none.
func (r *reaches) putLabels(id string, labels access.Labels) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if maps.Equal(r.labels[id], labels) {
		return
	}
	r.touched[access.TunnelerSubject(id)] = r.begin()
	if r.labels[id] = labels; len(labels) == 0 {
		delete(r.labels, id)
	}
}

// keep removes all but what these keys of rules name.
func (r *reaches) keep(keys map[string]struct{}) {
	there := func(kind, id string) bool {
		_, ok := keys[kind+"/"+id]
		return ok
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	version := r.begin()
	for id, old := range r.resources {
		if !there("resource", id) {
			r.takeResource(version, old)
		}
	}
	for id, old := range r.grants {
		if !there("grant", id) {
			r.takeGrant(version, old)
		}
	}
	for id := range r.labels {
		if !there("tunneler", id) {
			r.touched[access.TunnelerSubject(id)] = version
			delete(r.labels, id)
		}
	}
}

// of is what a tunneler may reach. news is false if nothing of it changed since a version; 0 is
// before all of them.
func (r *reaches) of(tunneler string, since uint64, now time.Time) (out Reach, news bool) {
	if since > 0 && since == r.version.Load() {
		return out, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	out.Version = r.version.Load()
	subjects := []access.Subject{access.TunnelerSubject(tunneler)}
	for key, value := range r.labels[tunneler] {
		subjects = append(subjects, access.LabelSubject(access.Label{Key: key, Value: value}))
	}
	news = since == 0 || since < r.forgotten || slices.ContainsFunc(subjects, func(s access.Subject) bool { return r.touched[s] > since })
	if !news {
		return out, false
	}
	until := map[string]time.Time{}
	for _, s := range subjects {
		for id := range r.from[s] {
			r.follow(&out, until, r.grants[id], now)
		}
	}
	ids := slices.Sorted(maps.Keys(until))
	if len(ids) > wire.MaxReach {
		out.More, ids = len(ids)-wire.MaxReach, ids[:wire.MaxReach]
	}
	for _, id := range ids {
		out.Resources = append(out.Resources, Reachable{r.resources[id], until[id]})
	}
	return out, true
}

// follow adds what a grant leads to. It needs the lock.
func (r *reaches) follow(out *Reach, until map[string]time.Time, g access.Grant, now time.Time) {
	ends, holds, ended := g.Holds(now)
	switch {
	case ended:
		return
	case !holds: // a window begins at a minute
		ends = now.Truncate(time.Minute).Add(time.Minute)
	}
	if !ends.IsZero() && (out.Again.IsZero() || ends.Before(out.Again)) {
		out.Again = ends
	}
	if !holds {
		return
	}
	for id := range r.named[g.Object] {
		if had, ok := until[id]; !ok || !had.IsZero() && (ends.IsZero() || ends.After(had)) {
			until[id] = ends
		}
	}
}

// removeRule removes what a key of a rule names.
func (r *reader) removeRule(key string) {
	r.rules.remove(key)
	switch kind, id, _ := strings.Cut(key, "/"); kind {
	case "resource":
		r.reaches.removeResource(id)
	case "grant":
		r.reaches.removeGrant(id)
	case "tunneler":
		r.reaches.putLabels(id, nil)
	}
}

// Reach is what a tunneler may reach now, and in how long that may be different although no rule changes;
// 0 for never. news is false if nothing of it changed since the version of an earlier
// answer; 0 is before all of them.
func (p *Publisher) Reach(tunneler string, since uint64) (out Reach, again time.Duration, news bool) {
	now := p.now()
	out, news = p.reader.reaches.of(tunneler, since, now)
	if !out.Again.IsZero() {
		again = max(out.Again.Sub(now), time.Millisecond)
	}
	return out, again, news
}
